/* bigm start: a cluster that stays when we have gone. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/plan.h"
#include "cmd/program.h"
#include "cmd/run.h"
#include "cmd/session.h"

struct start_options {
	struct run_options run;
	struct option_list services;
	bool no_wait;
	bool dry_run, json;
};

#define RUN(member) offsetof(struct start_options, run.member)

static const struct option_spec table[] = {
	{ .name = "machines", .letter = 'n', .kind = OPTION_NUMBER,
	  .value = "N", .min = 1, .max = RUN_MOST_MACHINES,
	  .help = "how many machines (1)", .offset = RUN(machines) },
	{ .name = "procs", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = 1024, .help = "processors of a machine (local: 1)",
	  .offset = RUN(procs) },
	{ .name = "min", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = RUN_MOST_MACHINES, .help = "be content with N machines (all)",
	  .offset = RUN(min) },
	{ .name = "replace", .help = "replace machines that die",
	  .offset = RUN(replace) },
	{ .name = "idle-timeout", .kind = OPTION_DURATION, .value = "TIME",
	  .help = "end the cluster when nobody has used it for TIME (never)",
	  .offset = RUN(idle_timeout_ms) },
	{ .name = "service", .letter = 's', .kind = OPTION_LIST,
	  .value = "NAME[=TYPE][:JSON]",
	  .help = "a service, instead of one of each type; again: another",
	  .offset = offsetof(struct start_options, services) },
	{ .name = "system", .kind = OPTION_TEXT, .value = "SYSTEM",
	  .help = "what makes the machines (local)", .offset = RUN(system) },
	{ .name = "ship",
	  .help = "machines begin with nothing, and are sent the program",
	  .offset = RUN(ship) },
	{ .name = "name", .kind = OPTION_TEXT, .value = "NAME",
	  .help = "the name of the cluster (made up)", .offset = RUN(name) },
	{ .name = "env", .letter = 'e', .kind = OPTION_LIST,
	  .value = "K[=V]", .help = "a variable for the machines; without =V: ours",
	  .offset = RUN(env) },
	{ .name = "directory", .letter = 'C', .kind = OPTION_TEXT,
	  .value = "DIR", .completion = COMPLETE_FILE,
	  .help = "where the program runs (here)", .offset = RUN(dir) },
	{ .name = "log-dir", .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE, .help = "keep the cluster's logs there",
	  .offset = RUN(log_dir) },
	RUN_EVENTS(RUN),
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "give up after TIME (90, 1.5m, 2h)",
	  .offset = RUN(timeout_ms) },
	{ .name = "quiet", .letter = 'q',
	  .help = "say nothing of how the machines come up", .offset = RUN(quiet) },
	RUN_HTTP(RUN),
	RUN_KEEPALIVE(RUN),
	RUN_EC2(RUN)
	RUN_SSH(RUN)
	{ .name = "no-wait", .help = "do not wait for the machines to be RUNNING",
	  .offset = offsetof(struct start_options, no_wait) },
	{ .name = "dry-run",
	  .help = "EC2: show what would be launched, and whether one may",
	  .offset = offsetof(struct start_options, dry_run) },
	{ .name = "json", .letter = 'j', .help = "with --dry-run, as JSON",
	  .offset = offsetof(struct start_options, json) },
	{ 0 },
};

/* The work's own event: as many machines run as will. */
enum { EVENT_READY };

struct starting {
	struct session *session;
	const struct start_options *options;
	const struct run_order *order;
	char *bundle; /* for machines that cannot run the program; or NULL */
	struct bigm_service *services; /* ends with a NULL name; NULL: by type */
	struct bigm_machine **machines;
	int n;
	pthread_t waiter;
	bool waiting; /* there is one */
};

/* ------------------------------------------------------------------ */
/* --service                                                           */

/* Cuts NAME[=TYPE][:JSON] into the parts, which point into text. */
static int cut_service(char *text, struct bigm_service *service,
		       struct bigm_error *err)
{
	char *params = strchr(text, ':'), *type;
	AUTO_JSON cJSON *json = NULL;

