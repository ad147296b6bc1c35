/*
 * bigm status --watch: on a terminal a screen of its own, which is drawn anew
 * for each look; otherwise a table, or a line of JSON, for each change.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/events.h"
#include "cmd/screen.h"
#include "cmd/status.h"
#include "cmd/status_columns.h"
#include "cmd/table.h"
#include "loop/loop.h"

/* A cluster that goes while we look at it may answer with an error once. */
#define PATIENCE 2

/* The thread that looks has something, or an error. */
enum { EVENT_LOOKED };

struct watch {
	const struct invocation *in;
	const struct status_options *options;
	struct events events;
	bool on_screen;
	struct screen screen;
	struct status_view view;
	size_t skipped;	 /* machines above what the screen shows */
	int fd;		 /* the screen's, or stdout's; see events */
	uint64_t due_ns; /* of the next look; 0 while one is under way */
	pthread_t thread;
	char *name;	 /* the cluster, once known */
	cJSON *list;	 /* what was seen last */
	char *shown;	 /* what was written last, but for what does not count */
	cJSON *looked;	 /* by the thread; NULL: error */
	struct bigm_error error;
	int failures;	 /* in a row */
	bool ended;	 /* the cluster */
};

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
	status_print(w->list, w->on_screen ? &w->view : NULL, table_width(),
		     table_wants_colour(STDOUT_FILENO), out);
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
		cJSON_DeleteItemFromObjectCaseSensitive(
			cJSON_GetObjectItemCaseSensitive(cluster, "idle"),
			"ends_in");
		cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(
							cluster, "machines"))
			cJSON_DeleteItemFromObjectCaseSensitive(machine,
								"keepalive");
	}
	return json_print(list);
}

/* What stays when one scrolls: the cluster, and the columns' titles. */
#define TITLE_LINES 2

static const char *behind_lines(const char *text, size_t n)
{
	for (; n > 0 && *text != '\0'; n--) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return text;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; n++)
		text = behind_lines(text, 1);
	return n;
}

/* Lines of machines that are on the screen; the last one has the keys. */
static size_t room(void)
{
	size_t columns, rows;

	screen_size(&columns, &rows);
	return rows > TITLE_LINES + 1 ? rows - TITLE_LINES - 1 : 1;
}

static void draw(struct watch *w, const char *text)
{
	const char *machines = behind_lines(text, TITLE_LINES);
	size_t n = count_lines(machines), most = n > room() ? n - room() : 0;
	AUTO_FREE char *help = status_view_help(), *shown = NULL;
	size_t columns, rows;

	screen_size(&columns, &rows);
	if (columns < strlen(help))
		help[columns] = '\0';
	if (w->skipped > most)
		w->skipped = most;
	shown = xasprintf("%.*s%s", (int)(machines - text), text,
			  behind_lines(machines, w->skipped));
	screen_draw(&w->screen, shown, help);
}

static void show(struct watch *w)
{
	AUTO_FREE char *text = render(w);
	char *shown;

	if (w->on_screen) {
		draw(w, text);
		return;
	}
	shown = essence(w);
	if (w->shown == NULL || strcmp(shown, w->shown) != 0)
		fputs(text, stdout);
	fflush(stdout);
	free(w->shown);
	w->shown = shown;
}

static void scroll(struct watch *w, int key)
{
	size_t page = room();

	if (key == SCREEN_UP || key == SCREEN_PAGE_UP) {
		size_t by = key == SCREEN_UP ? 1 : page;

		w->skipped -= w->skipped < by ? w->skipped : by;
	} else if (key == SCREEN_DOWN || key == SCREEN_PAGE_DOWN) {
		w->skipped += key == SCREEN_DOWN ? 1 : page;
	} else if (key == SCREEN_HOME) {
		w->skipped = 0;
	} else if (key == SCREEN_END) {
		w->skipped = SIZE_MAX / 2;
	}
}

/* -1 to go on, or the exit status. */
static int on_screen(struct watch *w)
{
	int key;

	while ((key = screen_take(&w->screen)) != SCREEN_NOTHING) {
		if (key == 'q')
			return 0;
		if (!status_view_key(&w->view, key))
			scroll(w, key);
	}
	if (w->list != NULL)
		show(w);
	return -1;
}

/* ------------------------------------------------------------------ */
/* Looking                                                             */

static void *look(void *data)
{
	struct watch *w = data;

	error_clear(&w->error);
	w->looked = status_fetch(w->name, w->options->all, w->on_screen,
				 &w->error);
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
		w->ended = w->list != NULL && w->error.code == BIGM_ENOTFOUND;
		if (w->ended)
			return 0;
		return w->list != NULL && ++w->failures < PATIENCE
			       ? -1 : STATUS_FAILED;
	}
	w->ended = !w->options->all && w->looked->child == NULL;
	if (w->ended)
		return 0;
	w->failures = 0;
	remember_name(w);
	status_add_rates(w->list, w->looked);
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
	return w->on_screen ? on_screen(w) : STATUS_SIGNAL + SIGPIPE;
}

/* ------------------------------------------------------------------ */

static int begin(struct watch *w)
{
	if (events_init(&w->events, &w->error) != 0)
		return w->error.code;
	w->on_screen = screen_is_there() && !w->options->json;
	w->view.sort = w->options->sort;
	if (!w->on_screen)
		w->fd = events_stdout_fd();
	else if (screen_init(&w->screen, &w->error) == 0)
		w->fd = w->screen.fd;
	return w->error.code;
}

static int end(struct watch *w, int status)
{
	if (w->on_screen)
		screen_release(&w->screen);
	if (status == STATUS_FAILED && w->error.code != 0)
		command_fail(w->in, 0, "%s", w->error.text);
	else if (status == STATUS_FAILED)
		command_finish_output(w->in, 0);
	else if (w->ended && w->name != NULL)
		command_fail(w->in, 0, "%s has ended", w->name);
	/* A look that is under way may take a while; it goes with us. */
	if (w->due_ns == 0)
		_exit(status);
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
		struct event event = events_next(&w.events, w.fd, w.due_ns);

		status = on_event(&w, &event);
	}
	return end(&w, status);
}
