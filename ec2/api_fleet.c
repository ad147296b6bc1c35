#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "ec2/api_fleet.h"

#define PAGE 200 /* templates; EC2's most */

static void add_token(struct params *p, const char *given)
{
	char token[EC2_TOKEN_SIZE];

	ec2_token(token);
	params_string(p, "ClientToken", given ? given : token);
}

int ec2_create_template(struct ec2_client *c, const char *name,
			const struct ec2_launch_spec *spec,
			const char *client_token, bool dry_run, char **id,
			struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	*id = NULL;
	params_init(&p, "CreateLaunchTemplate");
	params_string(&p, "LaunchTemplateName", name);
	add_token(&p, client_token);
	params_begin(&p, "LaunchTemplateData");
	params_launch_spec(&p, spec);
	params_end(&p);
	params_tags(&p, "launch-template", spec->tags, spec->ntags);
	if (dry_run)
		params_bool(&p, "DryRun", true);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	if (ret < 0 || !answer)
		return ret;
	*id = xstrdup(xml_get(xml_root(answer),
			      "launchTemplate/launchTemplateId"));
	if (**id)
		return 0;
	free(*id);
	*id = NULL;
	return ec2_failure_set(f, EC2_SERVER, BIGM_EPROTOCOL,
			       "CreateLaunchTemplate: EC2 gives no id");
}

int ec2_delete_template(struct ec2_client *c, const char *id,
			struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	params_init(&p, "DeleteLaunchTemplate");
	params_string(&p, "LaunchTemplateId", id);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return f->kind == EC2_NOT_FOUND ? 0 : ret;
}

void ec2_templates_release(struct ec2_templates *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->ids[i]);
	free(list->ids);
	*list = (struct ec2_templates){ NULL, 0 };
}

int ec2_describe_templates(struct ec2_client *c,
			   const struct ec2_filter *filters, size_t n,
			   struct ec2_templates *list, struct ec2_failure *f)
{
	struct ec2_pages pages;
	struct params p;
	int ret;

	*list = (struct ec2_templates){ NULL, 0 };
	params_init(&p, "DescribeLaunchTemplates");
	params_filters(&p, filters, n);
	params_int(&p, "MaxResults", PAGE);
	ret = ec2_call_pages(c, &p, &pages, f);
	params_release(&p);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < pages.count; i++) {
		const struct xml_node *node = xml_first(xml_find(
			xml_root(pages.pages[i]), "launchTemplates"));

		for (; node; node = xml_next(node)) {
			list->ids = ec2_grow(list->ids, list->count,
					     sizeof(*list->ids));
			list->ids[list->count++] =
				xstrdup(xml_get(node, "launchTemplateId"));
		}
	}
	ec2_pages_release(&pages);
	return 0;
}

static void add_pools(struct params *p, const struct ec2_fleet_order *order)
{
	params_item(p, "LaunchTemplateConfigs");
	params_begin(p, "LaunchTemplateSpecification");
	params_string(p, "LaunchTemplateId", order->template_id);
	params_string(p, "Version", "$Latest");
	params_end(p);
	for (size_t i = 0; i < order->npools; i++) {
		params_item(p, "Overrides");
		params_string(p, "InstanceType", order->pools[i].type);
		params_string(p, "SubnetId", order->pools[i].subnet);
		if (order->spot)
			params_string(p, "MaxPrice", order->max_price);
		params_end(p);
	}
	params_end(p);
}

static void add_target(struct params *p, const struct ec2_fleet_order *order)
{
	const char *market = order->spot ? "spot" : "on-demand";

	params_begin(p, order->spot ? "SpotOptions" : "OnDemandOptions");
	params_string(p, "AllocationStrategy",
		      order->spot ? "price-capacity-optimized" :
				    "lowest-price");
	params_end(p);
	params_begin(p, "TargetCapacitySpecification");
	params_int(p, "TotalTargetCapacity", order->count);
	params_string(p, "DefaultTargetCapacityType", market);
	params_end(p);
}

static struct ec2_fleet_error read_error(const struct xml_node *n)
{
	const struct xml_node *pool =
		xml_find(n, "launchTemplateAndOverrides/overrides");

	return (struct ec2_fleet_error){
		.type = xml_get(pool, "instanceType"),
		.subnet = xml_get(pool, "subnetId"),
		.zone = xml_get(pool, "availabilityZone"),
		.spot = !strcmp(xml_get(n, "lifecycle"), "spot"),
		.kind = ec2_kind_of(xml_get(n, "errorCode"), 0),
		.code = xml_get(n, "errorCode"),
		.message = xml_get(n, "errorMessage"),
	};
}

