#include "cmd/progress.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/wait.h"
#include "cmd/lines.h"
#include "cmd/picture.h"
#include "cmd/progress_view.h"
#include "cmd/table.h"
#include "cmd/terminal.h"
#include "loop/loop.h"
#include "machine/machine.h"

/* When the table is drawn first, and how often. */
#define LIVE_AFTER_NS (300 * NS_PER_MS)
#define FRAME_NS (100 * NS_PER_MS)
/* When lines begin; see progress.h. */
#define PERSON_AFTER_NS (2000 * NS_PER_MS)
#define LINES_AFTER_NS (10000 * NS_PER_MS)
/* How often LINES tell how far ships are. */
#define SHIP_NS (10000 * NS_PER_MS)
#define SHIP_VERBOSE_NS (1000 * NS_PER_MS)
/* How long to wait for a terminal that does not take the last of it. */
#define END_MS 1000

struct progress {
	bool live, verbose, colour;
	uint64_t after_ns; /* nothing is shown before */
	int wake, signals; /* eventfd; signalfd, -1: none */
	char *title;
	pthread_t thread;

	pthread_mutex_t lock; /* of what follows; never held in a write */
	pthread_cond_t changed;
	struct progress_view view;
	bool ending, ready; /* progress_end() was called, with that */
	bool ended;	    /* nothing is shown any more */
	bool leave, left;   /* the thread shall end, has ended */

	/* The thread's. */
	bool telling;	/* LINES have begun */
	bool uncounted; /* a machine was told since all were counted */
	uint64_t ship_told_ns; /* when it was last said how far ships are */

	pthread_mutex_t terminal; /* held in writes, and taken first; of: */
	struct picture picture;
	bool shown;	     /* there was something, ever */
};

/* Whether it takes long enough to be shown. */
static bool is_due(struct progress *p, uint64_t now)
{
	bool due;

	pthread_mutex_lock(&p->lock);
	due = p->view.began_ns != 0 && now >= p->view.began_ns + p->after_ns &&
	      !progress_view_settled(&p->view);
	pthread_mutex_unlock(&p->lock);
	return due;
}

/* ------------------------------------------------------------------ */
/* LIVE (the thread)                                                   */

static char *render(struct progress *p, uint64_t now)
{
	struct progress_style style = { .colour = p->colour };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		alloc_failed();
	picture_size(&style.columns, &style.rows);
	pthread_mutex_lock(&p->lock);
	progress_view_print(&p->view, &style, now, out);
	pthread_mutex_unlock(&p->lock);
	if (fclose(out) != 0)
		alloc_failed();
	return text;
}

static void show_table(struct progress *p, uint64_t now)
{
	if (!is_due(p, now))
		return;
	pthread_mutex_lock(&p->terminal);
	if (!terminal_in_background(STDERR_FILENO)) {
		AUTO_FREE char *text = render(p, now);

		picture_draw(&p->picture, text);
		p->shown = true;
	}
	pthread_mutex_unlock(&p->terminal);
}

/* Stops the process as the signal would have, had nobody looked: not at all
 * where no shell could continue it. */
static void stop_process(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGTSTP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* The shell writes where our cursor is while we are stopped: what is drawn is
 * cleared before, or, when it was SIGSTOP, left to it.  The SIGCONT that ends a
 * stop is there when that returns. */
static void on_signals(struct progress *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
		pthread_mutex_lock(&p->terminal);
		if (info.ssi_signo == SIGTSTP)
			picture_erase(&p->picture);
		else
			picture_forget(&p->picture);
		pthread_mutex_unlock(&p->terminal);
		if (info.ssi_signo == SIGTSTP)
			stop_process();
	}
}

/* ------------------------------------------------------------------ */
/* LINES (the thread)                                                  */

/* A line that is written to memory first, so that it leaves in one write. */
struct line {
	char *text;
	size_t len;
	FILE *out;
};

static void line_begin(struct line *line, const struct progress *p)
{
	*line = (struct line){ 0 };
	line->out = open_memstream(&line->text, &line->len);
	if (line->out == NULL)
		alloc_failed();
	fprintf(line->out, "%s: ", p->title);
}

static void line_end(struct line *line, bool write)
{
	fputc('\n', line->out);
	if (fclose(line->out) != 0)
		alloc_failed();
	if (write)
		lines_write_all(STDERR_FILENO, (const uint8_t *)line->text,
				line->len);
	free(line->text);
}

