#include "config.h"

#include "ec2/bill.h"

#define MINUTE_NS (60 * 1000000000ull)
#define HOUR_NS 3600e9

void bill_add(struct bill *bill, double usd_per_hour, uint64_t ns, bool there)
{
	uint64_t billed = ns < MINUTE_NS ? MINUTE_NS : ns;

	bill->usd += usd_per_hour * (double)billed / HOUR_NS;
	if (there)
		bill->usd_per_hour += usd_per_hour;
	bill->unpriced += usd_per_hour <= 0;
}

void bill_describe(const struct bill *bill, double max_cost, cJSON *facts)
{
	cJSON *cost = cJSON_AddObjectToObject(facts, "cost");

	cJSON_AddNumberToObject(cost, "usd", bill->usd);
	cJSON_AddNumberToObject(cost, "usd_per_hour", bill->usd_per_hour);
	if (max_cost > 0)
		cJSON_AddNumberToObject(cost, "max_usd_per_hour", max_cost);
	else
		cJSON_AddNullToObject(cost, "max_usd_per_hour");
	cJSON_AddNumberToObject(cost, "unpriced", bill->unpriced);
}
