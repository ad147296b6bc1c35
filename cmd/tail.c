/* bigm tail: what the machines print. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strings.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/detached.h"
#include "cmd/events.h"
#include "cmd/tail_job.h"
#include "cmd/tail_printer.h"

/* The reading thread is done; its value: 0, or the errno of stdout. */
enum { EVENT_OVER };

struct tail_options {
	const char *cluster;
	int lines; /* -1: all */
	bool no_follow;
	bool prefix;
	bool timestamps;
	bool json;
};

static const struct tail_options defaults = { .lines = -1 };

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_JOB,
	  .help = "which cluster, if there are several",
	  .offset = offsetof(struct tail_options, cluster) },
	{ .name = "lines", .letter = 'n', .kind = OPTION_NUMBER, .value = "N",
	  .min = 0, .max = INT_MAX, .help = "begin with the last N lines",
	  .offset = offsetof(struct tail_options, lines) },
	{ .name = "no-follow", .help = "end with what there is now",
	  .offset = offsetof(struct tail_options, no_follow) },
	{ .name = "prefix", .letter = 'p',
	  .help = "put the machine's name before each line",
	  .offset = offsetof(struct tail_options, prefix) },
	{ .name = "timestamps", .letter = 't',
	  .help = "put the time before each line (UTC)",
	  .offset = offsetof(struct tail_options, timestamps) },
	{ .name = "json", .letter = 'j', .help = "as JSON: an object a line",
	  .offset = offsetof(struct tail_options, json) },
	{ 0 },
};

struct tail {
	const struct invocation *in;
	struct attachment a;
	struct events events;
	const char **machines; /* NULL: all */
	struct tail_printer printer;
	struct bigm_error error; /* why the reading ended early */
};

/* ------------------------------------------------------------------ */
/* Which machines                                                      */

static bool wants_all(const struct option_words *words)
{
	for (int i = 0; i < words->nwords; i++)
		if (strcmp(words->words[i], "all") == 0)
			return true;
	return words->nwords == 0;
}

/* The names of the machines that the words mean, each once. */
static int choose_machines(struct tail *t, struct bigm_error *err)
{
	const struct option_words *words = &t->in->words;
	size_t n = 0;

	if (wants_all(words))
		return 0;
	if (cluster_watch(t->a.cluster, err) != 0)
		return err->code;
	t->machines = xcalloc((size_t)words->nwords + 1, sizeof(*t->machines));
	for (int i = 0; i < words->nwords; i++) {
		struct bigm_machine *machine = cluster_machine(
			t->a.cluster, words->words[i], err);

		if (machine == NULL)
			return err->code;
		if (!strings_have(t->machines, bigm_machine_name(machine)))
			t->machines[n++] = bigm_machine_name(machine);
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* Reading                                                             */

static void *read_output(void *data)
{
	struct tail *t = data;
	const struct tail_options *o = t->in->options;
	const struct cluster_tail_options options = {
		.machines = t->machines,
		.follow = !o->no_follow,
		.lines = o->lines,
		.show = t->in->verbose ? OUTPUT_SHOW_ALL : OUTPUT_SHOW_USUAL,
		.flush = tail_printer_flush,
	};
	int code = cluster_tail(t->a.cluster, &options, tail_printer_line,
				&t->printer, &t->error);

	tail_printer_end(&t->printer);
	if (t->printer.errnum == 0 && code != 0 && t->error.code == 0)
		t->error.code = code;
	events_post(&t->events, EVENT_OVER, t->printer.errnum);
	return NULL;
}

static int finish(struct tail *t, int errnum)
{
	if (errnum == EPIPE)
		return STATUS_SIGNAL + SIGPIPE;
	if (errnum != 0)
		return command_fail(t->in, STATUS_FAILED, "standard output: %s",
				    strerror(errnum));
	if (t->error.code != 0)
		return command_fail(t->in, STATUS_FAILED, "%s", t->error.text);
	return 0;
}

/* The thread may hang in a write that nobody reads: when somebody wants us to
 * end, it ends with the process. */
static int wait_for_end(struct tail *t)
{
	struct event event = events_next(&t->events, events_stdout_fd(), 0);

	if (event.kind == EVENT_SIGNAL)
		_exit(STATUS_SIGNAL + event.value);
	if (event.kind == EVENT_FD)
		_exit(STATUS_SIGNAL + SIGPIPE);
	return finish(t, event.value);
}

static int follow(struct tail *t)
{
	pthread_t thread;
	int status, errnum = pthread_create(&thread, NULL, read_output, t);

	if (errnum != 0)
		return command_fail(t->in, STATUS_FAILED, "a thread: %s",
				    strerror(errnum));
	status = wait_for_end(t);
	pthread_join(thread, NULL);
	return status;
}

/* One machine's output is left as it is when a program reads it; of several,
 * and on a terminal, one wants to know whose line it is. */
static int tail(struct tail *t)
{
	const struct tail_options *o = t->in->options;
	bool one = t->machines != NULL && t->machines[1] == NULL;
	int status;

	tail_printer_init(&t->printer, &(struct tail_style){
		.prefix = o->prefix || !one || isatty(STDOUT_FILENO),
		.timestamps = o->timestamps,
		.json = o->json,
	});
	status = follow(t);
	tail_printer_release(&t->printer);
	return status;
}

static int tail_machines(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct tail_options *options = in->options;
	struct tail t = { .in = in, .error = BIGM_ERROR_INIT };
	int status;

	if (events_init(&t.events, &err) != 0)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	if (attach(&t.a, options->cluster, &err) == 0 &&
	    choose_machines(&t, &err) == 0)
		status = tail(&t);
	else
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	free(t.machines);
	attachment_release(&t.a);
	events_release(&t.events);
	return status;
}

/* Its lines have no machine and no time, but what `bigm run` has put there. */
static int tail_detached(const struct invocation *in, const struct detached *job)
{
	const struct tail_options *o = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (o->prefix || o->timestamps || o->json)
		return command_fail(in, STATUS_USAGE, "%s is a detached run: "
				    "--prefix, --timestamps and --json are for "
				    "machines; name them, or all", job->name);
	if (tail_job(job, o->lines, !o->no_follow, &err) == 0)
		return 0;
	return command_fail(in, STATUS_FAILED, "%s", err.text);
}

static int run(const struct invocation *in)
{
	const struct tail_options *o = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct detached job = { .lock_fd = -1 };
	int found = in->words.nwords > 0 ? 0
					 : detached_meant(&job, o->cluster, &err);
	int status;

	if (found < 0)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	else
		status = found ? tail_detached(in, &job) : tail_machines(in);
	detached_release(&job);
	return status;
}

const struct command command_tail = {
	.name = "tail",
	.synopsis = "[MACHINE...] [--cluster NAME]",
	.summary = "Show what the machines print",
	.details =
"Without MACHINE, of a cluster that `bigm run -d` has made, it is what that run\n"
"prints.  Begins with the first line, and follows until the logs of the machines end, or,\n"
"for all machines, the cluster does.\n",
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct tail_options),
	.max_words = INT_MAX,
	.completion = COMPLETE_MACHINE,
	.run = run,
};