static void tell_count(struct progress *p, uint64_t now)
{
	char time[PROGRESS_TIME_SIZE];
	struct line line;

	line_begin(&line, p);
	pthread_mutex_lock(&p->lock);
	progress_view_count_text(&p->view, line.out);
	fprintf(line.out, " after %s",
		progress_time(now - p->view.began_ns, time));
	if (progress_view_ships(&p->view)) {
		fputs(", ", line.out);
		progress_view_ship_text(&p->view, now, line.out);
		p->ship_told_ns = now;
	}
	pthread_mutex_unlock(&p->lock);
	line_end(&line, true);
}

/* The next machine that has settled and was not told; NULL: none.  Under the
 * lock. */
static struct progress_machine *take_untold(struct progress *p)
{
	for (size_t i = 0; i < p->view.n; i++) {
		struct progress_machine *m = &p->view.machines[i];

		if (!m->told && m->settled_ns != 0) {
			m->told = true;
			return m;
		}
	}
	return NULL;
}

static bool tell_machine(struct progress *p, uint64_t now)
{
	char time[PROGRESS_TIME_SIZE];
	const struct progress_machine *m;
	struct line line;

	line_begin(&line, p);
	pthread_mutex_lock(&p->lock);
	m = take_untold(p);
	if (m != NULL) {
		fprintf(line.out, "%s %s after %s%s%s", m->name,
			bigm_state_name(m->state),
			progress_time(m->settled_ns - m->began_ns, time),
			m->address[0] != '\0' ? ": " : "", m->address);
		fputs(m->nsteps > 0 ? " (" : "", line.out);
		progress_view_phases_text(m, now, line.out);
		fputs(m->nsteps > 0 ? ")" : "", line.out);
	}
	pthread_mutex_unlock(&p->lock);
	line_end(&line, m != NULL);
	return m != NULL;
}

/* Machines that have come up by themselves so far are only counted. */
static void begin_telling(struct progress *p, uint64_t now)
{
	bool due = is_due(p, now);

	pthread_mutex_lock(&p->lock);
	while (take_untold(p) != NULL)
		;
	pthread_mutex_unlock(&p->lock);
	p->telling = due;
	if (due)
		tell_count(p, now);
}

static void show_lines(struct progress *p, uint64_t now)
{
	bool settled, late;

	if (!p->telling)
		begin_telling(p, now);
	if (!p->telling)
		return;
	pthread_mutex_lock(&p->lock);
	settled = progress_view_settled(&p->view);
	late = progress_view_ships(&p->view) &&
	       now >= p->ship_told_ns +
			      (p->verbose ? SHIP_VERBOSE_NS : SHIP_NS);
	pthread_mutex_unlock(&p->lock);
	while (tell_machine(p, now))
		p->uncounted = true;
	if (late)
		tell_count(p, now);
	if (!settled || !p->uncounted)
		return;
	tell_count(p, now);
	p->uncounted = false;
	p->telling = p->verbose;
}

/* ------------------------------------------------------------------ */
/* The thread                                                          */

/* How long there is nothing to do but to wait for news; < 0: for ever. */
static int time_to_wait(struct progress *p)
{
	uint64_t now = loop_now_ns(), due;
	int64_t ns = -1;

	pthread_mutex_lock(&p->lock);
	due = p->view.began_ns + p->after_ns;
	if (!p->ending && !p->telling && p->view.began_ns != 0 &&
	    !progress_view_settled(&p->view))
		ns = (int64_t)(due > now ? due - now : FRAME_NS);
	pthread_mutex_unlock(&p->lock);
	return ns < 0 ? -1 : (int)((uint64_t)ns / NS_PER_MS + 1);
}

static void wait_for_news(struct progress *p)
{
	struct pollfd fds[] = {
		{ .fd = p->wake, .events = POLLIN },
		{ .fd = p->signals, .events = POLLIN },
	};
	eventfd_t count;

	if (poll(fds, 2, time_to_wait(p)) <= 0)
		return;
	if (fds[0].revents != 0)
		eventfd_read(p->wake, &count);
	if (fds[1].revents != 0)
		on_signals(p);
}

static void show(struct progress *p)
{
	uint64_t now = loop_now_ns();

	if (p->live)
		show_table(p, now);
	else
		show_lines(p, now);
}

