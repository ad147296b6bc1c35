/* bigm scale: more machines for a cluster that runs, or fewer. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/run.h"
#include "loop/loop.h"
#include "machine/machine.h"

/* Who waits for machines that still have work is told what for, a person
 * soon. */
#define PERSON_AFTER_MS 1000
#define SCRIPT_AFTER_MS 10000

struct scale_options {
	const char *cluster;
	int machines; /* -1: not said */
	bool now, no_wait, quiet;
	uint64_t timeout_ms; /* 0: none */
};

static const struct scale_options defaults = { .machines = -1 };

#define AT(member) offsetof(struct scale_options, member)

static const struct option_spec table[] = {
	{ .name = "machines", .letter = 'n', .kind = OPTION_NUMBER,
	  .value = "N", .min = 0, .max = RUN_MOST_MACHINES,
	  .help = "how many machines there shall be", .offset = AT(machines) },
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "as CLUSTER",
	  .offset = AT(cluster) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "machines that leave end after TIME, done or not",
	  .offset = AT(timeout_ms) },
	{ .name = "now", .help = "machines that leave end whatever they do",
	  .offset = AT(now) },
	{ .name = "no-wait", .help = "do not wait until it has come about",
	  .offset = AT(no_wait) },
	{ .name = "quiet", .letter = 'q',
	  .help = "say nothing of how the machines come and go",
	  .offset = AT(quiet) },
	{ 0 },
};

/* One use of the command. */
struct scaling {
	const struct invocation *in;
	const struct scale_options *options;
	struct attachment a;
	size_t before; /* machines that the cluster has had; newer ones are shown */
	_Atomic(struct progress *) progress;
	char **added, **leaving; /* names */
};

/* ------------------------------------------------------------------ */
/* What is shown                                                       */

static void on_machine(struct bigm_machine *machine, void *data)
{
	struct scaling *s = data;
	struct progress *progress = atomic_load(&s->progress);

	if (progress != NULL && (size_t)machine_index(machine) >= s->before)
		progress_machine(progress, machine);
}

static void show_all(void *data)
{
	struct scaling *s = data;
	AUTO_FREE struct bigm_machine **machines = NULL;
	size_t n = cluster_machines(s->a.cluster, &machines);

	for (size_t i = 0; i < n; i++)
		on_machine(machines[i], s);
}

static int begin_progress(struct scaling *s, size_t expected,
			  struct bigm_error *err)
{
	const struct progress_options options = {
		.title = "bigm scale",
		.expected = expected,
		.quiet = s->options->quiet,
		.verbose = s->in->verbose,
	};

	atomic_store(&s->progress, progress_new(&options, err));
	loop_call(s->a.loop, show_all, s);
	return err->code;
}

/* ------------------------------------------------------------------ */
/* What is awaited                                                     */

static struct bigm_machine *machine_of(struct scaling *s, const char *name,
				       struct bigm_error *err)
{
	return cluster_machine(s->a.cluster, name, err);
}

/* The first reason that one did not come up is told; the others keep coming. */
static int await_added(struct scaling *s, size_t n)
{
	struct bigm_error err = BIGM_ERROR_INIT, why = BIGM_ERROR_INIT;
	size_t up = 0;

	if (n == 0)
		return 0;
	if (begin_progress(s, n, &err) != 0)
		return command_fail(s->in, STATUS_FAILED, "%s", err.text);
	for (char **name = s->added; *name != NULL; name++) {
		struct bigm_machine *m = machine_of(s, *name, &err);

		error_clear(&err);
		if (m != NULL && bigm_machine_wait(m, BIGM_RUNNING, -1, &err) == 0)
			up++;
		else if (why.code == 0 && m != NULL && machine_has_left(m))
			bigm_error_set(&why, BIGM_ECANCELED, "%s: the cluster was "
				       "scaled down meanwhile", *name);
		else if (why.code == 0)
			error_copy(&why, &err);
	}
	loop_barrier(s->a.loop);
	progress_end(s->progress, up == n);
	if (up == n)
		return 0;
	return command_fail(s->in, STATUS_FAILED, "%s (%zu of %zu new machines "
			    "came up)", why.text, up, n);
}