/* All instances of one pool. */
static void read_instances(struct ec2_fleet *fleet, const struct xml_node *n)
{
	const struct xml_node *id = xml_first(xml_find(n, "instanceIds"));

	for (; id; id = xml_next(id)) {
		fleet->instances = ec2_grow(fleet->instances, fleet->count,
					    sizeof(*fleet->instances));
		fleet->instances[fleet->count++] = (struct ec2_fleet_instance){
			.id = xml_text(id),
			.type = xml_get(n, "instanceType"),
			.subnet = xml_get(n, "launchTemplateAndOverrides/"
					     "overrides/subnetId"),
			.spot = !strcmp(xml_get(n, "lifecycle"), "spot"),
		};
	}
}

static void read_fleet(struct ec2_fleet *fleet, const struct xml_node *root)
{
	const struct xml_node *n = xml_first(xml_find(root, "errorSet"));

	fleet->id = xml_get(root, "fleetId");
	for (; n; n = xml_next(n)) {
		fleet->errors = ec2_grow(fleet->errors, fleet->nerrors,
					 sizeof(*fleet->errors));
		fleet->errors[fleet->nerrors++] = read_error(n);
	}
	n = xml_first(xml_find(root, "fleetInstanceSet"));
	for (; n; n = xml_next(n))
		read_instances(fleet, n);
}

int ec2_create_fleet(struct ec2_client *c, const struct ec2_fleet_order *order,
		     struct ec2_fleet *fleet, struct ec2_failure *f)
{
	struct params p;
	int ret;

	*fleet = (struct ec2_fleet)EC2_FLEET_INIT;
	if (order->npools < 1 || order->npools > EC2_FLEET_POOLS)
		return ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
				       "a fleet has 1 to %d pools, not %zu",
				       EC2_FLEET_POOLS, order->npools);
	params_init(&p, "CreateFleet");
	params_string(&p, "Type", "instant");
	add_token(&p, order->client_token);
	add_pools(&p, order);
	add_target(&p, order);
	params_tags(&p, "fleet", order->tags, order->ntags);
	if (order->dry_run)
		params_bool(&p, "DryRun", true);
	ret = ec2_call_pages(c, &p, &fleet->answer, f);
	params_release(&p);
	if (!ret && fleet->answer.count > 0)
		read_fleet(fleet, xml_root(fleet->answer.pages[0]));
	return ret;
}

void ec2_fleet_release(struct ec2_fleet *fleet)
{
	free(fleet->instances);
	free(fleet->errors);
	ec2_pages_release(&fleet->answer);
	*fleet = (struct ec2_fleet)EC2_FLEET_INIT;
}

/* The first error of the kind that most have. */
static const struct ec2_fleet_error *typical(const struct ec2_fleet *fleet)
{
	size_t counts[EC2_KINDS] = { 0 };
	const struct ec2_fleet_error *best = NULL;

	for (size_t i = 0; i < fleet->nerrors; i++)
		counts[fleet->errors[i].kind]++;
	for (size_t i = 0; i < fleet->nerrors; i++)
		if (!best ||
		    counts[fleet->errors[i].kind] > counts[best->kind])
			best = &fleet->errors[i];
	return best;
}

/* "m5.large in us-west-2a, m5.xlarge in subnet-1: CODE; …" */
static void name_pools(const struct ec2_fleet *fleet, struct buffer *text)
{
	for (size_t i = 0; i < fleet->nerrors; i++) {
		const struct ec2_fleet_error *e = &fleet->errors[i];
		const char *place = *e->zone ? e->zone : e->subnet;
		bool last = i + 1 == fleet->nerrors ||
			    strcmp(e->code, e[1].code) != 0;

		/* What does not fit nobody would read. */
		if (buffer_appendf(text, NULL, "%s%s%s%s%s%s",
				   *e->type ? e->type : "any type",
				   *place ? " in " : "", place,
				   last ? ": " : ", ", last ? e->code : "",
				   last && i + 1 < fleet->nerrors ? "; " :
								    "") < 0)
			return;
	}
}

int ec2_fleet_failure(const struct ec2_fleet *fleet, int wanted,
		      struct ec2_failure *f)
{
	const struct ec2_fleet_error *e = typical(fleet);
	struct buffer pools = BUFFER_INIT(64u << 10);
	AUTO_FREE char *what = NULL;

	name_pools(fleet, &pools);
	what = xasprintf("CreateFleet: %zu of %d instances; %s", fleet->count,
			 wanted, e ? buffer_string(&pools) : "no pool says why");
	buffer_release(&pools);
	ec2_failure_from(f, what, e ? e->code : "UnfulfillableCapacity",
			 e ? e->message : "");
	return f->error.code;
}