static void finish(struct progress *p, bool ready)
{
	if (p->live) {
		pthread_mutex_lock(&p->terminal);
		picture_erase(&p->picture);
		if (ready && p->shown)
			tell_count(p, loop_now_ns());
		pthread_mutex_unlock(&p->terminal);
	} else {
		show_lines(p, loop_now_ns());
	}
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* It stays when nothing is shown any more: somebody has to stop the process
 * when the terminal says so. */
static void *progress_main(void *data)
{
	struct progress *p = data;
	bool ending, ready, ended, leave;

	do {
		wait_for_news(p);
		pthread_mutex_lock(&p->lock);
		ending = p->ending;
		ready = p->ready;
		ended = p->ended;
		leave = p->leave;
		pthread_mutex_unlock(&p->lock);
		if (!ending)
			show(p);
		else if (!ended)
			finish(p, ready);
	} while (!leave);
	pthread_mutex_lock(&p->lock);
	p->left = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* From outside                                                        */

static bool can_draw(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL && *term != '\0' &&
	       strcmp(term, "dumb") != 0;
}

static void log_line_to(enum log_level level, const char *line, void *data)
{
	AUTO_FREE char *text = xasprintf("bigm: %s\n", line);

	progress_write(data, text, strlen(text));
}

static int take_terminal(struct progress *p, struct bigm_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		return error_set_errno(err, errno, "cannot wait for signals");
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	p->colour = table_wants_colour(STDERR_FILENO);
	return 0;
}

static struct progress *make(const struct progress_options *options)
{
	struct progress *p = xcalloc(1, sizeof(*p));

	p->verbose = p->telling = options->verbose;
	p->live = !options->verbose && !options->shared && can_draw();
	p->after_ns = p->live ? LIVE_AFTER_NS
		    : isatty(STDERR_FILENO) ? PERSON_AFTER_NS : LINES_AFTER_NS;
	p->signals = -1;
	p->wake = eventfd(0, EFD_CLOEXEC);
	p->title = xstrdup(options->title);
	p->view.title = p->title;
	p->view.expected = options->expected;
	p->view.began_ns = options->expected > 0 ? loop_now_ns() : 0;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->terminal, NULL);
	wait_cond_init(&p->changed);
	picture_init(&p->picture);
	return p;
}

static void release(struct progress *p)
{
	if (p->wake >= 0)
		close(p->wake);
	if (p->signals >= 0)
		close(p->signals);
	picture_release(&p->picture);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->terminal);
	pthread_mutex_destroy(&p->lock);
	progress_view_release(&p->view);
	free(p->title);
	free(p);
}

struct progress *progress_new(const struct progress_options *options,
			      struct bigm_error *err)
{
	struct progress *p;
	int errnum;

	if (options->quiet)
		return NULL;
	p = make(options);
	if (p->wake < 0)
		error_set_errno(err, errno, "cannot make an eventfd");
	else if (!p->live || take_terminal(p, err) == 0) {
		errnum = pthread_create(&p->thread, NULL, progress_main, p);
		if (errnum == 0) {
			if (p->live)
				log_set_sink(log_line_to, p);
			return p;
		}
		error_set_errno(err, errnum, "cannot make a thread");
	}
	release(p);
	return NULL;
}

void progress_machine(struct progress *p, const struct bigm_machine *machine)
{
	char phase[MACHINE_PHASE_SIZE];
	uint64_t shipped, size;

	if (p == NULL)
		return;
	machine_shipped(machine, &shipped, &size);
	machine_phase(machine, phase);
	pthread_mutex_lock(&p->lock);
	progress_view_set(&p->view, bigm_machine_name(machine),
			  bigm_machine_state(machine),
			  bigm_machine_address(machine), loop_now_ns());
	progress_view_phase(&p->view, bigm_machine_name(machine), phase,
			    loop_now_ns());
	progress_view_ship(&p->view, bigm_machine_name(machine), shipped, size,
			   loop_now_ns());
	pthread_mutex_unlock(&p->lock);
	eventfd_write(p->wake, 1);
}

void progress_write(struct progress *p, const char *lines, size_t len)
{
	if (p == NULL) {
		lines_write_all(STDERR_FILENO, (const uint8_t *)lines, len);
		return;
	}
	pthread_mutex_lock(&p->terminal);
	picture_erase(&p->picture);
	lines_write_all(STDERR_FILENO, (const uint8_t *)lines, len);
	pthread_mutex_unlock(&p->terminal);
}

/* Waits a while until the thread has done what it was asked for.  Under the
 * lock, which it gives back. */
static bool await_done(struct progress *p, const bool *done)
{
	int64_t deadline = wait_deadline(END_MS);
	bool is_done;

	eventfd_write(p->wake, 1);
	while (!*done && wait_cond(&p->changed, &p->lock, deadline) == 0)
		;
	is_done = *done;
	pthread_mutex_unlock(&p->lock);
	return is_done;
}

void progress_end(struct progress *p, bool ready)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	if (!p->ending) {
		p->ending = true;
		p->ready = ready;
	}
	await_done(p, &p->ended);
}

bool progress_free(struct progress *p)
{
	if (p == NULL)
		return true;
	pthread_mutex_lock(&p->lock);
	p->ending = p->leave = true;
	if (!await_done(p, &p->left))
		return false;
	pthread_join(p->thread, NULL);
	if (p->live)
		log_set_sink(NULL, NULL);
	release(p);
	return true;
}
