#include "cmd/map_work.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "machine/machine.h"

/* What an ended map may take for its last threads. */
#define IDLE_MS 1000

enum { EVENT_OVER, EVENT_CREW };

static void on_over(void *data)
{
	struct mapping *m = data;

	events_post(&m->session.events, EVENT_OVER, 0);
}

static int on_result(const struct map_result *result, void *data,
		     struct bigm_error *err)
{
	struct mapping *m = data;

	return map_output_result(&m->output, result, err);
}

/* Of a cluster of our own the session names those that died. */
static void on_lost(struct bigm_machine *machine, const struct bigm_error *why,
		    void *data)
{
	struct mapping *m = data;
	const char *name = bigm_machine_name(machine);

	if ((!m->session.attach &&
	     bigm_machine_state(machine) == BIGM_STOPPED) ||
	    machine_has_left(machine))
		return;
	map_bar_wipe(&m->bar);
	command_fail(m->session.in, 0, "%s is of no more use: %s", name, why->text);
}

/* Loop thread. */
static void on_crew(void *data)
{
	struct mapping *m = data;

	events_post(&m->session.events, EVENT_CREW, 0);
}

static bool may_come(void *data)
{
	struct mapping *m = data;

	return m->session.attach &&
	       map_crew_may_come(&m->crew, m->session.cluster);
}

/* The program, for a machine that has come later than the others. */
static int prepare(struct bigm_machine *machine, void *data,
		   struct bigm_error *err)
{
	struct mapping *m = data;
	AUTO_JSON cJSON *arg = NULL;

	if (!m->session.attach || m->order.bundle.path == NULL ||
	    !map_crew_is_late(&m->crew, machine))
		return 0;
	arg = cJSON_CreateObject();
	cJSON_AddStringToObject(arg, "bundle", m->order.bundle.path);
	return cluster_call(m->session.cluster, "Ship", arg, NULL, err);
}

/* Machines of a cluster that is there may come and go. */
static void look(struct mapping *m)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	if (m->map == NULL)
		return;
	map_crew_add(&m->crew, m->session.cluster, m->map, &err);
	if (err.code != 0 && err.code != BIGM_ECANCELED)
		command_fail(m->session.in, 0, "%s", err.text);
	map_look(m->map);
}

static void on_ready(void *data)
{
	struct mapping *m = data;

	session_ready(&m->session);
	atomic_store(&m->ready, true);
}

static int launch(struct session *s, struct bigm_error *err)
{
	struct mapping *m = s->data;
	AUTO_FREE struct bigm_machine **machines = NULL;
	int n = run_find_machines(s, &m->order, &machines, err);
	const struct map_command *c = m->command;
	struct map_options options = {
		.input = m->input, .template = m->template, .journal = m->journal,
		.argv = m->argv, .env = m->env, .dir = run_job_dir(&m->order, s),
		.binary = m->order.bundle.path != NULL,
		.slots = m->slots, .attempts = c->attempts > 0 ? (unsigned)c->attempts
						       : UINT_MAX,
		.timeout_ms = c->run.timeout_ms, .halt = m->halt,
		.keep_order = c->keep_order,
		.prepare = prepare, .may_come = may_come,
		.on_ready = on_ready, .on_result = on_result,
		.on_lost = on_lost, .on_over = on_over, .data = m,
	};

	if (n < 0)
		return n;
	m->map = map_new(&options);
	for (int i = 0; i < n && err->code == 0; i++)
		map_add(m->map, machines[i], err);
	if (err->code != 0 || !m->session.attach)
		return err->code != 0 ? err->code : map_begin(m->map, err);
	map_crew_know(&m->crew, m->session.cluster);
	if (map_begin(m->map, err) == 0) {
		cluster_on_crew(m->session.cluster, on_crew, m);
		on_crew(m);
	}
	return err->code;
}

static void draw(struct mapping *m)
{
	struct map_figures figures;
	uint64_t ticks;
	ssize_t n = read(m->session.fd, &ticks, sizeof(ticks));

	(void)n;
	if (!atomic_load(&m->ready))
		return;
	map_figures(m->map, &figures);
	map_bar_draw(&m->bar, &figures);
}

