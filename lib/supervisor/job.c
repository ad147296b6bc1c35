#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "loop/process.h"
#include "rpc/client.h"
#include "supervisor/ending.h"
#include "supervisor/job.h"
#include "supervisor/job_order.h"
#include "supervisor/run.h"

#define PIECE 65536u
#define INPUT_MAX (RUN_HEADER + RUN_MAX_PAYLOAD)
#define GRANT (RUN_WINDOW / 8) /* told at once */
#define DRAIN_MS 500 /* for output held open by somebody outside the group */

/* Our end of one of the process's pipes. */
struct job_stream {
	uv_poll_t poll;
	struct job *job;
	int fd; /* -1: closed, or never there */
	char kind;
};

struct job {
	struct job_list *jobs;
	struct bigm_request *req; /* NULL once ended */
	struct process_watch *watch;
	struct group group;
	struct job_stream streams[STREAMS];
	struct buffer in;  /* frames from the caller */
	size_t taken;	   /* into input, of the first 'i' frame's payload */
	struct buffer input; /* what the process has not read */
	size_t granted;	   /* bytes that it has, and the caller was not told */
	struct buffer out; /* frames not yet taken by the request */
	struct loop_timer drain;
	struct bigm_error failure; /* code 0: none */
	int wait_status;
	int open_handles;
	bool started;
	bool terminal;	 /* that is what the streams are */
	bool listening;	 /* to its output */
	bool input_over; /* the caller's stream has ended */
	bool input_end;	 /* nothing comes behind input */
	bool last_frame; /* 'x' is in out, or has been */
};

static void job_pump(struct job *job);

void job_list_init(struct job_list *jobs, struct loop *loop, char *const *env,
		   struct binary_store *binaries)
{
	jobs->loop = loop;
	jobs->env = env;
	jobs->binaries = binaries;
	groups_init(&jobs->groups);
}

static void kill_group(struct job *job, int sig)
{
	groups_signal(&job->jobs->groups, &job->group, sig);
}

void job_list_kill(struct job_list *jobs)
{
	groups_kill_all(&jobs->groups);
}

static void job_free(struct job *job)
{
	buffer_release(&job->in);
	buffer_release(&job->input);
	buffer_release(&job->out);
	free(job);
}

static void free_if_over(struct job *job)
{
	if (!job->req && job->open_handles == 0)
		job_free(job);
}

static void stream_closed(uv_handle_t *handle)
{
	struct job_stream *stream = handle->data;

	stream->job->open_handles--;
	free_if_over(stream->job);
}

static void stream_close(struct job_stream *stream)
{
	if (stream->fd < 0)
		return;
	uv_close((uv_handle_t *)&stream->poll, stream_closed);
	close(stream->fd);
	stream->fd = -1;
}

/* Answers the call and lets go of it. */
static void job_end(struct job *job)
{
	struct bigm_request *req = job->req;

	loop_timer_stop(job->jobs->loop, &job->drain);
	for (int i = 0; i < STREAMS; i++)
		stream_close(&job->streams[i]);
	job->req = NULL;
	if (job->failure.code)
		rpc_request_fail(req, &job->failure);
	else
		rpc_request_end(req);
	free_if_over(job);
}

/* What cannot go on ends with the process; the call is answered when it is
 * reaped. */
static void job_fail(struct job *job, const struct bigm_error *why)
{
	if (!job->failure.code)
		error_copy(&job->failure, why);
	kill_group(job, SIGKILL);
	for (int i = 0; i < STREAMS; i++)
		stream_close(&job->streams[i]);
}

/* How it ended, or, with a code, why it never began.  The caller gets the frame
 * when the output before it has been taken. */
static void add_last_frame(struct job *job, const struct bigm_error *why)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	ending_describe(json, job->wait_status, why);
	text = json_print(json);
	if (run_frame_append(&job->out, 'x', text, strlen(text), &err) < 0)
		job_fail(job, &err);
	job->last_frame = true;
}

