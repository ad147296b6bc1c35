/* bigm run JOB: a plain program runs on every machine, as a rank of a job. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/lines.h"
#include "cmd/run.h"
#include "cmd/session.h"
#include "machine/machine.h"
#include "supervisor/run.h"

/* After the first failure others have this long to fail by themselves too, so
 * that of many that fail together it is always the lowest rank that counts. */
#define SETTLE_NS (200 * 1000000)
/* How long the threads may take to be done when all machines are gone. */
#define IDLE_NS (500 * 1000000)

#define READ_SIZE 65536u

/* The work's own events. */
enum {
	EVENT_OVER,   /* every rank has ended */
	EVENT_FAILED, /* some rank has, and it has settled */
	EVENT_OUTPUT, /* value: errno of stdout or stderr */
};

struct rank {
	struct ranks *all;
	int number;
	struct bigm_machine *machine;
	struct bigm_call *call; /* while it runs; under the lock */
	bool ended;
	int status; /* once it has ended */
	struct lines_writer out, err;
	pthread_t thread;
};

struct ranks {
	struct session *session;
	char **argv;
	char *dir; /* where we are, and they shall be */
	struct lines_file out, err;
	struct rank *rank;
	int n;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	int threads; /* made */
	int ready;   /* whose machines run */
	int ended;   /* over */
	int idle;    /* whose threads are done */
	bool failing; /* a rank has failed */
	bool stop;    /* start no more */
};

/* ------------------------------------------------------------------ */
/* One rank                                                            */

/* What Supervisor.Run wants to know first. */
static int append_spec(const struct rank *rank, struct buffer *out,
		       struct bigm_error *err)
{
	const struct ranks *all = rank->all;
	AUTO_FREE char *number = xasprintf("BIGM_RANK=%d", rank->number);
	AUTO_FREE char *size = xasprintf("BIGM_SIZE=%d", all->n);
	AUTO_FREE char *machine = xasprintf("BIGM_MACHINE=%s",
					    bigm_machine_name(rank->machine));
	const char *const env[] = { number, size, machine, NULL };
	AUTO_JSON cJSON *spec = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	cJSON_AddItemToObject(spec, "argv",
			      json_strings((const char *const *)all->argv));
	cJSON_AddItemToObject(spec, "env", json_strings(env));
	cJSON_AddStringToObject(spec, "dir", all->dir);
	cJSON_AddBoolToObject(spec, "stdin", false);
	text = json_print(spec);
	return run_frame_append(out, 's', text, strlen(text), err);
}

/* How it ended, as a shell says it. */
static int read_end(struct rank *rank, const void *bytes, size_t len,
		    struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(bytes, len, err);
	int64_t status = 0, signal = 0;
	const char *why = NULL, *code = "FAILED";

	if (json == NULL || json_opt_int64(json, "status", &status, err) != 0 ||
	    json_opt_int64(json, "signal", &signal, err) != 0 ||
	    json_opt_string(json, "failed", &why, err) != 0 ||
	    json_opt_string(json, "code", &code, err) != 0)
		return err->code;
	if (why != NULL)
		return bigm_error_set(err, error_code_from_name(code), "%s", why);
	rank->status = signal != 0 ? STATUS_SIGNAL + (int)(signal & 127)
				   : (int)(status & 255);
	return 0;
}

/* Writes one piece of output; 1 at the end. */
static int take_frame(struct rank *rank, char kind, const void *bytes,
		      size_t len, struct bigm_error *err)
{
	int errnum = 0;

	switch (kind) {
	case 'o':
		errnum = lines_write(&rank->out, bytes, len);
		break;
	case 'e':
		errnum = lines_write(&rank->err, bytes, len);
		break;
	case 'x':
		return read_end(rank, bytes, len, err) == 0 ? 1 : err->code;
	default:
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the machine sent a frame of kind %d, "
				      "which is none", kind);
	}
	if (errnum != 0)
		events_post(&rank->all->session->events, EVENT_OUTPUT, errnum);
	return errnum == 0 ? 0 : bigm_error_set(err, BIGM_ECANCELED, "stopped");
}

static int copy_output(struct rank *rank, struct bigm_call *call,
		       struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(RUN_MAX_PAYLOAD + 2 * READ_SIZE);
	int code = 0;

	while (code == 0) {
		const uint8_t *payload;
		size_t len, frame_len;
		char kind;

		code = run_frame_next(&in, &kind, &payload, &len, &frame_len, err);
		if (code == 1) {
			code = take_frame(rank, kind, payload, len, err);
			buffer_consume(&in, frame_len);
			continue;
		}
		if (code < 0)
			break;
		uint8_t *room = buffer_reserve(&in, READ_SIZE, err);
		ssize_t n = room == NULL ? err->code
			: bigm_call_read(call, room, READ_SIZE, err);

		if (n > 0)
			buffer_commit(&in, (size_t)n);
		else
			code = n < 0 ? (int)n
				: bigm_error_set(err, BIGM_EPROTOCOL,
						 "its output ended before it did");
	}
	buffer_release(&in);
	return code < 0 ? code : 0;
}

