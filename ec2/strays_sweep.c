#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strings.h"
#include "base/wait.h"
#include "ec2/api_instances.h"
#include "ec2/api_network.h"
#include "ec2/network.h"
#include "ec2/plan.h"
#include "ec2/strays.h"

#define PAUSE_MS 1000

/* The cluster of a tag of a rule that is this host's and has no keeper; NULL:
 * it is none such. */
static const char *dead_cluster(const struct strays_options *o,
				const struct xml_node *tag, char *const *alive)
{
	const size_t len = strlen(NETWORK_TAG_CLUSTER);
	const char *key = xml_get(tag, "key");

	return strncmp(key, NETWORK_TAG_CLUSTER, len) == 0 &&
			       strcmp(xml_get(tag, "value"), o->host) == 0 &&
			       !strings_have(alive, key + len)
		       ? key + len
		       : NULL;
}

/* Revokes the rules of the dead; *wanted: somebody else wants some. */
static int sweep_rules(const struct strays_options *o, struct ec2_client *c,
		       const char *group, char *const *alive, bool *wanted,
		       struct ec2_failure *f)
{
	const struct ec2_filter filter = { "group-id", &group, 1 };
	struct ec2_rules rules = EC2_RULES_INIT;
	int r = ec2_describe_rules(c, &filter, 1, &rules, f);

	*wanted = false;
	for (size_t i = 0; r == 0 && i < rules.count; i++)
		for (const struct xml_node *t = xml_first(rules.items[i].tags);
		     t && r == 0; t = xml_next(t)) {
			const char *dead = dead_cluster(o, t, alive);

			if (dead)
				r = network_withdraw(c, group, dead, f);
			else if (strncmp(xml_get(t, "key"), NETWORK_TAG_CLUSTER,
					 strlen(NETWORK_TAG_CLUSTER)) == 0)
				*wanted = true;
		}
	ec2_rules_release(&rules);
	return r;
}

/* Whether an instance has it that is not about to end. */
static bool is_used(struct ec2_client *c, const char *group)
{
	static const char *const states[] = { "pending", "running", "stopping",
					      "stopped" };
	const struct ec2_filter filters[] = {
		{ "instance.group-id", &group, 1 },
		{ "instance-state-name", states, 4 },
	};
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_instances list = EC2_INSTANCES_INIT;
	bool used = ec2_describe_instances(c, filters, 2, &list, &f) < 0 ||
		    list.count > 0;

	ec2_instances_release(&list);
	return used;
}

static int sweep_group(const struct strays_options *o, struct ec2_client *c,
		       const char *group, char *const *alive,
		       struct ec2_failure *f)
{
	int64_t deadline = wait_deadline((int64_t)o->patience_ms);
	bool wanted, removed = false;
	int r = sweep_rules(o, c, group, alive, &wanted, f);

	if (r < 0 || wanted || is_used(c, group))
		return r;
	/* Instances that shut down have it until they are gone. */
	for (;;) {
		r = network_remove(c, group, &removed, f);
		if (r < 0 || removed || wait_deadline(0) >= deadline ||
		    cancel_sleep(ec2_client_cancel(c), PAUSE_MS))
			return r;
	}
}

int strays_sweep(const struct strays_options *o, struct ec2_client *c,
		 struct ec2_failure *f)
{
	const struct ec2_filter filter = { "tag:" EC2_TAG_USER, &o->user,
					   1 };
	struct ec2_groups groups = EC2_GROUPS_INIT;
	char **alive = o->alive(o->data, &f->error);
	int r = alive ? ec2_describe_groups(c, &filter, 1, &groups, f)
		      : ec2_failure_kind(f, EC2_BAD_REQUEST);

	for (size_t i = 0; r == 0 && i < groups.count; i++)
		if (*ec2_tag_value(groups.items[i].tags, EC2_TAG))
			r = sweep_group(o, c, groups.items[i].id, alive, f);
	ec2_groups_release(&groups);
	strings_free(alive);
	return r;
}
