#include "cmd/ranks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "cmd/input.h"
#include "cmd/rank_files.h"
#include "cmd/rank_input.h"
#include "cmd/terminal.h"
#include "machine/machine.h"
#include "supervisor/ending.h"

/* After the first failure others have this long to fail by themselves too, so
 * that of many that fail together it is always the lowest rank that counts. */
#define SETTLE_MS 100
/* How long the threads may take to be done when all machines are gone. */
#define IDLE_MS 1000
/* A longer BIGM_PEERS is left out: the kernel takes no string of an environment
 * above 128 KiB (MAX_ARG_STRLEN). */
#define MOST_PEERS 100000

/* The work's own events. */
enum {
	EVENT_OVER,   /* every rank has ended */
	EVENT_FAILED, /* some rank has, and it has settled */
	EVENT_OUTPUT, /* value: errno of stdout or stderr */
	EVENT_INPUT,  /* value: errno of stdin */
};

/* A rank and its thread. */
struct place {
	struct rank rank;
	struct ranks *all;
	char *name; /* before its lines: the machine's, "m0.1" where it has more */
	struct rank_files files; /* with ranks_order.output */
	bool absent; /* its machine does not run */
	bool ended;
	enum bigm_notice_kind notice; /* of its machine; 0: none */
	bool doomed; /* its host will be taken back, which is news */
	pthread_t thread;
};

struct ranks {
	struct session *session;
	const struct ranks_order *order;
	struct lines_file out, err;
	struct place *places;
	int n, needed;
	struct buffer peers;	     /* BIGM_PEERS */
	struct input_copies *copies; /* NULL: at most one reads */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	int threads; /* made */
	int ready;   /* whose machines run */
	int absent;  /* whose do not */
	int ended;   /* over */
	int idle;    /* whose threads are done */
	bool failing; /* a rank has failed */
	bool stop;    /* start no more */
};

/* ------------------------------------------------------------------ */
/* One rank                                                            */

static void on_copies_failed(void *data, int errnum)
{
	struct ranks *all = data;

	events_post(&all->session->events, EVENT_INPUT, errnum);
}

static void on_input_failed(struct rank *rank, int errnum)
{
	on_copies_failed(loop_container(rank, struct place, rank)->all, errnum);
}

/* Under the lock, when it is known who runs: they are numbered. */
static void number_ranks(struct ranks *all)
{
	int number = 0;

	for (int i = 0; i < all->n; i++) {
		struct rank *rank = &all->places[i].rank;

		rank->number = number;
		rank->size = all->ready;
		if (all->places[i].absent)
			continue;
		buffer_appendf(&all->peers, NULL, "%s%s", number > 0 ? "," : "",
			       bigm_machine_hostname(rank->machine));
		if (number++ == 0 && all->order->input == RANKS_INPUT_FIRST)
			rank->input_fd = STDIN_FILENO;
	}
	for (int i = 0; i < all->n && all->peers.len <= MOST_PEERS; i++)
		all->places[i].rank.peers = buffer_string(&all->peers);
}

/* Did somebody else end the rank?  On a visit that is the cluster's end. */
static void explain_cancel(struct place *place)
{
	struct ranks *all = place->all;
	bool ours;

	pthread_mutex_lock(&all->lock);
	ours = all->stop || place->rank.output_errnum != 0;
	pthread_mutex_unlock(&all->lock);
	if (!ours && all->session->attach)
		session_explain(all->session, "the cluster has been shut down");
}

/* A rank that could not be run: what is told, and the status. */
static int explain(struct place *place, const struct bigm_error *why)
{
	const struct rank *rank = &place->rank;
	struct session *s = place->all->session;
	const char *name = bigm_machine_name(rank->machine);
	bool named = strncmp(why->text, name, strlen(name)) == 0;
	bool stopped = bigm_machine_state(rank->machine) == BIGM_STOPPED;

	if (atomic_load(&s->stopping))
		return STATUS_BIGM;
	if (why->code == BIGM_ECANCELED) {
		explain_cancel(place);
		return STATUS_BIGM;
	}
	/* The session names machines that die, of a cluster of its own; none
	 * did when all are stopped because somebody else has shut it down. */
	if (!stopped || (s->attach && bigm_machine_error(rank->machine, NULL)))
		command_fail(s->in, 0, "%s%s%s", named ? "" : name,
			     named ? "" : ": ", why->text);
	else if (bigm_machine_error(rank->machine, NULL) == 0)
		session_explain(s, "the cluster has been shut down");
	return ending_status(why->code);
}

