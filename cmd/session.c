#include "cmd/session.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/attach.h"
#include "cmd/program.h"
#include "keeper/record.h"
#include "loop/loop.h"
#include "loop/process.h"
#include "machine/machine.h"

/* How long a signalled job has before it is killed. */
#define GRACE_NS (1000 * 1000000ull)
/* How long a keeper may take to tear down before we no longer wait. */
#define PATIENCE_NS (10000 * 1000000ull)
/* The same for one that was told to do it at once. */
#define HASTE_NS (2000 * 1000000ull)
/* And to make borrowed machines what they were. */
#define RETURN_NS (60000 * 1000000ull)
/* How long the last lines of the logs may take to be printed. */
#define DRAIN_MS 2000
/* How long the killed may take to be gone. */
#define KILL_MS 1000
/* How often and when we look whether the lock of a dead keeper is free. */
#define LOCK_TRIES 20
#define LOCK_PAUSE_US 10000

/* Events; those of the work begin at 0. */
enum {
	EVENT_NOTICE = -15, /* value: the machine's index */
	EVENT_LAUNCHED = -14,
	EVENT_COLLECTED = -13,
	EVENT_LOST = -12,
	EVENT_ALL_GONE = -11,
};

/* ------------------------------------------------------------------ */
/* Threads                                                             */

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

static void on_lost(const struct bigm_error *why, void *data)
{
	struct session *s = data;

	error_copy(&s->lost_error, why);
	events_post(&s->events, EVENT_LOST, 0);
}

/* A machine that died is named here, by the reason that the keeper gave.  What
 * is no machine's own, such as a limit of this host, is said once. */
static void on_machine(struct bigm_machine *machine, void *data)
{
	struct session *s = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	enum bigm_state state = bigm_machine_state(machine);
	const char *name = bigm_machine_name(machine);

	progress_machine(s->progress, machine);
	if (state != BIGM_STOPPED || s->work->names_the_lost ||
	    atomic_load(&s->stopping) ||
	    bigm_machine_error(machine, &why) == 0 ||
	    why.code == BIGM_ECANCELED)
		return; /* or the driver gave it up */
	if (why.code == BIGM_EUNAVAILABLE &&
	    strncmp(why.text, name, strlen(name)) == 0)
		command_fail(s->in, 0, "%s", why.text);
	else
		session_explain(s, why.text);
}

static void on_notice(struct bigm_machine *machine,
		      const struct bigm_notice *notice, void *data)
{
	struct session *s = data;

	if (s->work->notice)
		events_post(&s->events, EVENT_NOTICE, machine_index(machine));
	else
		command_fail(s->in, 0, "%s: %s", bigm_machine_name(machine),
			     notice->text);
}

static void print_lines(void *data, const char *lines, size_t len)
{
	progress_write(data, lines, len);
}

/* Where the table of the machines may stand, it makes room; else the thread
 * need not wait for who reads it. */
static int begin_printing(struct session *s, struct bigm_error *err)
{
	const struct cluster_printing printing = {
		.show = s->in->verbose ? OUTPUT_SHOW_ALL : s->show,
		.fd = STDERR_FILENO,
		.write = s->in->verbose || s->show != OUTPUT_SHOW_FAILURE ?
				 NULL : print_lines,
		.data = s->progress,
	};

	return s->print ? cluster_print_start(s->cluster, &printing, err) : 0;
}

static int spawn(struct session *s, struct bigm_error *err)
{
	AUTO_FREE char *self = program_self();
	const struct cluster_options options = {
		.program = self,
		.name = s->options->name,
		.system = s->options->system,
		.log_dir = s->options->log_dir,
		.http = s->options->http,
		.http_prefix = s->options->http_prefix,
		.no_http = s->options->no_http,
		.events = s->options->events,
		.ship = s->options->ship,
		.set = (char *const *)s->options->set.items,
		.keepalive = s->options->keepalive,
		.debug = s->in->verbose,
	};

	s->cluster = cluster_spawn(s->loop, &options, err);
	if (s->cluster == NULL)
		return err->code;
	cluster_on_lost(s->cluster, on_lost, s);
	cluster_on_machine(s->cluster, on_machine, s);
	cluster_on_notice(s->cluster, on_notice, s);
	return begin_printing(s, err);
}

