/* bigm wait: blocks until a cluster is as a script needs it. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "loop/loop.h"

enum wait_for { FOR_RUNNING, FOR_GONE };

static const char *const conditions[] = { "running", "gone", NULL };

struct wait_options {
	const char *cluster;
	int condition; /* enum wait_for */
	uint64_t timeout_ms; /* 0: none */
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "as CLUSTER",
	  .offset = offsetof(struct wait_options, cluster) },
	{ .name = "for", .kind = OPTION_CHOICE, .value = "WHAT",
	  .choices = conditions,
	  .help = "running: all its machines run (that); gone: nothing is left",
	  .offset = offsetof(struct wait_options, condition) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "give up after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct wait_options, timeout_ms) },
	{ 0 },
};

/* In ms, of a deadline in ns; < 0: there is none. */
static int64_t left_ms(uint64_t end_ns)
{
	uint64_t now = loop_now_ns();

	if (end_ns == 0)
		return -1;
	return now < end_ns ? (int64_t)((end_ns - now) / 1000000) : 0;
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
		const char *name = bigm_machine_name(machines[i]);
		int code = bigm_machine_wait(machines[i], BIGM_RUNNING,
					     left_ms(end_ns), err);

		if (code == BIGM_EDEADLINE)
			return bigm_error_set(err, code, "%s is %s", name,
					      bigm_state_name(bigm_machine_state(
						      machines[i])));
		if (code != 0)
			return error_prefix(err, "%s", name);
	}
	return 0;
}

static int wait_for(const char *name, enum wait_for condition, uint64_t end_ns,
		    struct bigm_error *err)
{
	struct attachment a;
	int code = attach(&a, name, err);

	if (code == 0 && condition == FOR_RUNNING)
		code = wait_running(&a, end_ns, err);
	else if (code == 0)
		code = record_wait_gone(a.record, left_ms(end_ns), err);
	else if (code == BIGM_ENOTFOUND && condition == FOR_GONE)
		code = 0;
	attachment_release(&a);
	return code;
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
	code = wait_for(word != NULL ? word : options->cluster,
			(enum wait_for)options->condition, end_ns, &err);
	if (code == BIGM_EDEADLINE)
		return command_fail(in, STATUS_TIMEOUT, "timed out after %g s: %s",
				    (double)options->timeout_ms / 1000, err.text);
	return code == 0 ? 0 : command_fail(in, STATUS_FAILED, "%s", err.text);
}

const struct command command_wait = {
	.name = "wait",
	.synopsis = "[CLUSTER] [--for running|gone] [--timeout TIME]",
	.summary = "Wait until the machines of a cluster run, or are gone",
	.table = table,
	.size = sizeof(struct wait_options),
	.max_words = 1,
	.completion = COMPLETE_CLUSTER,
	.run = run,
};