/* Runs the program on the machine to its end. */
static int run_program(struct rank *rank, struct bigm_error *err)
{
	struct ranks *all = rank->all;
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = true,
		.stream_reply = true,
	};
	struct buffer spec = BUFFER_INIT(RUN_MAX_PAYLOAD + 16);
	struct bigm_call *call = NULL;
	int code = append_spec(rank, &spec, err);

	pthread_mutex_lock(&all->lock);
	if (code == 0 && all->stop)
		code = bigm_error_set(err, BIGM_ECANCELED, "stopped");
	if (code == 0)
		call = rank->call = bigm_call_start(
			rank->machine, "Supervisor.Run", NULL, &options);
	pthread_mutex_unlock(&all->lock);
	if (code == 0)
		code = bigm_call_write(call, buffer_data(&spec), spec.len, err);
	if (code == 0)
		code = copy_output(rank, call, err);
	buffer_release(&spec);
	pthread_mutex_lock(&all->lock);
	rank->call = NULL;
	pthread_mutex_unlock(&all->lock);
	bigm_call_free(call);
	return code;
}

/* No rank starts before all machines run: fewer than asked for is a failure. */
static int wait_for_all(struct rank *rank, struct bigm_error *err)
{
	struct ranks *all = rank->all;
	int code = bigm_machine_wait(rank->machine, BIGM_RUNNING, -1, err);

	pthread_mutex_lock(&all->lock);
	if (code == 0)
		all->ready++;
	else
		all->stop = true;
	pthread_cond_broadcast(&all->changed);
	while (code == 0 && all->ready < all->n && !all->stop)
		pthread_cond_wait(&all->changed, &all->lock);
	if (code == 0 && all->ready < all->n)
		code = bigm_error_set(err, BIGM_ECANCELED, "stopped");
	pthread_mutex_unlock(&all->lock);
	return code;
}

/* A rank that could not be run: what is told, and the status. */
static int explain(struct rank *rank, const struct bigm_error *why)
{
	struct session *s = rank->all->session;
	const char *name = bigm_machine_name(rank->machine);
	bool named = strncmp(why->text, name, strlen(name)) == 0;
	bool stopped = bigm_machine_state(rank->machine) == BIGM_STOPPED;

	if (why->code == BIGM_ECANCELED || atomic_load(&s->stopping))
		return STATUS_BIGM;
	/* The session names machines that die; none did when all are stopped
	 * because somebody else has shut the cluster down. */
	if (!stopped)
		command_fail(s->in, 0, "%s%s%s", named ? "" : name,
			     named ? "" : ": ", why->text);
	else if (bigm_machine_error(rank->machine, NULL) == 0)
		session_explain(s, "the cluster has been shut down");
	if (why->code == BIGM_ENOTFOUND)
		return STATUS_NOT_FOUND;
	return why->code == BIGM_EPERMISSION ? STATUS_NOT_EXECUTABLE
					     : STATUS_BIGM;
}

/* For pthread_cond_clockwait(); less than a second. */
static struct timespec from_now(long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return until;
}

/* Waits until the first failure is not alone any more, or stays so. */
static void settle(struct ranks *all)
{
	struct timespec until = from_now(SETTLE_NS);

	while (all->ended < all->n && !all->stop &&
	       pthread_cond_clockwait(&all->changed, &all->lock, CLOCK_MONOTONIC,
				      &until) == 0)
		;
}

