/*
 * bill: what instances cost.
 *
 * By their prices at their launch, which for spot may change later, and without
 * volumes and traffic.  EC2 bills by the second, a minute at least ("Amazon EC2
 * On-Demand Pricing"; spot alike).
 */
#ifndef EC2_BILL_H
#define EC2_BILL_H

#include "base/json.h"

struct bill {
	double usd;	     /* of all */
	double usd_per_hour; /* of those that are there */
	int unpriced;	     /* instances whose price nobody knows */
};

/* One more, which has been there for so long, and whether it still is.
 * usd_per_hour 0: not known. */
void bill_add(struct bill *bill, double usd_per_hour, uint64_t ns, bool there);

/* "cost" of Keeper.Status: {"usd", "usd_per_hour", "max_usd_per_hour" (null:
 * no limit), "unpriced"}. */
void bill_describe(const struct bill *bill, double max_cost, cJSON *facts);

#endif
