/* The end of a cluster's launches: nothing of theirs is left. */
#include "config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "ec2/api_fleet.h"
#include "ec2/api_instances.h"
#include "ec2/launcher_private.h"

/* Those that were found exist, so EC2 knows them. */
#define NO_PATIENCE 0

/* Keeps the first failure, in *f. */
static int first_of(int r, int now, struct ec2_failure *f,
		    const struct ec2_failure *why)
{
	if (r == 0 && now < 0)
		*f = *why;
	return r < 0 ? r : now;
}

static int end_instances(const struct launcher *l,
			 const struct ec2_instances *list,
			 struct ec2_failure *f)
{
	AUTO_FREE struct ec2_ending *endings =
		xcalloc(list->count + 1, sizeof(*endings));
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!ec2_state_ends(list->items[i].state))
			endings[n++].id = list->items[i].id;
	return n > 0 ? ec2_terminate(l->options.client, endings, n,
				     NO_PATIENCE, f)
		     : 0;
}

/* One-time requests end with their instances; this makes sure of it. */
static int end_requests(const struct launcher *l,
			const struct ec2_instances *list, struct ec2_failure *f)
{
	AUTO_FREE const char **ids = xcalloc(list->count + 1, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++)
		if (*list->items[i].spot_request)
			ids[n++] = list->items[i].spot_request;
	return ec2_cancel_spot_requests(l->options.client, ids, n, f);
}

static int sweep_instances(const struct launcher *l,
			   const struct ec2_filter *ours, struct ec2_failure *f)
{
	struct ec2_failure why = EC2_FAILURE_INIT;
	struct ec2_instances list = EC2_INSTANCES_INIT;
	int r = ec2_describe_instances(l->options.client, ours, 1, &list, f);

	if (r == 0) {
		r = end_instances(l, &list, f);
		r = first_of(r, end_requests(l, &list, &why), f, &why);
	}
	ec2_instances_release(&list);
	return r;
}

static int sweep_templates(const struct launcher *l,
			   const struct ec2_filter *ours, struct ec2_failure *f)
{
	struct ec2_failure why = EC2_FAILURE_INIT;
	struct ec2_templates list = { NULL, 0 };
	int r = ec2_describe_templates(l->options.client, ours, 1, &list, f);

	for (size_t i = 0; i < list.count; i++)
		r = first_of(r, ec2_delete_template(l->options.client,
						    list.ids[i], &why),
			     f, &why);
	ec2_templates_release(&list);
	return r;
}

int launcher_clean_up(struct launcher *l, struct ec2_failure *f)
{
	const struct ec2_filter ours = { "tag:" EC2_TAG_CLUSTER,
					 &l->options.cluster, 1 };
	struct ec2_failure why = EC2_FAILURE_INIT;
	int r = l->launched ? sweep_instances(l, &ours, f) : 0;

	if (l->templates)
		r = first_of(r, sweep_templates(l, &ours, &why), f, &why);
	if (l->ruled)
		r = first_of(r, network_withdraw(l->options.client, l->ruled,
						 l->options.cluster, &why),
			     f, &why);
	return r;
}