static void *rank_main(void *data)
{
	struct rank *rank = data;
	struct ranks *all = rank->all;
	struct events *events = &all->session->events;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool first;

	if (wait_for_all(rank, &err) != 0 || run_program(rank, &err) != 0)
		rank->status = explain(rank, &err);
	lines_end(&rank->out);
	lines_end(&rank->err);
	pthread_mutex_lock(&all->lock);
	rank->ended = true;
	all->ended++;
	first = rank->status != 0 && !all->failing;
	all->failing = all->failing || first;
	pthread_cond_broadcast(&all->changed);
	if (first) {
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

static int launch(struct session *s, struct bigm_error *err)
{
	struct ranks *all = s->data;
	const struct cluster_order order = { .n = all->n,
					     .dir = all->dir,
					     .procs = s->options->procs };
	AUTO_FREE struct bigm_machine **machines = NULL;
	pthread_attr_t attr;
	int code = cluster_start(s->cluster, &order, &machines, err);

	if (code < 0)
		return code;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (int i = 0; i < all->n; i++) {
		struct rank *rank = &all->rank[i];

		*rank = (struct rank){ .all = all, .number = i,
				       .machine = machines[i] };
		lines_writer_init(&rank->out, &all->out,
				  bigm_machine_name(machines[i]));
		lines_writer_init(&rank->err, &all->err,
				  bigm_machine_name(machines[i]));
	}
	for (code = 0; code == 0 && all->threads < all->n; all->threads++) {
		code = pthread_create(&all->rank[all->threads].thread, &attr,
				      rank_main, &all->rank[all->threads]);
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
		if (all->rank[i].ended)
			status = all->rank[i].status;
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

	pthread_mutex_lock(&all->lock);
	others = all->ended < all->n;
	pthread_mutex_unlock(&all->lock);
	if (others && s->status < 0 && status != STATUS_BIGM)
		command_fail(s->in, 0, "%s: exit status %d; stopping the others",
			     bigm_machine_name(all->rank[number].machine), status);
	session_end_early(s, status, SIGTERM);
}

static void on_output_failed(struct session *s, int errnum)
{
	/* As if we had not been told to ignore the signal. */
	if (errnum == EPIPE)
		session_end_early(s, STATUS_SIGNAL + SIGPIPE, SIGPIPE);
	else
		session_fail(s, "cannot write the output: %s", strerror(errnum));
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
		on_output_failed(s, event->value);
		break;
	}
}

static void signal_all(struct session *s, int signal)
{
	struct ranks *all = s->data;
	struct buffer frame = BUFFER_INIT(64);
	char text[16];

	snprintf(text, sizeof(text), "%d", signal);
	run_frame_append(&frame, 'k', text, strlen(text), NULL);
	pthread_mutex_lock(&all->lock);
	all->stop = true;
	pthread_cond_broadcast(&all->changed);
	for (int i = 0; i < all->threads; i++) {
		if (all->rank[i].call != NULL)
			bigm_call_write(all->rank[i].call, buffer_data(&frame),
					frame.len, NULL);
	}
	pthread_mutex_unlock(&all->lock);
	buffer_release(&frame);
}

static void stop(struct session *s)
{
	struct ranks *all = s->data;

	pthread_mutex_lock(&all->lock);
	all->stop = true;
	pthread_cond_broadcast(&all->changed);
	for (int i = 0; i < all->threads; i++) {
		if (all->rank[i].call != NULL)
			bigm_call_cancel(all->rank[i].call);
	}
	pthread_mutex_unlock(&all->lock);
}

/* A thread may hang in a write that nobody reads. */
static bool idle(struct session *s)
{
	struct ranks *all = s->data;
	struct timespec until = from_now(IDLE_NS);
	bool idle;

	pthread_mutex_lock(&all->lock);
	while (all->idle < all->threads &&
	       pthread_cond_clockwait(&all->changed, &all->lock, CLOCK_MONOTONIC,
				      &until) == 0)
		;
	idle = all->idle == all->threads;
	pthread_mutex_unlock(&all->lock);
	for (int i = 0; idle && i < all->threads; i++)
		pthread_join(all->rank[i].thread, NULL);
	return idle;
}

int run_ranks(const struct run_order *order)
{
	static const struct session_work work = {
		.launch = launch,
		.event = on_event,
		.signal = signal_all,
		.stop = stop,
		.idle = idle,
	};
	const struct run_options *options = &order->options;
	AUTO_FREE char *dir = getcwd(NULL, 0);
	struct ranks all = {
		.argv = order->argv,
		.dir = dir,
		.n = options->machines > 0 ? options->machines : 1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	struct session session = {
		.in = order->in,
		.options = options,
		.work = &work,
		.data = &all,
		.fd = -1,
		.print = order->in->verbose,
	};
	int status;

	if (dir == NULL)
		return command_fail(order->in, STATUS_BIGM,
				    "the working folder: %s", strerror(errno));
	all.session = &session;
	all.rank = xcalloc((size_t)all.n, sizeof(*all.rank));
	lines_file_init(&all.out, STDOUT_FILENO,
			options->prefix || isatty(STDOUT_FILENO), all.n);
	lines_file_init(&all.err, STDERR_FILENO,
			options->prefix || isatty(STDERR_FILENO), all.n);
	status = session_run(&session);
	for (int i = 0; i < all.threads; i++) {
		lines_writer_release(&all.rank[i].out);
		lines_writer_release(&all.rank[i].err);
	}
	lines_file_release(&all.out);
	lines_file_release(&all.err);
	free(all.rank);
	return status;
}
