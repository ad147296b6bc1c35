/* bigm wait: blocks until a cluster is as a script needs it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/detached.h"
#include "loop/loop.h"

enum wait_for { FOR_RUNNING, FOR_GONE, FOR_ENDED };

static const char *const conditions[] = { "running", "gone", "ended", NULL };

struct wait_options {
	const char *cluster;
	int condition; /* enum wait_for */
	uint64_t timeout_ms; /* 0: none */
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_JOB, .help = "as CLUSTER",
	  .offset = offsetof(struct wait_options, cluster) },
	{ .name = "for", .kind = OPTION_CHOICE, .value = "WHAT",
	  .choices = conditions,
	  .help = "running: all machines run (that); gone: nothing is left; "
		  "ended: bigm run -d has",
	  .offset = offsetof(struct wait_options, condition) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "give up after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct wait_options, timeout_ms) },
	{ 0 },
};

/* In ms, of a deadline in ns; < 0: there is none. */
static int64_t left_ms(uint64_t end_ns)
{
	return end_ns == 0 ? -1 : (int64_t)loop_ms_left(end_ns);
}

/* One that ended while it was starting, or since, will not run again. */
static int wait_running(struct attachment *a, uint64_t end_ns,
			struct bigm_error *err)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	int n = attach_machines(a, "all", &machines, err);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		int code = bigm_machine_wait(machines[i], BIGM_RUNNING,
					     left_ms(end_ns), err);

		if (code == BIGM_EDEADLINE)
			return bigm_error_set(err, code, "%s is %s",
					      bigm_machine_name(machines[i]),
					      bigm_state_name(bigm_machine_state(
						      machines[i])));
		if (code != 0)
			return code; /* the error names the machine */
	}
	return 0;
}

/* Of a keeper that does not answer, or no more, too. */
static int wait_gone(const char *name, uint64_t end_ns, struct bigm_error *err)
{
	struct record *record = record_find(name, err);
	int code;

	if (record == NULL)
		return err->code == BIGM_ENOTFOUND ? 0 : err->code;
	code = record_wait_gone(record, left_ms(end_ns), err);
	record_free(record);
	return code;
}

static int wait_for(const char *name, enum wait_for condition, uint64_t end_ns,
		    struct bigm_error *err)
{
	struct attachment a;
	int code;

	if (condition == FOR_GONE)
		return wait_gone(name, end_ns, err);
	code = attach(&a, name, err);
	if (code == 0)
		code = wait_running(&a, end_ns, err);
	attachment_release(&a);
	return code;
}

/* Its status is ours. */
static int tell_end(const struct invocation *in, const struct detached *job,
		    struct bigm_error *err)
{
	AUTO_JSON cJSON *facts = detached_facts(job, err);
	int64_t status;

	if (facts == NULL)
		return command_fail(in, STATUS_BIGM, "%s", err->text);
	if (bigm_json_get_int64(facts, "status", &status, NULL) == 0)
		return (int)status;
	return command_fail(in, STATUS_BIGM, "%s: bigm was killed, and has not "
			    "said how it ended", job->name);
}

static int wait_ended(const struct invocation *in, const char *name,
		     uint64_t end_ns)
{
	const struct wait_options *o = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct detached job;
	int status, found = detached_meant(&job, name, &err);

	if (found == 0 && name != NULL)
		bigm_error_set(&err, BIGM_ENOTFOUND, "no `bigm run -d` has the "
			       "name %s", name);
	else if (found == 0)
		bigm_error_set(&err, BIGM_EINVALID, "which run? say its name");
	else if (found > 0)
		detached_wait(&job, left_ms(end_ns), &err);
	if (err.code == BIGM_EDEADLINE)
		status = command_fail(in, STATUS_TIMEOUT, "timed out after %g s: "
				      "%s", (double)o->timeout_ms / 1000, err.text);
	else if (err.code != 0)
		status = command_fail(in, STATUS_BIGM, "%s", err.text);
	else
		status = tell_end(in, &job, &err);
	detached_release(&job);
	return status;
}

static int run(const struct invocation *in)
{
	const struct wait_options *options = in->options;
	const char *word = in->words.nwords > 0 ? in->words.words[0] : NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	uint64_t end_ns = 0;
	int code;

	if (word != NULL && options->cluster != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--cluster %s and %s: name one",
				    options->cluster, word);
	if (options->timeout_ms > 0)
		end_ns = loop_now_ns() + options->timeout_ms * 1000000;
	if (word == NULL)
		word = options->cluster;
	if (options->condition == FOR_ENDED)
		return wait_ended(in, word, end_ns);
	code = wait_for(word, (enum wait_for)options->condition, end_ns, &err);
	/* Or it was the keeper's time to answer. */
	if (code == BIGM_EDEADLINE && left_ms(end_ns) == 0)
		return command_fail(in, STATUS_TIMEOUT, "timed out after %g s: %s",
				    (double)options->timeout_ms / 1000, err.text);
	return code == 0 ? 0 : command_fail(in, STATUS_FAILED, "%s", err.text);
}

const struct command command_wait = {
	.name = "wait",
	.synopsis = "[CLUSTER] [--for running|gone|ended] [--timeout TIME]",
	.summary = "Wait until a cluster's machines run or are gone, or a run has ended",
	.table = table,
	.size = sizeof(struct wait_options),
	.max_words = 1,
	.completion = COMPLETE_JOB,
	.run = run,
};