static void summarise(struct mapping *m, const struct map_figures *f)
{
	double seconds = (double)(loop_now_ns() - m->bar.began_ns) / 1e9;
	uint64_t ended = f->succeeded + f->failed;
	AUTO_FREE char *before = f->before == 0 ? xstrdup("")
		: xasprintf(", %" PRIu64 " had ended before", f->before);

	if (f->all && f->failed == 0 && !m->bar.on)
		return;
	command_fail(m->session.in, 0, "%" PRIu64 " job%s in %.1f s: %" PRIu64
		     " succeeded, %" PRIu64 " failed%s%s", ended,
		     ended == 1 ? "" : "s", seconds,
		     f->succeeded, f->failed, before,
		     f->all ? "" : "; not all have run");
}

static void on_end(struct session *s)
{
	struct mapping *m = s->data;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct map_figures figures;
	int errnum = m->output.errnum;

	map_figures(m->map, &figures);
	map_bar_wipe(&m->bar);
	if (errnum != 0)
		session_output_failed(s, errnum);
	else if (map_error(m->map, &err) != 0)
		session_fail(s, "%s", err.text);
	if (errnum == 0)
		summarise(m, &figures);
	session_finish(s, figures.halted ? figures.halt_status
			  : figures.failed > 0 ? STATUS_FAILED : 0);
}

static void on_event(struct session *s, const struct event *event)
{
	if (event->kind == EVENT_OVER)
		on_end(s);
	else if (event->kind == EVENT_CREW)
		look(s->data);
	else
		draw(s->data);
}

static void on_signal(struct session *s, int signal)
{
	struct mapping *m = s->data;

	if (m->map == NULL)
		return;
	map_stop(m->map, HALT_SOON);
	map_signal(m->map, signal);
}

static void stop(struct session *s)
{
	struct mapping *m = s->data;

	if (m->map != NULL)
		map_stop(m->map, HALT_NOW);
}

static bool idle(struct session *s)
{
	struct mapping *m = s->data;

	if (m->map == NULL)
		return true;
	if (!map_join(m->map, IDLE_MS))
		return false;
	map_free(m->map);
	m->map = NULL;
	return true;
}

static void start_timer(struct mapping *m)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = MAP_BAR_MS * 1000000 },
		.it_value = { .tv_nsec = MAP_BAR_MS * 1000000 },
	};

	if (!m->bar.on)
		return;
	m->session.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->session.fd >= 0)
		timerfd_settime(m->session.fd, 0, &every, NULL);
}

int map_work_run(struct mapping *m)
{
	static const struct session_work work = {
		.launch = launch, .event = on_event, .signal = on_signal,
		.stop = stop, .idle = idle,
	};
	const struct run_options *o = &m->order.options;
	struct run_options session_options = *o;
	struct session *s = &m->session;
	int status;

	map_crew_init(&m->crew);
	m->order.for_more = true;
	session_options.timeout_ms = 0; /* it is a job's, not the session's */
	m->env = run_expand_env(&o->env);
	*s = (struct session){
		.in = s->in, .options = &session_options, .work = &work,
		.data = m, .fd = -1, .attach = o->cluster != NULL,
		.ships = m->order.bundle.path != NULL || run_may_pack(&m->order),
		.print = true, .show = OUTPUT_SHOW_FAILURE,
		.collect = { .patterns = &o->collect, .dir = "" },
		.expected = o->machines > 0 ? o->machines : 1,
	};
	map_bar_init(&m->bar, o->quiet);
	start_timer(m);
	status = session_run(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->attach)
		run_unpack(&m->order);
	map_crew_release(&m->crew);
	return status;
}

/* ---- without machines ---- */

int map_work_print(struct mapping *m, struct bigm_error *err)
{
	struct buffer argv = BUFFER_INIT(MAP_MOST_ARGV);
	const char *const *inputs;
	uint64_t number = 0;
	int code;

	while ((code = map_input_next(m->input, &inputs, err)) > 0) {
		const char *word;

		code = map_template_expand(m->template, ++number, inputs, &argv,
					   err);
		if (code != 0)
			break;
		word = (const char *)buffer_data(&argv);
		for (size_t at = 0; at < argv.len; at += strlen(word + at) + 1) {
			AUTO_FREE char *quoted = text_shell_word(word + at);

			printf("%s%s", at > 0 ? " " : "", quoted);
		}
		putchar('\n');
		buffer_consume(&argv, argv.len);
	}
	buffer_release(&argv);
	return code;
}
