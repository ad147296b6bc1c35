#include "cmd/session_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/attach.h"
#include "cmd/program.h"
#include "keeper/loan.h"
#include "keeper/record.h"
#include "loop/loop.h"
#include "loop/process.h"
#include "machine/machine.h"

/* How long the last lines of the logs may take to be printed. */
#define DRAIN_MS 2000
/* How often and when we look whether the lock of a dead keeper is free. */
#define LOCK_TRIES 20
#define LOCK_PAUSE_US 10000

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
		.http_any_user = s->options->http_any_user,
		.events = s->options->events,
		.idle_timeout_ms = s->options->idle_timeout_ms,
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

int session_claim(struct session *s, struct bigm_error *err)
{
	if (s->use == NULL)
		s->use = attach_use(s->cluster, &s->token, err);
	return s->use != NULL ? 0 : err->code;
}

char *session_place(struct session *s, const char *name, struct bigm_error *err)
{
	const char *record = cluster_info(s->cluster)->record;
	AUTO_FREE char *folder = NULL;

	if (!s->attach)
		return xasprintf("%s/%s", record, name);
	if (session_claim(s, err) != 0)
		return NULL;
	folder = xasprintf("%s/" LOAN_FOLDER "%.8s", record, s->token);
	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		error_set_errno(err, errno, "cannot make %s", folder);
		return NULL;
	}
	return xasprintf("%s/%s", folder, name);
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
		session_claim(s, err);
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

void *session_launch(void *data)
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
bool session_survives(const struct session *s)
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

	blame->keeper = s->lost_error.code != 0 && !session_survives(s);
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
void *session_shut_down_now(void *data)
{
	struct session *s = data;

	cluster_shutdown(s->cluster, true, NULL);
	return NULL;
}

/* There is something to be given back. */
static bool has_loan(const struct session *s)
{
	return s->borrow && s->token != NULL;
}

/* What has to be done until all is over, in a thread; NULL: nothing. */
void *(*session_last_task(const struct session *s))(void *data)
{
	if (s->cluster == NULL)
		return NULL;
	if (s->attach && !has_loan(s))
		return s->collecting != NULL ? just_collect : NULL;
	return s->keep && s->status == 0 ? let_go : shut_down;
}

static bool is_living(const char *cluster)
{
	char **living = record_list(NULL);
	bool found = living == NULL;

	for (char **name = living; name != NULL && *name != NULL; name++)
		found = found || strcmp(*name, cluster) == 0;
	strings_free(living);
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
	process_kill_descendants(PROCESS_GONE_MS);
	/* Nobody holds a lock any more of what was half removed. */
	strings_free(record_list(NULL));
}

void session_leave_nothing(struct session *s)
{
	if (!s->attach && s->cluster != NULL &&
	    cluster_info(s->cluster)->name != NULL)
		stand_in_for_guard(cluster_info(s->cluster)->name);
	else /* it may have died in the middle */
		strings_free(record_list(NULL));
}
