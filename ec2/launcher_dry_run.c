/* A launch that does not happen: its plan, and whether EC2 would allow it. */
#include "config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "ec2/api_fleet.h"
#include "ec2/api_instances.h"
#include "ec2/launcher_private.h"

/* Ids that nothing has.  The API Reference ("Common parameters", DryRun) knows two
 * answers, DryRunOperation and UnauthorizedOperation, but does not say that EC2
 * gives them before it looks for what the ids name: NotFound is a third. */
#define NO_INSTANCE "i-00000000000000000"
#define NO_TEMPLATE "lt-00000000000000000"

/* What came of a dry run.  A refusal of another kind than for want of a
 * permission says nothing of that. */
static void note(cJSON *list, const char *action, int r, struct ec2_failure *f)
{
	cJSON *entry = cJSON_CreateObject();

	cJSON_AddStringToObject(entry, "action", action);
	if (r == 0)
		cJSON_AddTrueToObject(entry, "allowed");
	else if (f->kind == EC2_PERMISSION)
		cJSON_AddFalseToObject(entry, "allowed");
	else
		cJSON_AddNullToObject(entry, "allowed");
	if (r < 0 && f->kind != EC2_PERMISSION)
		error_prefix(&f->error, "EC2 does not say");
	if (r < 0)
		cJSON_AddStringToObject(entry, "why", f->error.text);
	cJSON_AddItemToArray(list, entry);
	ec2_failure_clear(f);
}

static void try_run_instances(const struct launch *a, cJSON *list)
{
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_instances none = EC2_INSTANCES_INIT;
	struct ec2_launch_spec spec = a->plan.spec;
	const struct ec2_run_order order = {
		.spec = &spec, .min = 1, .dry_run = true,
		.max = a->n < EC2_RUN_MAX ? (int)a->n : EC2_RUN_MAX,
	};
	int r;

	/* A fleet's caller must be allowed to run what it launches. */
	spec.type = a->plan.pools[0].type;
	spec.subnet = a->plan.pools[0].subnet;
	r = ec2_run_instances(a->launcher->options.client, &order, &none, &f);
	note(list, "RunInstances", r, &f);
	ec2_instances_release(&none);
}

static void try_fleet(const struct launch *a, cJSON *list)
{
	struct ec2_client *client = a->launcher->options.client;
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_fleet none = EC2_FLEET_INIT;
	const struct ec2_fleet_order order = {
		.template_id = NO_TEMPLATE,
		.pools = a->plan.pools,
		.npools = a->plan.npools,
		.count = (int)a->n,
		.spot = a->plan.spec.spot,
		.tags = a->plan.spec.tags,
		.ntags = a->plan.spec.ntags,
		.dry_run = true,
	};
	AUTO_FREE char *id = NULL;
	char token[EC2_TOKEN_SIZE];
	int r;

	ec2_token(token);
	r = ec2_create_template(client, "bigm-dry-run", &a->plan.spec, token,
				true, &id, &f);
	note(list, "CreateLaunchTemplate", r, &f);
	r = ec2_create_fleet(client, &order, &none, &f);
	note(list, "CreateFleet", r, &f);
	ec2_fleet_release(&none);
}

static void try_rest(const struct launch *a, cJSON *list)
{
	struct ec2_client *client = a->launcher->options.client;
	static const char *const nobody = NO_INSTANCE;
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_instances none = EC2_INSTANCES_INIT;
	int r = ec2_describe_ids(client, &nobody, 1, &none, &f);

	note(list, "DescribeInstances", r, &f);
	ec2_instances_release(&none);
	r = ec2_terminate_dry_run(client, NO_INSTANCE, &f);
	note(list, "TerminateInstances", r, &f);
}

static void try_all(struct launch *a, cJSON *permissions)
{
	try_run_instances(a, permissions);
	if (a->plan.npools > 1)
		try_fleet(a, permissions);
	try_rest(a, permissions);
}

static int describe(struct launch *a, const struct launcher_order *order,
		    cJSON *trial, struct bigm_error *err)
{
	struct buffer text = BUFFER_INIT(1u << 20);
	struct buffer document = BUFFER_INIT(4u << 20);
	int r = ec2_plan_text(&a->plan, &text, err);

	if (r == 0)
		r = launcher_document(a->launcher, order, false, &document,
				      err);
	if (r == 0) {
		cJSON_AddItemToObject(trial, "plan", ec2_plan_json(&a->plan));
		cJSON_AddStringToObject(trial, "text", buffer_string(&text));
		cJSON_AddStringToObject(trial, "document",
					buffer_string(&document));
	}
	buffer_release(&text);
	buffer_release(&document);
	return r;
}

int launcher_try(struct launcher *l, const struct launcher_order *order,
		 cJSON *trial, struct ec2_failure *f)
{
	struct launch a = {
		.launcher = l,
		.n = order->n,
		.user_data = BUFFER_INIT(1u << 20),
	};
	cJSON *permissions = cJSON_CreateArray();
	int r = launcher_find(l, f);

	if (r == 0) {
		r = launcher_find_network(l, true, f);
		/* Nobody may make the group or its rules: that is an answer. */
		if (r == 0 || f->kind == EC2_PERMISSION) {
			note(permissions, "security group", r, f);
			r = 0;
		}
	}
	if (r == 0 && launcher_plan(&a, order, &f->error) < 0)
		r = ec2_failure_kind(f, EC2_BAD_REQUEST);
	else if (r == 0) {
		r = describe(&a, order, trial, &f->error);
		if (r == 0)
			try_all(&a, permissions);
		ec2_plan_release(&a.plan);
	}
	cJSON_AddItemToObject(trial, "permissions", permissions);
	buffer_release(&a.user_data);
	return r;
}