/* What its machines print, and which of them die, is no guest's business,
 * unless he takes them. */
static int visit(struct session *s, struct bigm_error *err)
{
	s->cluster = attach_on(s->loop, s->options->cluster, err);
	if (s->cluster == NULL)
		return err->code;
	cluster_on_lost(s->cluster, on_lost, s);
	if (s->borrow || s->work->notice)
		cluster_on_notice(s->cluster, on_notice, s);
	if (s->exclusive)
		s->use = attach_use(s->cluster, &s->token, err);
	if (err->code != 0 || !s->borrow)
		return err->code;
	cluster_borrow(s->cluster, s->token);
	cluster_on_machine(s->cluster, on_machine, s);
	return begin_printing(s, err);
}

static int prepare_collect(struct session *s, struct bigm_error *err)
{
	if (s->collect.patterns != NULL && s->collect.patterns->n > 0)
		s->collecting = collect_new(s->in, s->cluster, &s->collect, err);
	return err->code;
}

static void *launch(void *data)
{
	struct session *s = data;
	struct bigm_error *err = &s->launch_error, unwatched = BIGM_ERROR_INIT;
	bool failed;

	if ((s->attach ? visit(s, err) : spawn(s, err)) == 0 &&
	    prepare_collect(s, err) == 0)
		s->work->launch(s, err);
	failed = err->code != 0;
	events_post(&s->events, EVENT_LAUNCHED, 0);
	/* For on_machine(); the work need not wait for that. */
	if (!failed && (!s->attach || s->borrow) && cluster_watch(s->cluster, &unwatched) != 0)
		log_debug("%s", unwatched.text);
	return NULL;
}

/* The cluster's end in good order is no concern of a work that outlives it. */
static bool survives(const struct session *s)
{
	return s->lost_error.code == BIGM_ECANCELED && s->work->outlives_cluster;
}

struct blame {
	struct session *session;
	bool keeper; /* is to blame for the job's failure */
};

/* On the loop, so that on_lost() has run. */
static void blame_keeper(void *data)
{
	struct blame *blame = data;
	struct session *s = blame->session;

	blame->keeper = s->lost_error.code != 0 && !survives(s);
	if (blame->keeper)
		session_explain(s, s->lost_error.text);
}

/* The time is up: which machines have not come up, and how far they are. */
static void name_the_late(struct session *s)
{
	AUTO_JSON cJSON *status = NULL;
	const cJSON *machine;
	const char *name, *phase;

	if (cluster_call(s->cluster, "Status", NULL, &status, NULL) != 0)
		return;
	cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(status,
								     "machines"))
		if (bigm_json_get_string(machine, "machine", &name, NULL) == 0 &&
		    bigm_json_get_string(machine, "phase", &phase, NULL) == 0)
			command_fail(s->in, 0, "%s has not come up: still %s",
				     name, phase);
}

static void collect(struct session *s)
{
	if (s->collecting == NULL)
		return;
	collect_run(s->collecting);
	events_post(&s->events, EVENT_COLLECTED, 0);
}

/* The cluster is somebody else's, and so are its machines. */
static void *just_collect(void *data)
{
	struct session *s = data;

	collect(s);
	events_post(&s->events, EVENT_ALL_GONE, 0);
	return NULL;
}