/* Blocks until the machine runs or will not, and counts it.  Why it does not is
 * told before the others stop for it, since a session that stops tells nothing
 * any more: here, or by the loop's turn that ended it. */
static void await_machine(struct place *place)
{
	struct ranks *all = place->all;
	struct bigm_error why = BIGM_ERROR_INIT;
	int code = bigm_machine_wait(place->rank.machine, BIGM_RUNNING, -1, &why);

	if (code != 0) {
		loop_barrier(all->session->loop);
		place->rank.status = explain(place, &why);
	}
	pthread_mutex_lock(&all->lock);
	place->absent = code != 0;
	all->ready += code == 0;
	all->absent += code != 0;
	if (all->n - all->absent < all->needed)
		all->stop = true;
	else if (all->ready + all->absent == all->n)
		number_ranks(all);
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

/* Blocks until it is known of each machine whether it runs; fewer than needed
 * are a failure. */
static int wait_for_all(struct ranks *all, struct bigm_error *err)
{
	bool stopped;

	pthread_mutex_lock(&all->lock);
	while (all->ready + all->absent < all->n && !all->stop)
		pthread_cond_wait(&all->changed, &all->lock);
	stopped = all->stop;
	pthread_mutex_unlock(&all->lock);
	return stopped ? bigm_error_set(err, BIGM_ECANCELED, "stopped") : 0;
}

/* Runs the program on the machine to its end. */
static int run_program(struct place *place, struct bigm_error *err)
{
	struct ranks *all = place->all;
	struct rank *rank = &place->rank;
	const char *output = all->order->output;
	int code = 0;

	if (output != NULL &&
	    rank_files_open(&place->files, rank, output, err) != 0)
		return err->code;
	pthread_mutex_lock(&all->lock);
	if (all->stop)
		code = bigm_error_set(err, BIGM_ECANCELED, "stopped");
	else
		code = rank_begin(rank, err);
	if (code == 0 && place->doomed)
		rank_signal(rank, SIGTERM);
	pthread_mutex_unlock(&all->lock);
	if (code == 0 && rank->order->terminal != NULL)
		terminal_lend(rank->order->terminal);
	if (code == 0)
		code = rank_run(rank, err);
	if (rank->order->terminal != NULL)
		terminal_take_back(rank->order->terminal);
	if (rank->output_errnum != 0)
		events_post(&all->session->events, EVENT_OUTPUT,
			    rank->output_errnum);
	pthread_mutex_lock(&all->lock);
	rank_end(rank);
	pthread_mutex_unlock(&all->lock);
	return code;
}

/* Waits until the first failure is not alone any more, or stays so. */
static void settle(struct ranks *all)
{
	int64_t deadline = wait_deadline(SETTLE_MS);

	while (all->ended < all->n && !all->stop &&
	       wait_cond(&all->changed, &all->lock, deadline) == 0)
		;
}

/* A machine that does not run is no failure when the others are enough. */
static int absent_status(struct place *place)
{
	struct ranks *all = place->all;
	bool forgiven;

	pthread_mutex_lock(&all->lock);
	forgiven = !all->order->absent_fail &&
		   all->n - all->absent >= all->needed;
	pthread_mutex_unlock(&all->lock);
	return forgiven ? 0 : place->rank.status;
}

static int place_run(struct place *place)
{
	struct ranks *all = place->all;
	struct bigm_error err = BIGM_ERROR_INIT;

	await_machine(place);
	if (place->absent)
		return absent_status(place);
	if (wait_for_all(all, &err) == 0) {
		session_ready(all->session);
		if (run_program(place, &err) == 0)
			return place->rank.status;
	}
	return explain(place, &err);
}

static void *place_main(void *data)
{
	struct place *place = data;
	struct ranks *all = place->all;
	struct events *events = &all->session->events;
	int status = place_run(place), errnum;
	bool first;

	lines_end(&place->rank.out);
	lines_end(&place->rank.err);
	errnum = rank_files_close(&place->files);
	if (errnum != 0)
		events_post(events, EVENT_OUTPUT, errnum);
	if (place->rank.input == NULL)
		rank_input_close(&place->rank);
	pthread_mutex_lock(&all->lock);
	place->rank.status = status;
	place->ended = true;
	all->ended++;
	first = status != 0 && !all->failing;
	all->failing = all->failing || first;
	pthread_cond_broadcast(&all->changed);
	if (first && !all->session->options->keep_going) {
		settle(all);
		events_post(events, EVENT_FAILED, 0);
	}
	if (++all->idle == all->n)
		events_post(events, EVENT_OVER, 0);
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* All ranks                                                           */

/* "m0"; where it has several ranks "m0.0", "m0.1" … */
static char *name_of(struct bigm_machine **machines, int n, int i)
{
	const char *name = bigm_machine_name(machines[i]);
	int before = 0;

	while (before < i && machines[i - before - 1] == machines[i])
		before++;
	if (before == 0 && (i + 1 == n || machines[i + 1] != machines[i]))
		return xstrdup(name);
	return xasprintf("%s.%d", name, before);
}

static void init_places(struct ranks *all, struct bigm_machine **machines)
{
	bool prefix = all->session->options->prefix;
	bool lent = all->order->rank.terminal != NULL;

	all->places = xcalloc((size_t)all->n, sizeof(*all->places));
	lines_file_init(&all->out, STDOUT_FILENO,
			prefix || (isatty(STDOUT_FILENO) && !lent), all->n);
	lines_file_init(&all->err, STDERR_FILENO,
			prefix || (isatty(STDERR_FILENO) && !lent), all->n);
	for (int i = 0; i < all->n; i++) {
		struct place *place = &all->places[i];
		struct rank *rank = &place->rank;
		struct bigm_notice notice;

		if (machine_notice(machines[i], &notice))
			place->notice = notice.kind;
		place->all = all;
		rank->order = &all->order->rank;
		rank->machine = machines[i];
		rank->input_fd = -1;
		rank->input_failed = on_input_failed;
		place->name = name_of(machines, all->n, i);
		lines_writer_init(&rank->out, &all->out, place->name);
		lines_writer_init(&rank->err, &all->err, place->name);
	}
}

static int give_input(struct ranks *all, struct bigm_error *err)
{
	enum ranks_input input = all->order->input;
	AUTO_FREE int *fds = NULL;

	if (all->n == 1 && input != RANKS_INPUT_NONE)
		all->places[0].rank.input_fd = STDIN_FILENO;
	if (all->n == 1 || input != RANKS_INPUT_ALL)
		return 0;
	fds = xcalloc((size_t)all->n, sizeof(*fds));
	all->copies = input_copies_start(fds, all->n, on_copies_failed, all, err);
	for (int i = 0; all->copies != NULL && i < all->n; i++)
		all->places[i].rank.input_fd = fds[i];
	return all->copies != NULL ? 0 : err->code;
}

static int launch(struct session *s, struct bigm_error *err)
{
	struct ranks *all = s->data;
	AUTO_FREE struct bigm_machine **machines = NULL;
	pthread_attr_t attr;
	int code = all->order->find(s, all->order->data, &machines, err);

	if (code < 0)
		return code;
	all->n = code;
	all->needed = all->order->needed > 0 ? all->order->needed : all->n;
	init_places(all, machines);
	if (give_input(all, err) != 0)
		return err->code;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (code = 0; code == 0 && all->threads < all->n; all->threads++) {
		struct place *place = &all->places[all->threads];

		code = pthread_create(&place->thread, &attr, place_main, place);
		if (code != 0)
			break;
	}
	pthread_attr_destroy(&attr);
	return code == 0 ? 0 : error_set_errno(err, code, "cannot make %d threads",
					       all->n);
}

/* The status of the lowest rank that has failed; 0 when none has. */
static int lowest_failure(struct ranks *all, int *number)
{
	int status = 0;

	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < all->n && status == 0; i++) {
		if (all->places[i].ended)
			status = all->places[i].rank.status;
		*number = i;
	}
	pthread_mutex_unlock(&all->lock);
	return status;
}

static void on_failed(struct session *s)
{
	struct ranks *all = s->data;
	int number = 0, status = lowest_failure(all, &number);
	bool others = false;

	if (atomic_load(&s->stopping))
		return; /* they have been told already */
	pthread_mutex_lock(&all->lock);
	others = all->ended < all->n;
	pthread_mutex_unlock(&all->lock);
	if (others && s->status < 0 && status != STATUS_BIGM)
		command_fail(s->in, 0, "%s: exit status %d; stopping the others",
			     bigm_machine_name(all->places[number].rank.machine), status);
	session_end_early(s, status, SIGTERM);
}

static void on_size(struct ranks *all)
{
	terminal_take_event(all->order->rank.terminal);
	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < all->threads; i++)
		if (all->places[i].rank.call != NULL)
			rank_resize(&all->places[i].rank);
	pthread_mutex_unlock(&all->lock);
}

