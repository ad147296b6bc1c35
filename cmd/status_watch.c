/*
 * bigm status --watch: on a terminal a screen of its own, which is drawn anew
 * for each look; otherwise a table, or a line of JSON, for each change.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/events.h"
#include "cmd/status.h"
#include "cmd/table.h"
#include "loop/loop.h"

#define ENTER_SCREEN "\033[?1049h\033[?25l"
#define LEAVE_SCREEN "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

/* A cluster that goes while we look at it may answer with an error once. */
#define PATIENCE 2

/* The thread that looks has something, or an error. */
enum { EVENT_LOOKED };

struct watch {
	const struct invocation *in;
	const struct status_options *options;
	struct events events;
	int terminal_fd; /* signals of a terminal, or stdout's; see events */
	bool screen;	 /* stdout is a terminal that can be drawn on */
	uint64_t due_ns; /* of the next look; 0 while one is under way */
	pthread_t thread;
	char *name;	 /* the cluster, once known */
	cJSON *list;	 /* what was seen last */
	char *shown;	 /* what was written last, but for what does not count */
	cJSON *looked;	 /* by the thread; NULL: error */
	struct bigm_error error;
	int failures;	 /* in a row */
};

/* ------------------------------------------------------------------ */
/* The terminal                                                        */

static bool is_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL && *term != '\0' &&
	       strcmp(term, "dumb") != 0;
}

static void put(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

static int terminal_signals(struct bigm_error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		error_set_errno(err, errno, "cannot wait for signals");
	return fd;
}

/* Draws the text, cut where the screen ends.  Nothing is cleared behind the
 * last character of a line: it may be the screen's last column. */
static void draw(const char *text)
{
	struct winsize size = { .ws_row = 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs(HOME, stdout);
	for (unsigned row = 1; *text != '\0'; row++) {
		size_t len = strcspn(text, "\n");

		fputs(CLEAR_LINE, stdout);
		fwrite(text, 1, len, stdout);
		text += text[len] == '\n' ? len + 1 : len;
		if (row == size.ws_row) {
			put("");
			return;
		}
		fputs("\r\n", stdout);
	}
	put(CLEAR_REST);
}

/* ------------------------------------------------------------------ */
/* Showing                                                             */

static char *render(const struct watch *w)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (w->options->json) {
		AUTO_FREE char *json = json_print(w->list);

		return xasprintf("%s\n", json);
	}
	out = open_memstream(&text, &len);
	if (out == NULL)
		alloc_failed();
	if (cJSON_GetArraySize(w->list) == 0)
		fputs("no cluster\n", out);
	status_print(w->list, table_width(), table_wants_colour(STDOUT_FILENO), out);
	if (fclose(out) != 0)
		alloc_failed();
	return text;
}

/* What tells one look from another: not the times of Keepalive, which change
 * all the time. */
static char *essence(const struct watch *w)
{
	AUTO_JSON cJSON *list = cJSON_Duplicate(w->list, true);
	const cJSON *cluster;
	cJSON *machine;

	cJSON_ArrayForEach(cluster, list) {
		cJSON_DeleteItemFromObjectCaseSensitive(
			cJSON_GetObjectItemCaseSensitive(cluster, "cost"),
			"usd");
		cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(
							cluster, "machines"))
			cJSON_DeleteItemFromObjectCaseSensitive(machine,
								"keepalive");
	}
	return json_print(list);
}

static void show(struct watch *w)
{
	AUTO_FREE char *text = render(w);
	char *shown = essence(w);

	if (w->screen)
		draw(text);
	else if (w->shown == NULL || strcmp(shown, w->shown) != 0)
		put(text);
	free(w->shown);
	w->shown = shown;
}

static void on_terminal_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	if (read(w->terminal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		put(LEAVE_SCREEN);
		raise(SIGSTOP);
		put(ENTER_SCREEN);
	}
	if (w->list != NULL)
		show(w);
}

/* ------------------------------------------------------------------ */
/* Looking                                                             */

