/* bigm cp: files to machines and from them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/copy.h"
#include "cmd/events.h"
#include "cmd/meter.h"
#include "cmd/sweeper.h"
#include "loop/loop.h"

/* How long the copies may take to end when they have been stopped. */
#define STOP_NS (2000 * NS_PER_MS)

struct cp_options {
	const char *cluster;
	bool quiet;
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct cp_options, cluster) },
	{ .name = "quiet", .letter = 'q', .help = "do not show how far it is",
	  .offset = offsetof(struct cp_options, quiet) },
	{ 0 },
};

/* An argument: MACHINE:PATH, PATH or "-". */
struct cp_word {
	char *machine; /* NULL: here */
	const char *path;
	bool stream;
};

enum { EVENT_COPIED, EVENT_ALL_COPIED };

/* One of the copies, and its thread. */
struct cp_copy {
	struct cp *cp;
	struct copy copy;
	struct bigm_error error;
	pthread_t thread;
};

struct cp {
	const struct invocation *in;
	struct attachment a;
	struct events events;
	struct cp_word from, to;
	char *dir;	/* where paths on machines begin */
	char *name;	/* of what is copied; NULL: the contents of a folder */
	struct cp_copy *copies;
	int n, threads;
	atomic_int done;
	struct meter meter;
	struct sweeper *sweeper;
};

/* ------------------------------------------------------------------ */
/* Words                                                               */

/* An address has colons of its own: "https://HOST:PORT/:PATH".  A file whose
 * name has one is "./a:b". */
static void read_word(struct cp_word *word, const char *text)
{
	const char *colon = strncmp(text, "https://", 8) == 0
				    ? strstr(text + 8, "/:") : NULL;

	colon = colon != NULL ? colon + 1 : strchr(text, ':');
	if (colon == NULL || colon == text ||
	    (strncmp(text, "https://", 8) != 0 &&
	     memchr(text, '/', (size_t)(colon - text)) != NULL)) {
		*word = (struct cp_word){ .path = text,
					  .stream = strcmp(text, "-") == 0 };
		return;
	}
	*word = (struct cp_word){
		.machine = xstrndup(text, (size_t)(colon - text)),
		.path = colon + 1,
	};
}

static bool is_all(const struct cp_word *word)
{
	return word->machine != NULL && strcmp(word->machine, "all") == 0;
}

/* What is copied, in a folder: its last name; the contents of one that has
 * none. */
static char *name_of(const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);
	size_t len = strlen(copy);
	const char *slash, *name;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	name = slash != NULL ? slash + 1 : copy;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	return xstrdup(name);
}

static int check_words(const struct cp *cp, struct bigm_error *err)
{
	if (cp->from.machine == NULL && cp->to.machine == NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "neither %s nor %s is on a machine; m0:FILE "
				      "would be", cp->from.path, cp->to.path);
	if (is_all(&cp->from))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: from one machine at a time; name it",
				      cp->in->words.words[0]);
	if (cp->from.stream && is_all(&cp->to))
		return bigm_error_set(err, BIGM_EINVALID,
				      "standard input can be read only once; copy "
				      "a file to all");
	return 0;
}

/* ------------------------------------------------------------------ */
/* Copies                                                              */

static void *copy_main(void *data)
{
	struct cp_copy *copy = data;
	struct cp *cp = copy->cp;
	int done;

	copy_run(&copy->copy, &copy->error);
	done = atomic_fetch_add(&cp->done, 1) + 1;
	events_post(&cp->events, done == cp->n ? EVENT_ALL_COPIED : EVENT_COPIED,
		    0);
	return NULL;
}

static struct copy_place place_of(const struct cp *cp,
				  const struct cp_word *word,
				  struct bigm_machine *machine)
{
	return (struct copy_place){
		.machine = machine,
		.path = word->path,
		.dir = machine != NULL && cp->dir != NULL ? cp->dir : "",
		.stream = word->stream,
	};
}

static void begin(struct cp *cp, struct bigm_machine *from,
		  struct bigm_machine *const *to)
{
	cp->copies = xcalloc((size_t)cp->n, sizeof(*cp->copies));
	for (int i = 0; i < cp->n; i++) {
		struct cp_copy *copy = &cp->copies[i];

		copy->cp = cp;
		copy->error = (struct bigm_error)BIGM_ERROR_INIT;
		copy->copy.from = place_of(cp, &cp->from, from);
		copy->copy.to = place_of(cp, &cp->to, to[i]);
		copy->copy.name = cp->name;
		copy->copy.sweeper = cp->sweeper;
		copy_init(&copy->copy);
	}
}

static int start_threads(struct cp *cp, struct bigm_error *err)
{
	pthread_attr_t attr;
	int code = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (; cp->threads < cp->n && code == 0; cp->threads += code == 0) {
		struct cp_copy *copy = &cp->copies[cp->threads];

		code = pthread_create(&copy->thread, &attr, copy_main, copy);
	}
	pthread_attr_destroy(&attr);
	return code == 0 ? 0 : error_set_errno(err, code, "cannot make %d threads",
					       cp->n);
}