static void on_event(struct session *s, const struct event *event)
{
	int number = 0;

	switch (event->kind) {
	case EVENT_OVER:
		session_finish(s, lowest_failure(s->data, &number));
		break;
	case EVENT_FAILED:
		on_failed(s);
		break;
	case EVENT_OUTPUT:
		session_output_failed(s, event->value);
		break;
	case EVENT_FD:
		on_size(s->data);
		break;
	case EVENT_INPUT:
		session_fail(s, "cannot read standard input: %s",
			     strerror(event->value));
		break;
	}
}

/* No rank begins any more; those that run get the signal, or, for 0, are ended. */
static void end_all(struct session *s, int signal)
{
	struct ranks *all = s->data;

	pthread_mutex_lock(&all->lock);
	all->stop = true;
	pthread_cond_broadcast(&all->changed);
	for (int i = 0; i < all->threads; i++) {
		struct rank *rank = &all->places[i].rank;

		if (rank->call == NULL)
			continue;
		if (signal != 0)
			rank_signal(rank, signal);
		else
			rank_cancel(rank);
	}
	pthread_mutex_unlock(&all->lock);
}

static void stop(struct session *s)
{
	end_all(s, 0);
}

/* Under the lock: a notice came for the rank's machine. */
static void take_notice(struct place *place, const struct bigm_notice *notice)
{
	place->notice = notice->kind;
	place->doomed = notice->kind == BIGM_NOTICE_INTERRUPTION;
	if (place->doomed && place->rank.call != NULL)
		rank_signal(&place->rank, SIGTERM);
}

