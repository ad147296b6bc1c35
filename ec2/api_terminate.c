#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/api_instances.h"
#include "loop/loop.h"

#define AT_ONCE 100	   /* instances in one call */
#define AGAIN_MS 500	   /* the first wait for those not found, doubled */
#define AGAIN_MAX_MS 15000 /* up to this */

/* Why those were refused that were, or the call failed: the first counts. */
struct run {
	struct ec2_client *client;
	struct ec2_failure *first;
	uint64_t deadline_ns;
};

static int call(struct ec2_client *c, struct ec2_ending *const *endings,
		size_t n, struct xml **answer, struct ec2_failure *f)
{
	const char **ids = xcalloc(n, sizeof(*ids));
	struct params p;
	int ret;

	for (size_t i = 0; i < n; i++)
		ids[i] = endings[i]->id;
	params_init(&p, "TerminateInstances");
	params_strings(&p, "InstanceId", ids, n);
	ret = ec2_call(c, &p, answer, f);
	params_release(&p);
	free(ids);
	return ret;
}

/* The failure that is told in the end: one that time will not heal, if there
 * is one. */
static void mark(struct run *run, struct ec2_ending *ending,
		 const struct ec2_failure *f)
{
	ending->kind = f->kind;
	ending->state = EC2_STATE_NONE;
	if (run->first->kind == EC2_OK ||
	    (run->first->kind == EC2_NOT_FOUND && f->kind != EC2_NOT_FOUND))
		*run->first = *f;
}

static void read_states(struct run *run, struct ec2_ending *const *endings,
			size_t n, const struct xml *answer)
{
	const struct xml_node *list = xml_find(xml_root(answer),
					       "instancesSet");
	struct ec2_failure f = EC2_FAILURE_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct xml_node *item = xml_first(list);

		while (item && strcmp(xml_get(item, "instanceId"),
				      endings[i]->id) != 0)
			item = xml_next(item);
		endings[i]->kind = EC2_OK;
		endings[i]->state = ec2_state_of(
			xml_get(item, "currentState/name"));
		if (item)
			continue;
		ec2_failure_set(&f, EC2_NOT_FOUND, BIGM_ENOTFOUND,
				"TerminateInstances: EC2 says nothing of %s",
				endings[i]->id);
		mark(run, endings[i], &f);
	}
}

/* Marks those that the failure names, and moves the others to the front.
 * Returns how many these are. */
static size_t take_out(struct run *run, struct ec2_ending **endings, size_t n,
		       const struct ec2_failure *f)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (ec2_failure_names(f, endings[i]->id))
			mark(run, endings[i], f);
		else
			endings[left++] = endings[i];
	return left;
}

/* EC2 terminates all of a call or none; and it says of some refusals which
 * instances they are for. */
static void end_some(struct run *run, struct ec2_ending **endings, size_t n)
{
	struct ec2_failure f = EC2_FAILURE_INIT;

	while (n > 0) {
		AUTO_XML struct xml *answer = NULL;
		size_t left;

		if (!call(run->client, endings, n, &answer, &f)) {
			read_states(run, endings, n, answer);
			return;
		}
		left = take_out(run, endings, n, &f);
		if (left == n && n > 1 &&
		    (f.kind == EC2_NOT_FOUND || f.kind == EC2_BAD_REQUEST)) {
			end_some(run, endings, n / 2);
			endings += n / 2;
			left = n - n / 2;
		} else if (left == n) {
			while (left > 0)
				mark(run, endings[--left], &f);
		}
		n = left;
	}
}

/* Those that EC2 has not taken yet and perhaps will: in `out`, their count. */
static size_t pending(struct ec2_ending *endings, size_t n, bool first,
		      struct ec2_ending **out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (first || endings[i].kind == EC2_NOT_FOUND)
			out[count++] = &endings[i];
	return count;
}

static void end_all(struct run *run, struct ec2_ending *endings, size_t n)
{
	const struct cancel *cancel = ec2_client_cancel(run->client);
	struct ec2_ending **list = xcalloc(n + 1, sizeof(struct ec2_ending *));
	uint64_t wait = AGAIN_MS;
	size_t count = pending(endings, n, true, list);

	ec2_failure_clear(run->first);
	for (;;) {
		for (size_t i = 0; i < count; i += AT_ONCE)
			end_some(run, list + i,
				 count - i < AT_ONCE ? count - i : AT_ONCE);
		count = pending(endings, n, false, list);
		if (!count ||
		    loop_now_ns() + wait * 1000000 > run->deadline_ns ||
		    cancel_sleep(cancel, wait))
			break;
		if (run->first->kind == EC2_NOT_FOUND)
			ec2_failure_clear(run->first);
		wait = 2 * wait < AGAIN_MAX_MS ? 2 * wait : AGAIN_MAX_MS;
	}
	free(list);
}

int ec2_terminate(struct ec2_client *c, struct ec2_ending *endings, size_t n,
		  uint64_t patience_ms, struct ec2_failure *f)
{
	struct run run = { c, f, loop_now_ns() + patience_ms * 1000000 };

	for (size_t i = 0; i < n; i++)
		endings[i].kind = EC2_CANCELED;
	end_all(&run, endings, n);
	return f->error.code;
}

int ec2_terminate_dry_run(struct ec2_client *c, const char *id,
			  struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	params_init(&p, "TerminateInstances");
	params_strings(&p, "InstanceId", &id, 1);
	params_bool(&p, "DryRun", true);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return ret;
}