/* "m1, m2": those that are still there; "" when none is. */
static char *name_staying(struct scaling *s)
{
	char *names = xstrdup("");

	for (char **name = s->leaving; *name != NULL; name++) {
		struct bigm_machine *m = machine_of(s, *name, NULL);
		char *more;

		if (m == NULL || bigm_machine_state(m) == BIGM_STOPPED)
			continue;
		more = xasprintf("%s%s%s", names, *names != '\0' ? ", " : "",
				 *name);
		free(names);
		names = more;
	}
	return names;
}

static void tell_staying(struct scaling *s)
{
	AUTO_FREE char *names = name_staying(s);

	if (*names != '\0' && !s->options->quiet)
		command_fail(s->in, 0, "waiting for what runs on %s (Ctrl-C: they "
			     "leave without being waited for)", names);
}

static void await_leaving(struct scaling *s)
{
	uint64_t began = loop_now_ns();
	bool person = s->in->verbose || isatty(STDERR_FILENO);
	uint64_t after_ms = person ? PERSON_AFTER_MS : SCRIPT_AFTER_MS;
	bool told = false;

	for (char **name = s->leaving; *name != NULL; name++) {
		struct bigm_machine *m = machine_of(s, *name, NULL);
		uint64_t passed = (loop_now_ns() - began) / 1000000;
		int64_t ms = told ? -1 : passed < after_ms
					 ? (int64_t)(after_ms - passed) : 0;

		if (m == NULL || bigm_machine_wait(m, BIGM_STOPPED, ms, NULL) !=
					 BIGM_EDEADLINE)
			continue;
		tell_staying(s);
		told = true;
		bigm_machine_wait(m, BIGM_STOPPED, -1, NULL);
	}
}

/* ------------------------------------------------------------------ */

static int order(struct scaling *s, struct bigm_error *err)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject(), *reply = NULL;
	const struct scale_options *o = s->options;

	cJSON_AddNumberToObject(arg, "n", o->machines);
	cJSON_AddBoolToObject(arg, "now", o->now);
	json_add_uint64(arg, "timeout_ms", o->timeout_ms);
	if (cluster_call(s->a.cluster, "Scale", arg, &reply, err) != 0)
		return err->code;
	s->added = json_get_strings(reply, "added", "added", err);
	if (s->added != NULL)
		s->leaving = json_get_strings(reply, "leaving", "leaving", err);
	if (s->leaving == NULL || s->options->no_wait)
		return err->code;
	/* Those that were added may not be known here yet. */
	return cluster_watch(s->a.cluster, err);
}

static int scale(struct scaling *s, const char *name)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	int status;

	if (attach(&s->a, name, &err) != 0)
		return command_fail(s->in, STATUS_FAILED, "%s", err.text);
	cluster_on_machine(s->a.cluster, on_machine, s);
	if (!s->options->no_wait && cluster_watch(s->a.cluster, &err) != 0)
		return command_fail(s->in, STATUS_FAILED, "%s", err.text);
	s->before = cluster_machines(s->a.cluster, &machines);
	if (order(s, &err) != 0)
		return command_fail(s->in, STATUS_FAILED, "%s", err.text);
	if (s->options->no_wait)
		return 0;
	status = await_added(s, strings_count(s->added));
	await_leaving(s);
	return status;
}

static int run(const struct invocation *in)
{
	const struct scale_options *options = in->options;
	const char *word = in->words.nwords > 0 ? in->words.words[0] : NULL;
	struct scaling s = { .in = in, .options = options };
	int status;

	if (options->machines < 0)
		return command_fail(in, STATUS_USAGE, "how many machines? usage: "
				    "bigm scale %s", in->command->synopsis);
	if (word != NULL && options->cluster != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--cluster %s and %s: name one",
				    options->cluster, word);
	status = scale(&s, word != NULL ? word : options->cluster);
	attachment_release(&s.a);
	if (!progress_free(s.progress))
		_exit(status);
	strings_free(s.added);
	strings_free(s.leaving);
	return status;
}

const struct command command_scale = {
	.name = "scale",
	.synopsis = "[CLUSTER] -n N [--timeout TIME | --now]",
	.summary = "Give a running cluster more machines, or fewer",
	.details =
"New machines are as bigm start made the others.  Of too many those leave first\n"
"that have nothing to do; the others finish what they do, and get nothing new.\n"
"With 0 the cluster stays, without machines; bigm shutdown ends it.\n",
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct scale_options),
	.max_words = 1,
	.completion = COMPLETE_CLUSTER,
	.run = run,
};
