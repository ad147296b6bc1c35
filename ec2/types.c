#include "config.h"

#include "ec2/types.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int by_name(const void *name, const void *type)
{
	return strcmp(name, ((const struct ec2_known_type *)type)->name);
}

const struct ec2_known_type *ec2_known_type(const char *name)
{
	return bsearch(name, ec2_known_types, EC2_KNOWN_TYPES,
		       sizeof(*ec2_known_types), by_name);
}

double ec2_known_price(const struct ec2_known_type *type, const char *region)
{
	for (size_t i = 0; i < EC2_PRICE_REGIONS; i++)
		if (strcmp(ec2_price_regions[i], region) == 0)
			return type->usd[i];
	return 0;
}

static double dearest(const struct ec2_spot_prices *spot, const char *name)
{
	double usd = 0;

	for (size_t i = 0; spot && i < spot->count; i++)
		if (strcmp(spot->items[i].type, name) == 0 &&
		    spot->items[i].usd > usd)
			usd = spot->items[i].usd;
	return usd;
}

int ec2_type_facts(const char *name, const char *region,
		   const struct ec2_types *types,
		   const struct ec2_spot_prices *spot,
		   struct ec2_type_facts *facts, struct bigm_error *err)
{
	const struct ec2_known_type *known = ec2_known_type(name);
	const struct ec2_type *told = types ? ec2_types_find(types, name) : NULL;

	if (types && !told)
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "the region %s has no instances of type "
				      "%s", region, name);
	if (!known && !told)
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "nothing is known of instances of type %s",
				      name);
	*facts = (struct ec2_type_facts){
		.name = name,
		.architecture = told ? told->architecture : "x86_64",
		.vcpus = told ? told->vcpus : known->vcpus,
		.memory_gib = told ? (double)told->memory_mib / 1024
				   : known->memory_gib,
		.ebs_nvme = told ? told->ebs_nvme : known->ebs_nvme != 0,
		.on_demand = known ? ec2_known_price(known, region) : 0,
		.spot = dearest(spot, name),
	};
	return 0;
}
