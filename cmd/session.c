#include "cmd/session_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/detach.h"
#include "loop/loop.h"

/* How long a signalled job has before it is killed. */
#define GRACE_NS (1000 * NS_PER_MS)
/* How long a keeper may take to tear down before we no longer wait. */
#define PATIENCE_NS (10000 * NS_PER_MS)
/* The same for one that was told to do it at once. */
#define HASTE_NS (2000 * NS_PER_MS)
/* And to make borrowed machines what they were. */
#define RETURN_NS (60000 * NS_PER_MS)

static void begin_thread(struct session *s, void *(*fn)(void *))
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc = pthread_create(&s->threads[s->nthreads], NULL, fn, s);

	if (rc == 0) {
		s->nthreads++;
		return;
	}
	/* Nothing but this process holds the cluster: it goes with us.  Who has
	 * failed already has said why. */
	error_set_errno(&err, rc, "cannot make a thread");
	if (s->status > 0)
		_exit(s->status);
	command_fail(s->in, 0, "%s", err.text);
	_exit(STATUS_BIGM);
}

/* Nobody waits any longer: what is left sees our end, and ends as well. */
static void __attribute__((noreturn)) leave(struct session *s)
{
	if (s->work->leave != NULL)
		s->work->leave(s);
	fflush(stdout);
	if (s->detach != NULL)
		detach_end(s->detach, s->status);
	_exit(s->status);
}

static void decide(struct session *s, int status)
{
	if (s->status < 0)
		s->status = status;
	progress_end(s->progress, false);
}

/* What its system needs on top of that of this host. */
static uint64_t end_ns(const struct session *s)
{
	return s->cluster == NULL
		       ? 0 : (uint64_t)cluster_info(s->cluster)->end_ms * 1000000;
}

static void limit_end(struct session *s)
{
	s->grace_ns = loop_now_ns() + (s->borrow ? RETURN_NS : PATIENCE_NS) +
		      end_ns(s);
}

static void stop(struct session *s)
{
	void *(*task)(void *data);

	if (s->phase != SESSION_WORKING)
		return; /* on_launched() sees to it, or it is done */
	atomic_store(&s->stopping, true);
	s->work->stop(s);
	s->phase = SESSION_STOPPING;
	s->timeout_ns = s->grace_ns = 0;
	if (s->collecting == NULL) /* files take what time they take */
		limit_end(s);
	task = session_last_task(s);
	if (task != NULL)
		begin_thread(s, task);
	else
		s->phase = SESSION_GONE;
}

/* Lets the work end by itself, for a while. */
static void wind_down(struct session *s, int signal)
{
	atomic_store(&s->stopping, true);
	s->pending_signal = signal;
	if (s->phase != SESSION_WORKING)
		return; /* on_launched() sees to it */
	s->work->signal(s, signal);
	s->grace_ns = loop_now_ns() + GRACE_NS;
}

static void hurry(struct session *s)
{
	if (s->phase != SESSION_LAUNCHING && s->collecting != NULL)
		collect_stop(s->collecting);
	/* Machines that are lent to us are given back without us, too. */
	if (s->phase == SESSION_LAUNCHING || s->signals > 2 ||
	    (s->phase == SESSION_STOPPING && s->borrow))
		leave(s);
	stop(s);
	s->grace_ns = loop_now_ns() + HASTE_NS + end_ns(s);
	if (s->phase != SESSION_GONE && !s->borrow)
		begin_thread(s, session_shut_down_now);
}

static void on_signal(struct session *s, int signal)
{
	s->signals++;
	decide(s, STATUS_SIGNAL + signal);
	if (s->signals > 1) {
		hurry(s);
		return;
	}
	command_fail(s->in, 0, "%s: stopping (once more: at once)",
		     sigdescr_np(signal));
	wind_down(s, signal);
	if (!s->patient)
		return;
	/* With SIGINT the user's pager may well be left to read the rest. */
	s->unhurried = signal != SIGINT && s->work->unread;
	if (!s->unhurried)
		s->grace_ns = 0;
}

/* Whoever was told to end waits for its work, but not for its reader. */
static bool goes_on(struct session *s)
{
	if (!s->unhurried || s->phase != SESSION_WORKING ||
	    s->work->unread(s, GRACE_NS))
		return false;
	s->grace_ns = loop_now_ns() + GRACE_NS;
	return true;
}

static void on_timeout(struct session *s)
{
	uint64_t now = loop_now_ns();

	if (s->grace_ns != 0 && now >= s->grace_ns && !goes_on(s)) {
		if (s->phase == SESSION_STOPPING) {
			command_fail(s->in, 0, "the keeper does not answer; not "
				     "waiting for it");
			leave(s);
		}
		stop(s);
	} else if (s->timeout_ns != 0 && now >= s->timeout_ns) {
		s->timeout_ns = 0;
		command_fail(s->in, 0, "timed out after %g s",
			     (double)s->options->timeout_ms / 1000);
		session_end_early(s, STATUS_TIMEOUT, SIGTERM);
	}
}