	if (params != NULL) {
		*params++ = '\0';
		json = json_parse(params, strlen(params), err);
		if (json == NULL)
			return error_prefix(err, "--service %s", text);
	}
	type = strchr(text, '=');
	if (type != NULL)
		*type++ = '\0';
	if (*text == '\0' || (type != NULL && *type == '\0'))
		return bigm_error_set(err, BIGM_EINVALID,
				      "--service: write NAME, NAME=TYPE or "
				      "NAME=TYPE:JSON");
	*service = (struct bigm_service){ text, type, params };
	return 0;
}

static int cut_services(struct starting *s, struct bigm_error *err)
{
	const struct option_list *list = &s->options->services;

	if (list->n == 0)
		return 0;
	s->services = xcalloc(list->n + 1, sizeof(*s->services));
	for (size_t i = 0; i < list->n; i++) {
		char *text = xstrdup(list->items[i]);

		if (cut_service(text, &s->services[i], err) != 0) {
			free(text);
			return err->code;
		}
	}
	return 0;
}

static void release_services(struct starting *s)
{
	for (struct bigm_service *each = s->services; each && each->name; each++)
		free((char *)each->name);
	free(s->services);
}

/* ------------------------------------------------------------------ */
/* The work                                                            */

static void *wait_for_machines(void *data)
{
	struct starting *s = data;
	int running = 0;

	for (int i = 0; i < s->n; i++)
		if (bigm_machine_wait(s->machines[i], BIGM_RUNNING, -1, NULL) == 0)
			running++;
	events_post(&s->session->events, EVENT_READY, running);
	return NULL;
}

static int launch(struct session *session, struct bigm_error *err)
{
	struct starting *s = session->data;
	const struct run_options *o = &s->order->options;
	const struct cluster_order order = {
		.n = o->machines,
		.program = s->order->path,
		.bundle = s->bundle,
		.argv = s->order->argv,
		.env = s->order->env,
		.wanted_env = s->order->wanted_env,
		.dir = s->order->dir,
		.procs = o->procs,
		.services = s->services,
		.replace = o->replace,
		.all_services = s->order->argv[0] != NULL && s->services == NULL,
	};
	int rc;

	s->n = cluster_start(session->cluster, &order, &s->machines, err);
	if (s->n < 0)
		return s->n;
	if (s->options->no_wait) {
		events_post(&session->events, EVENT_READY, s->n);
		return 0;
	}
	rc = pthread_create(&s->waiter, NULL, wait_for_machines, s);
	s->waiting = rc == 0;
	return rc == 0 ? 0 : error_set_errno(err, rc, "cannot make a thread");
}

/* The reason of the first machine that did not come up. */
static void find_failure(const struct starting *s, struct bigm_error *why)
{
	for (int i = 0; i < s->n; i++)
		if (bigm_machine_error(s->machines[i], why) != 0)
			return;
	bigm_error_set(why, BIGM_EUNAVAILABLE, "no machine says why");
}

/* While the cluster is still ours: one whose name nobody learns shall not
 * stay. */
static void keep(struct session *session)
{
	session_ready(session);
	puts(cluster_info(session->cluster)->name);
	if (fflush(stdout) == 0)
		session_finish(session, 0);
	else
		session_fail(session, "standard output: %s", strerror(errno));
}

static void on_event(struct session *session, const struct event *event)
{
	const struct starting *s = session->data;
	const struct run_options *o = &s->order->options;
	struct bigm_error why = BIGM_ERROR_INIT;
	int n = event->value;

	if (n < o->machines)
		find_failure(s, &why);
	if (n < (o->min > 0 ? o->min : o->machines)) {
		session_fail(session, "%s (%d of %d machines came up)", why.text,
			     n, o->machines);
		return;
	}
	if (n < o->machines)
		command_fail(session->in, 0, "%s (going on with %d of %d machines)",
			     why.text, n, o->machines);
	keep(session);
}

static void on_signal(struct session *session, int signal)
{
	session_finish(session, STATUS_SIGNAL + signal);
}

static void stop(struct session *session)
{
}

/* When the machines are gone, or run, the waiter is through. */
static bool idle(struct session *session)
{
	struct starting *s = session->data;

	if (s->waiting)
		pthread_join(s->waiter, NULL);
	return true;
}