static void *shut_down(void *data)
{
	struct session *s = data;
	struct blame blame = { .session = s };
	struct bigm_error err = BIGM_ERROR_INIT;

	if (s->status == STATUS_TIMEOUT && !s->attach)
		name_the_late(s);
	collect(s);
	/* A job may see the keeper's death sooner than we do, and fail of it. */
	if (s->doubtful && cluster_call(s->cluster, "Info", NULL, NULL, &err) != 0)
		loop_call(s->loop, blame_keeper, &blame);
	if (cluster_shutdown(s->cluster, false, &err) != 0)
		command_fail(s->in, 0, "%s", err.text);
	s->drained = cluster_print_wait(s->cluster, DRAIN_MS, NULL) == 0;
	events_post(&s->events, EVENT_ALL_GONE, blame.keeper);
	return NULL;
}

/* What the work has begun goes on without us. */
static void *let_go(void *data)
{
	struct session *s = data;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (cluster_release(s->cluster, &err) != 0) {
		command_fail(s->in, 0, "%s", err.text);
		s->status = STATUS_BIGM;
	}
	events_post(&s->events, EVENT_ALL_GONE, 0);
	return NULL;
}

/* Beside the other, which returns then too. */
static void *shut_down_now(void *data)
{
	struct session *s = data;

	cluster_shutdown(s->cluster, true, NULL);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The course of things                                                */

/* Nobody waits any longer: what is left sees our end, and ends as well. */
static void __attribute__((noreturn)) leave(struct session *s)
{
	fflush(stdout);
	_exit(s->status);
}

static void decide(struct session *s, int status)
{
	if (s->status < 0)
		s->status = status;
	progress_end(s->progress, false);
}

/* There is something to be given back. */
static bool has_loan(const struct session *s)
{
	return s->borrow && s->token != NULL;
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

/* What has to be done until all is over, in a thread; NULL: nothing. */
static void *(*last_task(const struct session *s))(void *data)
{
	if (s->cluster == NULL)
		return NULL;
	if (s->attach && !has_loan(s))
		return s->collecting != NULL ? just_collect : NULL;
	return s->keep && s->status == 0 ? let_go : shut_down;
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
	task = last_task(s);
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
		begin_thread(s, shut_down_now);
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
		if (survives(s))
			break;
		if (s->status < 0)
			session_explain(s, s->lost_error.text);
		session_finish(s, STATUS_BIGM);
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

static void do_nothing(void *data)
{
}

void session_ready(struct session *s)
{
	if (s->progress == NULL)
		return;
	/* What the loop has told who waits for a machine, it has told us by
	 * then as well. */
	loop_call(s->loop, do_nothing, NULL);
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

static bool is_living(const char *cluster)
{
	char **living = record_list(NULL);
	bool found = living == NULL;

	for (char **name = living; name != NULL && *name != NULL; name++)
		found = found || strcmp(*name, cluster) == 0;
	json_strings_free(living);
	return found;
}

/* Where the guard was killed together with the keeper, its work is ours: the
 * record, whose lock nobody holds then, and what the end of the machines has
 * not ended. */
static void stand_in_for_guard(const char *cluster)
{
	/* A process that is being killed lets go of its files one by one. */
	for (int i = 0; is_living(cluster); i++) {
		if (i == LOCK_TRIES)
			return;
		usleep(LOCK_PAUSE_US);
	}
	process_kill_descendants(KILL_MS);
	/* Nobody holds a lock any more of what was half removed. */
	json_strings_free(record_list(NULL));
}

static void leave_nothing(struct session *s)
{
	if (!s->attach && s->cluster != NULL &&
	    cluster_info(s->cluster)->name != NULL)
		stand_in_for_guard(cluster_info(s->cluster)->name);
	else /* it may have died in the middle */
		json_strings_free(record_list(NULL));
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
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* see stand_in_for_guard() */
	if (events_init(&s->events, err) != 0 || show_progress(s, err) != 0)
		return err->code;
	s->loop = loop_new(err);
	if (s->loop == NULL || loop_start_thread(s->loop, "bigm-loop", err) != 0)
		return err->code;
	if (s->options->timeout_ms != 0)
		s->timeout_ns = loop_now_ns() + s->options->timeout_ms * 1000000;
	begin_thread(s, launch);
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
	leave_nothing(s);
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