static void on_launched(struct session *s)
{
	s->phase = SESSION_WORKING;
	if (s->launch_error.code != 0 && s->status < 0) {
		decide(s, STATUS_BIGM);
		command_fail(s->in, 0, "%s", s->launch_error.text);
	}
	if (s->launch_error.code == 0 && s->pending_signal != 0)
		wind_down(s, s->pending_signal);
	else if (s->status >= 0)
		stop(s);
}

static void on_event(struct session *s, const struct event *event)
{
	switch (event->kind) {
	case EVENT_SIGNAL:
		on_signal(s, event->value);
		break;
	case EVENT_TIMEOUT:
		on_timeout(s);
		break;
	case EVENT_LAUNCHED:
		on_launched(s);
		break;
	case EVENT_LOST:
		if (session_survives(s))
			break;
		if (s->status < 0)
			session_explain(s, s->lost_error.text);
		session_finish(s, STATUS_BIGM);
		break;
	case EVENT_BEGUN:
		detach_ready(s->detach, cluster_info(s->cluster)->id);
		break;
	case EVENT_NOTICE:
		s->work->notice(s, event->value);
		break;
	case EVENT_COLLECTED:
		if (s->grace_ns == 0)
			limit_end(s);
		break;
	case EVENT_ALL_GONE:
		s->phase = SESSION_GONE;
		if (s->collecting != NULL && s->status == 0 &&
		    collect_has_failed(s->collecting))
			s->status = STATUS_BIGM;
		if (event->value != 0)
			s->status = STATUS_BIGM;
		break;
	default:
		s->work->event(s, event);
	}
}

void session_ready(struct session *s)
{
	if (s->detach != NULL)
		events_post(&s->events, EVENT_BEGUN, 0);
	if (s->progress == NULL)
		return;
	/* What the loop has told who waits for a machine, it has told us by
	 * then as well. */
	loop_barrier(s->loop);
	progress_end(s->progress, true);
}

void session_finish(struct session *s, int status)
{
	if (s->phase == SESSION_WORKING && s->status < 0)
		s->doubtful = status != 0;
	decide(s, status);
	stop(s);
}

void session_end_early(struct session *s, int status, int signal)
{
	decide(s, status);
	if (s->grace_ns != 0 && !s->unhurried)
		return;
	s->unhurried = false;
	wind_down(s, signal);
}

void session_explain(struct session *s, const char *why)
{
	if (!atomic_exchange(&s->explained, true))
		command_fail(s->in, 0, "%s", why);
}

void session_fail(struct session *s, const char *fmt, ...)
{
	char text[sizeof(s->launch_error.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->status < 0)
		command_fail(s->in, 0, "%s", text);
	session_finish(s, STATUS_BIGM);
}

void session_output_failed(struct session *s, int errnum)
{
	if (errnum == EPIPE)
		session_end_early(s, STATUS_SIGNAL + SIGPIPE, SIGPIPE);
	else
		session_fail(s, "cannot write the output: %s", strerror(errnum));
}

static uint64_t next_deadline(const struct session *s)
{
	if (s->grace_ns == 0 || (s->timeout_ns != 0 && s->timeout_ns < s->grace_ns))
		return s->timeout_ns;
	return s->grace_ns;
}

static int show_progress(struct session *s, struct bigm_error *err)
{
	AUTO_FREE char *title = xasprintf("bigm %s", s->in->command->name);
	const struct progress_options options = {
		.title = title,
		.expected = (size_t)s->expected,
		.quiet = s->options->quiet,
		.verbose = s->in->verbose,
		.shared = s->shared,
	};

	/* The machines of a guest are there, but not what he brings. */
	s->progress = s->attach && !s->ships ? NULL
					     : progress_new(&options, err);
	s->with_progress = *s->in;
	s->with_progress.progress = s->progress;
	s->in = &s->with_progress;
	return err->code;
}

static int begin(struct session *s, struct bigm_error *err)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* see session_leave_nothing() */
	if (events_init(&s->events, err) != 0 || show_progress(s, err) != 0)
		return err->code;
	s->loop = loop_new(err);
	if (s->loop == NULL || loop_start_thread(s->loop, "bigm-loop", err) != 0)
		return err->code;
	if (s->options->timeout_ms != 0)
		s->timeout_ns = loop_now_ns() + s->options->timeout_ms * 1000000;
	begin_thread(s, session_launch);
	return 0;
}

int session_run(struct session *s)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	s->status = -1;
	s->drained = true;
	s->launch_error = s->lost_error = err;
	if (begin(s, &err) != 0)
		return command_fail(s->in, STATUS_BIGM, "%s", err.text);
	while (s->phase != SESSION_GONE) {
		struct event event = events_next(
			&s->events, s->phase == SESSION_WORKING ? s->fd : -1,
			next_deadline(s));

		on_event(s, &event);
	}
	session_leave_nothing(s);
	if (!s->drained || !s->work->idle(s))
		leave(s);
	while (s->nthreads > 0)
		pthread_join(s->threads[--s->nthreads], NULL);
	collect_free(s->collecting);
	if (s->use != NULL)
		bigm_call_free(s->use);
	free(s->token);
	cluster_free(s->cluster);
	loop_stop(s->loop);
	loop_free(s->loop);
	events_release(&s->events);
	if (!progress_free(s->progress))
		leave(s);
	s->with_progress.progress = NULL;
	return s->status;
}