static int start(struct starting *s)
{
	static const struct session_work work = {
		.launch = launch,
		.event = on_event,
		.signal = on_signal,
		.stop = stop,
		.idle = idle,
		.names_the_lost = true,
	};
	struct session session = {
		.in = s->order->in,
		.options = &s->order->options,
		.work = &work,
		.data = s,
		.fd = -1,
		.print = true,
		.show = OUTPUT_SHOW_FAILURE,
		.keep = true,
		.expected = s->order->options.machines,
	};
	int status;

	s->session = &session;
	status = session_run(&session);
	free(s->machines);
	return status == STATUS_BIGM || status == STATUS_TIMEOUT ? STATUS_FAILED
								 : status;
}

static int refuse_plain(const struct run_order *order, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s is not linked with libbigm and has no services; "
			      "start the machines without it, and use `bigm exec`",
			      order->argv[0]);
}

static int check_bundle(struct starting *s, struct run_order *order,
			struct bigm_error *err)
{
	s->bundle = xstrdup(order->bundle.path);
	if (order->options.dir != NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "-C %s: what comes in a bundle runs in a "
				      "folder of its own", order->options.dir);
	return order->bundle.parts[0].driver ? 0 : refuse_plain(order, err);
}

/* A program has to serve; one that cannot is told before anything starts. */
static int check_program(struct starting *s, struct run_order *order,
			 struct bigm_error *err)
{
	AUTO_FREE char *found = NULL, *beside = NULL;
	int code = run_open_bundle(order, err);

	if (code != 0)
		return code < 0 ? code : check_bundle(s, order, err);
	if (program_find(order->argv[0], &found, err) != 0 ||
	    (run_is_local(&order->options) &&
	     program_check_machine(found, err) != 0))
		return err->code;
	order->path = realpath(found, NULL);
	if (order->path == NULL)
		return error_set_errno(err, errno, "%s", found);
	beside = xasprintf("%s.bigm", order->path);
	if (access(beside, R_OK) == 0 && beside_is_ours(beside, order->path))
		s->bundle = xstrdup(beside);
	return program_is_driver(order->path) ? 0 : refuse_plain(order, err);
}

/* Of those that are for clusters which stay. */
static void add_settings(struct run_order *order)
{
	struct run_options *o = &order->options;

	o->replace = o->replace || order->settings.replace;
	if (o->idle_timeout_ms == 0)
		o->idle_timeout_ms = order->settings.idle_timeout_ms;
}

static int run(const struct invocation *in)
{
	const struct start_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct run_order order;
	struct starting s = { .options = options, .order = &order };
	int status;

	if (run_order_init(&order, in, &options->run, &err) != 0 ||
	    cut_services(&s, &err) != 0 ||
	    (order.argv[0] != NULL && check_program(&s, &order, &err) != 0)) {
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	} else if (options->json && !options->dry_run) {
		status = command_fail(in, STATUS_USAGE,
				      "--json: goes with --dry-run");
	} else if (order.argv[0] == NULL && s.services != NULL) {
		status = command_fail(in, STATUS_USAGE,
				      "--service %s: which program has it?",
				      s.services[0].name);
	} else {
		if (order.options.machines == 0)
			order.options.machines = 1;
		add_settings(&order);
		status = options->dry_run ? plan_show(&order, s.bundle, options->json)
					  : start(&s);
	}
	release_services(&s);
	free(s.bundle);
	run_order_release(&order);
	return status;
}

const struct command command_start = {
	.name = "start",
	.synopsis = "[-n N] [PROGRAM] [-- ARGUMENT...]",
	.summary = "Start a cluster in the background and print its name",
	.details =
"The machines serve every type of service that PROGRAM has, under the type's\n"
"name; without PROGRAM they can run commands (bigm exec).  They stay until\n"
"`bigm shutdown`.\n"
RUN_SYSTEMS_HELP,
	.table = table,
	.size = sizeof(struct start_options),
	.max_words = 1,
	.program = true,
	.completion = COMPLETE_PROGRAM,
	.run = run,
};