/* The machines, and what to do with them. */
static int prepare(struct cp *cp, struct bigm_error *err)
{
	const struct cp_options *options = cp->in->options;
	AUTO_FREE struct bigm_machine **from = NULL, **to = NULL;

	if (attach(&cp->a, options->cluster, err) != 0 ||
	    attach_dir(cp->a.cluster, NULL, &cp->dir, err) != 0)
		return err->code;
	if (cp->from.machine != NULL &&
	    attach_machines(&cp->a, cp->from.machine, &from, err) < 0)
		return err->code;
	cp->n = 1;
	if (cp->to.machine != NULL)
		cp->n = attach_machines(&cp->a, cp->to.machine, &to, err);
	else
		to = xcalloc(1, sizeof(*to));
	if (cp->n < 0)
		return cp->n;
	cp->name = cp->from.stream ? NULL : name_of(cp->from.path);
	begin(cp, from != NULL ? *from : NULL, to);
	return start_threads(cp, err);
}

static void show(struct cp *cp)
{
	uint64_t size = 0;

	for (int i = 0; i < cp->n; i++)
		size += atomic_load(&cp->copies[i].copy.size);
	meter_show(&cp->meter, size, atomic_load(&cp->done), cp->n);
}

static void stop(struct cp *cp)
{
	for (int i = 0; i < cp->threads; i++)
		copy_stop(&cp->copies[i].copy);
}

static void join(struct cp *cp)
{
	for (int i = 0; i < cp->threads; i++)
		pthread_join(cp->copies[i].thread, NULL);
}

/* Until all copies have ended: 0, or the signal that ended them. */
static int wait_for_all(struct cp *cp)
{
	uint64_t until = 0;
	int signal = 0;

	for (;;) {
		uint64_t next = until != 0 ? until : meter_next(&cp->meter);
		struct event event = events_next(&cp->events, -1, next);

		if (event.kind == EVENT_ALL_COPIED)
			return signal;
		if ((event.kind == EVENT_SIGNAL && signal != 0) ||
		    (until != 0 && loop_now_ns() >= until)) {
			/* One hangs, in a read of a terminal or so; machines see
			 * our end. */
			meter_end(&cp->meter);
			_exit(STATUS_SIGNAL + signal);
		}
		if (event.kind == EVENT_SIGNAL) {
			signal = event.value;
			until = loop_now_ns() + STOP_NS;
			stop(cp);
		} else if (until == 0) {
			show(cp);
		}
	}
}

/* Says what went wrong, once for what all have in common. */
static int report(struct cp *cp)
{
	int status = 0;
	const char *last = "";

	for (int i = 0; i < cp->n; i++) {
		const struct bigm_error *err = &cp->copies[i].error;

		if (err->code != 0 && strcmp(err->text, last) != 0)
			status = command_fail(cp->in, STATUS_FAILED, "%s",
					      err->text);
		last = err->text;
	}
	return status;
}

static int work(struct cp *cp)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int signal;

	if (prepare(cp, &err) != 0) {
		stop(cp);
		join(cp);
		return command_fail(cp->in, STATUS_FAILED, "%s", err.text);
	}
	signal = wait_for_all(cp);
	meter_end(&cp->meter);
	join(cp);
	return signal != 0 ? STATUS_SIGNAL + signal : report(cp);
}

static void release(struct cp *cp)
{
	for (int i = 0; i < cp->n && cp->copies != NULL; i++)
		copy_release(&cp->copies[i].copy);
	sweeper_free(cp->sweeper);
	attachment_release(&cp->a);
	free(cp->copies);
	free(cp->from.machine);
	free(cp->to.machine);
	free(cp->dir);
	free(cp->name);
}

static int run(const struct invocation *in)
{
	const struct cp_options *options = in->options;
	struct cp cp = { .in = in, .sweeper = sweeper_new() };
	struct bigm_error err = BIGM_ERROR_INIT;
	int status;

	if (in->words.nwords != 2)
		return command_fail(in, STATUS_USAGE,
				    "from where to where? usage: bigm cp %s",
				    in->command->synopsis);
	read_word(&cp.from, in->words.words[0]);
	read_word(&cp.to, in->words.words[1]);
	meter_init(&cp.meter, "bigm cp", options->quiet);
	if (check_words(&cp, &err) != 0)
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	else if (events_init(&cp.events, &err) != 0)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	else {
		status = work(&cp);
		events_release(&cp.events);
	}
	release(&cp);
	return status;
}

const struct command command_cp = {
	.name = "cp",
	.synopsis = "[MACHINE:]SOURCE [MACHINE|all:]DESTINATION",
	.summary = "Copy files and folders to machines and from them",
	.details =
"MACHINE is an index, a name (m0), an address, or, to copy to every machine,\n"
"all; - is standard input or output.  A copy has its name only when it is\n"
"complete.\n",
	.table = table,
	.size = sizeof(struct cp_options),
	.max_words = 2,
	.completion = COMPLETE_FILE,
	.run = run,
};