/* A rank whose host goes is asked to end, as a container is whose node does;
 * where the host only may go, people are told, and no more.  Who begins
 * something on a machine that is draining already knows what he does. */
static void on_notice(struct session *s, int machine)
{
	struct ranks *all = s->data;
	struct bigm_notice notice;
	bool told = false;

	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < all->threads; i++) {
		struct place *place = &all->places[i];

		if (machine_index(place->rank.machine) != machine ||
		    place->ended ||
		    !machine_notice(place->rank.machine, &notice) ||
		    notice.kind <= place->notice)
			continue;
		take_notice(place, &notice);
		if (!told)
			command_fail(s->in, 0, "%s: %s%s",
				     bigm_machine_name(place->rank.machine),
				     notice.text, place->doomed
				     ? "; what runs there gets SIGTERM" : "");
		told = true;
	}
	pthread_mutex_unlock(&all->lock);
}

static bool unread(struct session *s, uint64_t ns)
{
	struct ranks *all = s->data;

	return all->n > 0 && (lines_file_is_stuck(&all->out, ns) ||
			      lines_file_is_stuck(&all->err, ns));
}

static void leave(struct session *s)
{
	struct ranks *all = s->data;

	if (all->order->rank.terminal != NULL)
		terminal_take_back(all->order->rank.terminal);
}

/* A thread may hang in a write that nobody reads. */
static bool idle(struct session *s)
{
	struct ranks *all = s->data;
	int64_t deadline = wait_deadline(IDLE_MS);
	bool idle;

	pthread_mutex_lock(&all->lock);
	while (all->idle < all->threads &&
	       wait_cond(&all->changed, &all->lock, deadline) == 0)
		;
	idle = all->idle == all->threads;
	pthread_mutex_unlock(&all->lock);
	for (int i = 0; idle && i < all->threads; i++) {
		pthread_join(all->places[i].thread, NULL);
		idle = rank_release(&all->places[i].rank);
	}
	return idle && input_copies_free(all->copies);
}

int ranks_run(struct session *session, const struct ranks_order *order)
{
	static const struct session_work work = {
		.launch = launch,
		.event = on_event,
		.signal = end_all,
		.stop = stop,
		.notice = on_notice,
		.unread = unread,
		.leave = leave,
		.idle = idle,
	};
	struct ranks all = {
		.session = session,
		.order = order,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int status;

	wait_cond_init(&all.changed);
	buffer_init(&all.peers, UINT32_MAX);
	session->work = &work;
	session->data = &all;
	session->fd = order->rank.terminal != NULL ? order->rank.terminal->fd : -1;
	status = session_run(session);
	for (int i = 0; i < all.n; i++) {
		lines_writer_release(&all.places[i].rank.out);
		lines_writer_release(&all.places[i].rank.err);
		free(all.places[i].name);
	}
	if (all.n > 0) {
		lines_file_release(&all.out);
		lines_file_release(&all.err);
	}
	buffer_release(&all.peers);
	free(all.places);
	return status;
}