/* ------------------------------------------------------------------ */
/* From the process to the caller                                      */

/* Hands frames to the request.  Returns true when all are taken. */
static bool flush(struct job *job)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int code = rpc_request_try_flush(job->req, &job->out, &err);

	if (code < 0)
		job_fail(job, &err);
	return code > 0;
}

/* Reads one piece of a stream into a frame. */
static void read_piece(struct job_stream *stream)
{
	struct job *job = stream->job;
	uint8_t *place = buffer_reserve(&job->out, RUN_HEADER + PIECE, NULL);
	ssize_t n;

	if (!place)
		return;
	n = read(stream->fd, place + RUN_HEADER, PIECE);
	if (n > 0) {
		frame_header(place, stream->kind, (size_t)n);
		buffer_commit(&job->out, RUN_HEADER + (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		stream_close(stream);
	}
}

static void output_ready(uv_poll_t *poll, int status, int events)
{
	struct job_stream *stream = poll->data;

	(void)status;
	(void)events;
	if (stream->job->out.len == 0)
		read_piece(stream);
	job_pump(stream->job);
}

/* Listens to the process just when the caller takes what it says. */
static void poll_output(struct job *job, bool on)
{
	if (on == job->listening)
		return;
	job->listening = on;
	for (int i = OUT; i <= ERR; i++) {
		struct job_stream *stream = &job->streams[i];

		if (stream->fd < 0)
			continue;
		if (on)
			uv_poll_start(&stream->poll, UV_READABLE, output_ready);
		else
			uv_poll_stop(&stream->poll);
	}
}

/* ------------------------------------------------------------------ */
/* From the caller to the process                                      */

static void stdin_ready(uv_poll_t *poll, int status, int events)
{
	struct job_stream *stream = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	job_pump(stream->job);
}

/* The caller may send as many bytes again.  Where there is no room for saying
 * so, it is said later. */
static void tell_granted(struct job *job)
{
	AUTO_FREE char *text = NULL;

	if (job->granted < GRANT || job->last_frame)
		return;
	text = xasprintf("%zu", job->granted);
	if (run_frame_append(&job->out, 'w', text, strlen(text), NULL) == 0)
		job->granted = 0;
}

static void drop_input(struct job *job, size_t len)
{
	buffer_consume(&job->input, len);
	job->granted += len;
}

/* A terminal does not end with what we close: who ends there types it. */
static void end_input(struct job *job, struct job_stream *in)
{
	static const char end = '\4'; /* VEOF, unless the process changes it */

	if (job->terminal && write(in->fd, &end, 1) < 0 && errno == EAGAIN)
		uv_poll_start(&in->poll, UV_WRITABLE, stdin_ready);
	else
		stream_close(in);
}

/* Gives the process what it takes; what it does not read is not our error. */
static void feed(struct job *job)
{
	struct job_stream *in = &job->streams[IN];

	while (in->fd >= 0 && job->input.len > 0) {
		ssize_t n = write(in->fd, buffer_data(&job->input),
				  job->input.len);

		if (n >= 0) {
			drop_input(job, (size_t)n);
		} else if (errno == EAGAIN) {
			uv_poll_start(&in->poll, UV_WRITABLE, stdin_ready);
			break;
		} else if (errno != EINTR) {
			stream_close(in);
		}
	}
	if (in->fd < 0)
		drop_input(job, job->input.len);
	else if (job->input_end && job->input.len == 0)
		end_input(job, in);
	tell_granted(job);
}

/* Returns 1 when the frame is done with, 0 when there is no room for it. */
static int take_stdin(struct job *job, const uint8_t *data, size_t len,
		      struct bigm_error *err)
{
	job->input_end = job->input_end || len == 0;
	while (job->taken < len) {
		size_t n = RUN_WINDOW - job->input.len;

		if (n > len - job->taken)
			n = len - job->taken;
		if (n == 0)
			return 0;
		if (buffer_append(&job->input, data + job->taken, n, err) < 0)
			return BIGM_EEXHAUSTED;
		job->taken += n;
		feed(job);
	}
	job->taken = 0;
	return 1;
}

static int take_signal(struct job *job, const uint8_t *data, size_t len,
		       struct bigm_error *err)
{
	int sig = run_signal(data, len, err);

	if (sig < 0)
		return sig;
	kill_group(job, sig);
	return 0;
}

static int take_size(struct job *job, const uint8_t *data, size_t len,
		     struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(data, len, err);
	struct winsize size;

	if (!json || job_order_read_size(&size, json, err) < 0)
		return err->code;
	if (!job->terminal)
		return bigm_error_set(err, BIGM_EINVALID,
				      "it has no terminal that could have a size");
	if (job->streams[OUT].fd >= 0)
		ioctl(job->streams[OUT].fd, TIOCSWINSZ, &size);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The process                                                         */

/* Takes them over; one that cannot be watched is closed. */
static int watch_streams(struct job *job, const int *ours,
			 struct bigm_error *err)
{
	static const char stream_kinds[STREAMS] = { 'i', 'o', 'e' };
	int failed = 0;

	for (int i = 0; i < STREAMS; i++) {
		struct job_stream *stream = &job->streams[i];
		int rc = ours[i] < 0 ? 0 : uv_poll_init(
			loop_uv(job->jobs->loop), &stream->poll, ours[i]);

		if (rc < 0) {
			close(ours[i]);
			failed = rc;
		} else if (ours[i] >= 0) {
			stream->kind = stream_kinds[i];
			stream->job = job;
			stream->poll.data = stream;
			stream->fd = ours[i];
			job->open_handles++;
		}
	}
	return failed == 0 ? 0 : error_set_errno(err, -failed, "cannot wait "
						 "for its output");
}

/* Somebody outside the group may hold the output open for ever, and a slow
 * caller may need for ever to take it: only silence counts. */
static void drain_over(struct loop_timer *timer)
{
	struct job *job = loop_container(timer, struct job, drain);
	bool more = job->out.len > 0;

	for (int i = OUT; i <= ERR && !more; i++) {
		int bytes = 0;

		if (job->streams[i].fd >= 0 &&
		    ioctl(job->streams[i].fd, FIONREAD, &bytes) == 0)
			more = bytes > 0;
	}
	if (more) {
		loop_timer_start(job->jobs->loop, timer, DRAIN_MS, drain_over);
		return;
	}
	stream_close(&job->streams[OUT]);
	stream_close(&job->streams[ERR]);
	job_pump(job);
}

static void process_ended(pid_t pid, int wait_status, void *data)
{
	struct job *job = data;

	(void)pid;
	kill_group(job, SIGKILL); /* what it left behind */
	groups_remove(&job->jobs->groups, &job->group);
	process_watch_free(job->watch);
	job->watch = NULL;
	job->wait_status = wait_status;
	stream_close(&job->streams[IN]);
	loop_timer_start(job->jobs->loop, &job->drain, DRAIN_MS, drain_over);
	job_pump(job);
}

/* Returns what prevents the process from being; the caller of Run learns it
 * from the last frame. */
static int start_process(struct job *job, const struct job_order *order,
			 struct bigm_error *err)
{
	int ours[STREAMS];
	pid_t pid = job_order_spawn(order, ours, err);

	if (pid < 0)
		return pid;
	groups_add(&job->jobs->groups, &job->group, pid);
	job->terminal = order->terminal;
	if (watch_streams(job, ours, err) == 0)
		job->watch = process_watch(job->jobs->loop, pid, process_ended,
					   job, err);
	if (job->watch)
		return 0;
	kill_group(job, SIGKILL);
	waitpid(pid, NULL, 0);
	groups_remove(&job->jobs->groups, &job->group);
	return BIGM_EIO;
}

static int take_order(struct job *job, const uint8_t *data, size_t len,
		      struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = json_parse(data, len, err);
	struct job_order order = { 0 };
	int rc;

	if (!json)
		return error_prefix(err, "the first frame");
	rc = job_order_read(&order, json, job->jobs->env, job->jobs->binaries,
			    err);
	if (rc == 0 && start_process(job, &order, &why) < 0)
		add_last_frame(job, &why);
	job_order_release(&order);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Frames in                                                           */

/* Returns 1 when the frame is done with, 0 when it has to wait. */
static int take_frame(struct job *job, char kind, const uint8_t *data,
		      size_t len, struct bigm_error *err)
{
	if (job->started != (kind != 's') || !strchr("sikt", kind))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "a frame '%c' is out of place", kind);
	if (kind == 'i')
		return take_stdin(job, data, len, err);
	if (kind == 'k')
		return take_signal(job, data, len, err) < 0 ? -1 : 1;
	if (kind == 't')
		return take_size(job, data, len, err) < 0 ? -1 : 1;
	job->started = true;
	return take_order(job, data, len, err) < 0 ? -1 : 1;
}

/* Reads what the caller has sent; returns 1 when there is more now. */
static int read_input(struct job *job, struct bigm_error *err)
{
	size_t room = INPUT_MAX - job->in.len;
	uint8_t *place;
	ssize_t n;

	if (job->input_over)
		return 0;
	if (room > PIECE)
		room = PIECE;
	place = buffer_reserve(&job->in, room, err);
	if (!place)
		return BIGM_EEXHAUSTED;
	n = rpc_request_try_read(job->req, place, room, err);
	if (n == RPC_AGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n > 0) {
		buffer_commit(&job->in, (size_t)n);
		return 1;
	}
	job->input_over = true;
	job->input_end = true;
	if (job->in.len > 0 || !job->started)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the stream ended within a frame, or "
				      "before its first");
	return 0;
}

static void pump_input(struct job *job)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc = 1;

	while (rc > 0 && !job->failure.code) {
		const uint8_t *data;
		size_t len, frame_len;
		char kind;

		rc = run_frame_next(&job->in, &kind, &data, &len, &frame_len,
				    &err);
		if (rc == 0) {
			rc = read_input(job, &err);
		} else if (rc > 0) {
			rc = take_frame(job, kind, data, len, &err);
			if (rc > 0)
				buffer_consume(&job->in, frame_len);
		}
	}
	if (rc < 0)
		job_fail(job, &err);
}

/* ------------------------------------------------------------------ */

/* Moves what can be moved, either way, and ends what is over. */
static void job_pump(struct job *job)
{
	bool running, silent, flushed;

	if (!job->req)
		return;
	if (bigm_request_canceled(job->req) && !job->failure.code) {
		struct bigm_error err = BIGM_ERROR_INIT;

		bigm_error_set(&err, BIGM_ECANCELED, "the call was canceled");
		job_fail(job, &err);
	}
	feed(job);
	pump_input(job);
	feed(job);
	running = job->watch != NULL;
	silent = job->streams[OUT].fd < 0 && job->streams[ERR].fd < 0;
	if (job->started && !running && silent && !job->last_frame)
		add_last_frame(job, &job->failure);
	flushed = job->failure.code || flush(job);
	poll_output(job, flushed && job->started);
	if (!running && (job->failure.code || (job->last_frame && flushed)))
		job_end(job);
}

static void request_event(struct bigm_request *req, void *data)
{
	(void)req;
	job_pump(data);
}

void job_start(struct job_list *jobs, struct bigm_request *req)
{
	struct job *job = xcalloc(1, sizeof(*job));

	job->jobs = jobs;
	job->req = req;
	job->failure = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&job->in, INPUT_MAX);
	buffer_init(&job->input, RUN_WINDOW);
	buffer_init(&job->out, 2 * (RUN_HEADER + RUN_MAX_PAYLOAD));
	for (int i = 0; i < STREAMS; i++)
		job->streams[i].fd = -1;
	rpc_request_defer(req);
	rpc_request_on_event(req, request_event, job);
	job_pump(job);
}