static void *look(void *data)
{
	struct watch *w = data;

	error_clear(&w->error);
	w->looked = status_fetch(w->name, w->options->all, &w->error);
	events_post(&w->events, EVENT_LOOKED, 0);
	return NULL;
}

/* The error is the thread's from here on. */
static int begin_look(struct watch *w)
{
	int errnum = pthread_create(&w->thread, NULL, look, w);

	if (errnum != 0) {
		error_set_errno(&w->error, errnum, "cannot make a thread");
		return STATUS_FAILED;
	}
	w->due_ns = 0;
	return -1;
}

/* From now on it is that cluster, whichever else there may be. */
static void remember_name(struct watch *w)
{
	const char *name;

	if (!w->options->all && w->name == NULL &&
	    bigm_json_get_string(w->looked->child, "cluster", &name, NULL) == 0)
		w->name = xstrdup(name);
}

/* -1 to go on, or the exit status. */
static int on_looked(struct watch *w)
{
	pthread_join(w->thread, NULL);
	w->due_ns = loop_now_ns() + w->options->interval_ms * 1000000;
	if (w->looked == NULL) {
		if (w->list != NULL && w->error.code == BIGM_ENOTFOUND)
			return 0;
		return w->list != NULL && ++w->failures < PATIENCE
			       ? -1 : STATUS_FAILED;
	}
	if (!w->options->all && w->looked->child == NULL)
		return 0;
	w->failures = 0;
	remember_name(w);
	cJSON_Delete(w->list);
	w->list = w->looked;
	w->looked = NULL;
	show(w);
	if (!ferror(stdout))
		return -1;
	return errno == EPIPE ? STATUS_SIGNAL + SIGPIPE : STATUS_FAILED;
}

static int on_event(struct watch *w, const struct event *event)
{
	switch (event->kind) {
	case EVENT_SIGNAL:
		return STATUS_SIGNAL + event->value;
	case EVENT_LOOKED:
		return on_looked(w);
	case EVENT_TIMEOUT:
		return begin_look(w);
	}
	if (!w->screen)
		return STATUS_SIGNAL + SIGPIPE;
	on_terminal_signal(w);
	return -1;
}

/* ------------------------------------------------------------------ */

static int begin(struct watch *w)
{
	if (events_init(&w->events, &w->error) != 0)
		return w->error.code;
	w->screen = is_screen() && !w->options->json;
	w->terminal_fd = w->screen ? terminal_signals(&w->error)
				   : events_stdout_fd();
	if (w->error.code != 0)
		return w->error.code;
	if (w->screen)
		put(ENTER_SCREEN);
	return 0;
}

static int end(struct watch *w, int status)
{
	if (w->screen)
		put(LEAVE_SCREEN);
	if (status == STATUS_FAILED && w->error.code != 0)
		command_fail(w->in, 0, "%s", w->error.text);
	else if (status == STATUS_FAILED)
		command_finish_output(w->in, 0);
	else if (status == 0 && w->list != NULL)
		command_fail(w->in, 0, "%s has ended", w->name);
	/* A look that is under way may take a while; it goes with us. */
	if (w->due_ns == 0)
		_exit(status);
	if (w->screen)
		close(w->terminal_fd);
	events_release(&w->events);
	cJSON_Delete(w->list);
	free(w->shown);
	free(w->name);
	return status;
}

int status_watch(const struct invocation *in)
{
	const struct status_options *options = in->options;
	struct watch w = {
		.due_ns = 1, /* at once */
		.in = in,
		.options = options,
		.name = options->cluster != NULL ? xstrdup(options->cluster) : NULL,
		.error = BIGM_ERROR_INIT,
	};
	int status = -1;

	if (begin(&w) != 0)
		return command_fail(in, STATUS_FAILED, "%s", w.error.text);
	while (status < 0) {
		struct event event = events_next(&w.events, w.terminal_fd,
						 w.due_ns);

		status = on_event(&w, &event);
	}
	return end(&w, status);
}
