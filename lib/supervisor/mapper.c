#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/client.h"
#include "supervisor/job_order.h"
#include "supervisor/map.h"
#include "supervisor/mapper.h"
#include "supervisor/run.h"
#include "supervisor/task.h"

#define PIECE 65536u
/* Output is given to the request in pieces of about that size: many short
 * jobs are told of in one. */
#define TELL_AT PIECE
/* While there is more to do, short jobs are told of together: MAP_UNTOLD, that
 * much output, or what has ended in this time.  A caller is woken for each
 * telling, and a processor of this host may be his. */
#define TELL_MS 2
/* With haste, it is looked again whether the caller's socket has it all. */
#define WRITTEN_MS 1
/* No job begins while so much output waits in memory for its caller. */
#define HELD_MOST (4u << 20)

/* First come, first served. */
struct tasks {
	struct task *first, **end;
	size_t n;
};

struct mapper {
	struct job_list *jobs;
	struct bigm_request *req; /* NULL once ended */
	struct job_order order;
	struct task_setting setting;
	struct tasks queued, ended; /* ended: being told of, in that order */
	struct task **running; /* by slot, from 0; NULL: free */
	size_t queued_bytes;
	size_t held, untold; /* output of those that have ended, in memory and in all */
	struct loop_timer soon; /* runs: it is told later */
	bool due;		/* that has run */
	bool prompt;		/* nothing is told later */
	size_t nrunning, slots; /* 0 slots: the first frame has not come */
	struct buffer in, out;
	struct bigm_error failure; /* code 0: none */
	bool input_over;
};

static void mapper_pump(struct mapper *mapper);

static void tasks_init(struct tasks *tasks)
{
	*tasks = (struct tasks){ .first = NULL };
	tasks->end = &tasks->first;
}

static void tasks_add(struct tasks *tasks, struct task *task)
{
	task->next = NULL;
	*tasks->end = task;
	tasks->end = &task->next;
	tasks->n++;
}

static struct task *tasks_take(struct tasks *tasks)
{
	struct task *task = tasks->first;

	if (!task)
		return NULL;
	tasks->first = task->next;
	if (!tasks->first)
		tasks->end = &tasks->first;
	tasks->n--;
	return task;
}

static void tasks_clear(struct tasks *tasks)
{
	struct task *task;

	while ((task = tasks_take(tasks)) != NULL)
		task_free(task);
}

static void mapper_end(struct mapper *mapper)
{
	loop_timer_stop(mapper->jobs->loop, &mapper->soon);
	if (mapper->failure.code)
		rpc_request_fail(mapper->req, &mapper->failure);
	else
		rpc_request_end(mapper->req);
	tasks_clear(&mapper->queued);
	tasks_clear(&mapper->ended);
	job_order_release(&mapper->order);
	free(mapper->running);
	buffer_release(&mapper->in);
	buffer_release(&mapper->out);
	free(mapper);
}

static void signal_all(struct mapper *mapper, int sig)
{
	for (size_t i = 0; i < mapper->slots; i++)
		if (mapper->running[i])
			task_signal(mapper->running[i], sig);
}

/* The call is answered when what runs is reaped. */
static void mapper_fail(struct mapper *mapper, const struct bigm_error *why)
{
	if (!mapper->failure.code)
		error_copy(&mapper->failure, why);
	signal_all(mapper, SIGKILL);
}

/* ------------------------------------------------------------------ */
/* Running                                                             */

/* It is to be told of. */
static void add_ended(struct mapper *mapper, struct task *task)
{
	tasks_add(&mapper->ended, task);
	mapper->held += task_held(task);
	mapper->untold += task_size(task);
}

static void task_ended(struct task *task, void *data)
{
	struct mapper *mapper = data;

	mapper->running[task->slot - 1] = NULL;
	mapper->nrunning--;
	add_ended(mapper, task);
	mapper_pump(mapper);
}

/* A lower one first: BIGM_SLOT is dense while there is little to do. */
static size_t free_slot(const struct mapper *mapper)
{
	size_t slot = 0;

	while (mapper->running[slot])
		slot++;
	return slot;
}

/* With haste a job begins only when what was before it cannot be lost: it may
 * be the one that takes this machine with it. */
static bool may_start(const struct mapper *mapper)
{
	if (mapper->prompt &&
	    (mapper->ended.first || mapper->out.len > 0 ||
	     !rpc_request_is_written(mapper->req)))
		return false;
	return mapper->nrunning < mapper->slots && mapper->queued.first &&
	       mapper->held < HELD_MOST;
}

static void start_tasks(struct mapper *mapper)
{
	while (may_start(mapper)) {
		struct task *task = tasks_take(&mapper->queued);
		size_t slot = free_slot(mapper);

		mapper->queued_bytes -= task->len;
		if (!task_start(task, &mapper->setting, (int)slot + 1)) {
			add_ended(mapper, task);
			continue;
		}
		mapper->running[slot] = task;
		mapper->nrunning++;
	}
}

/* ------------------------------------------------------------------ */
/* To the caller                                                       */

static void tell_now(struct loop_timer *timer)
{
	struct mapper *mapper = loop_container(timer, struct mapper, soon);

	mapper->due = true;
	mapper_pump(mapper);
}

/* Who has more to do waits for more to tell. */
static bool tells_later(struct mapper *mapper)
{
	if (mapper->due || mapper->prompt || !mapper->queued.first || mapper->out.len > 0 ||
	    mapper->ended.n >= MAP_UNTOLD || mapper->untold >= TELL_AT)
		return false;
	if (mapper->ended.first && !loop_timer_active(&mapper->soon))
		loop_timer_start(mapper->jobs->loop, &mapper->soon, TELL_MS,
				 tell_now);
	return true;
}

/* Returns 1 when the first one that has ended has been told of. */
static int tell_some(struct mapper *mapper, struct bigm_error *err)
{
	struct task *task = mapper->ended.first;
	size_t held = task_held(task), size = task_size(task);
	int rc = task_tell(task, &mapper->out, err);

	if (rc <= 0)
		return rc;
	mapper->held -= held;
	mapper->untold -= size;
	task_free(tasks_take(&mapper->ended));
	return 1;
}

static void tell(struct mapper *mapper)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	loop_timer_stop(mapper->jobs->loop, &mapper->soon);
	mapper->due = false;
	while (!mapper->failure.code) {
		int rc = 0;

		while (mapper->ended.first && mapper->out.len < TELL_AT && rc >= 0)
			rc = tell_some(mapper, &err);
		if (rc >= 0)
			rc = rpc_request_try_flush(mapper->req, &mapper->out,
						   &err);
		if (rc < 0)
			mapper_fail(mapper, &err);
		else if (rc == 0 || !mapper->ended.first)
			return;
	}
}

/* ------------------------------------------------------------------ */
/* Frames in                                                           */

static int take_order(struct mapper *mapper, const uint8_t *data, size_t len,
		      struct bigm_error *err)
{
	char *const own[] = { (char *)"BIGM_JOB", (char *)"BIGM_SLOT", NULL };
	AUTO_JSON cJSON *json = json_parse(data, len, err);
	int64_t slots = 1, timeout_ms = 0;
	char **env;

	if (!json)
		return error_prefix(err, "the first frame");
	if (json_opt_int64(json, "slots", &slots, err) < 0 ||
	    json_opt_int64(json, "timeout_ms", &timeout_ms, err) < 0)
		return err->code;
	if (slots < 1 || slots > MAP_MOST_SLOTS || timeout_ms < 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "slots %lld, timeout_ms %lld: slots have "
				      "to be from 1 to %d, and no time is below "
				      "0", (long long)slots,
				      (long long)timeout_ms, MAP_MOST_SLOTS);
	env = process_env(mapper->jobs->env, own);
	if (job_order_read(&mapper->order, json, env, mapper->jobs->binaries,
			   err) == 0) {
		mapper->slots = (size_t)slots;
		mapper->running = xcalloc(mapper->slots, sizeof(*mapper->running));
		mapper->setting.timeout_ms = (uint64_t)timeout_ms;
	}
	strings_free(env);
	return mapper->slots > 0 ? 0 : err->code;
}

static int take_job(struct mapper *mapper, const uint8_t *data, size_t len,
		    struct bigm_error *err)
{
	struct task *task;

	if (mapper->queued.n + mapper->nrunning + mapper->ended.n >=
		    MAP_MOST_JOBS ||
	    mapper->queued_bytes + len > MAP_MOST_BYTES)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "%d jobs, or %u bytes of them, are here "
				      "already", MAP_MOST_JOBS, MAP_MOST_BYTES);
	task = task_new(data, len, err);
	if (!task)
		return err->code;
	mapper->queued_bytes += len;
	tasks_add(&mapper->queued, task);
	return 0;
}

static int drop_queued(struct mapper *mapper, const uint8_t *data, size_t len,
		       struct bigm_error *err)
{
	struct task *task;

	(void)data;
	(void)len;
	(void)err;
	mapper->queued_bytes = 0;
	while ((task = tasks_take(&mapper->queued)) != NULL) {
		task->dropped = true;
		add_ended(mapper, task);
	}
	return 0;
}

static int take_signal(struct mapper *mapper, const uint8_t *data, size_t len,
		       struct bigm_error *err)
{
	int sig = run_signal(data, len, err);

	if (sig < 0)
		return sig;
	signal_all(mapper, sig);
	return 0;
}

static int take_haste(struct mapper *mapper, const uint8_t *data, size_t len,
		      struct bigm_error *err)
{
	(void)data, (void)len, (void)err;
	mapper->prompt = true;
	return 0;
}

static int take_frame(struct mapper *mapper, char kind, const uint8_t *data,
		      size_t len, struct bigm_error *err)
{
	static const struct {
		char kind;
		int (*take)(struct mapper *, const uint8_t *, size_t,
			    struct bigm_error *);
	} kinds[] = {
		{ 's', take_order }, { 'j', take_job }, { 'd', drop_queued },
		{ 'k', take_signal }, { 'p', take_haste },
	};
	bool first = mapper->slots == 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].kind == kind && first == (kind == 's'))
			return kinds[i].take(mapper, data, len, err);
	return bigm_error_set(err, BIGM_EPROTOCOL,
			      "a frame '%c' is out of place", kind);
}

static int take_frames(struct mapper *mapper, struct bigm_error *err)
{
	const uint8_t *data;
	size_t len, frame_len;
	char kind;
	int rc;

	while ((rc = map_frame_next(&mapper->in, &kind, &data, &len, &frame_len,
				    err)) > 0) {
		rc = take_frame(mapper, kind, data, len, err);
		buffer_consume(&mapper->in, frame_len);
		if (rc < 0)
			break;
	}
	return rc;
}

static void pump_input(struct mapper *mapper)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	ssize_t n = 1;

	while (n > 0 && !mapper->input_over && !mapper->failure.code) {
		uint8_t *place = buffer_reserve(&mapper->in, PIECE, &err);

		n = place ? rpc_request_try_read(mapper->req, place, PIECE, &err)
			  : BIGM_EEXHAUSTED;
		if (n == RPC_AGAIN)
			return;
		if (n > 0)
			buffer_commit(&mapper->in, (size_t)n);
		mapper->input_over = n == 0;
		if (n < 0 || take_frames(mapper, &err) < 0)
			mapper_fail(mapper, &err);
	}
	if (mapper->input_over && mapper->in.len > 0 && !mapper->failure.code) {
		bigm_error_set(&err, BIGM_EPROTOCOL,
			       "the last frame is not complete");
		mapper_fail(mapper, &err);
	}
}

/* ------------------------------------------------------------------ */

static bool is_over(const struct mapper *mapper)
{
	if (mapper->nrunning > 0)
		return false;
	return mapper->failure.code ||
	       (mapper->input_over && !mapper->queued.first &&
		!mapper->ended.first && mapper->out.len == 0);
}

/* Moves what can be moved, either way, and ends what is over. */
static void mapper_pump(struct mapper *mapper)
{
	if (bigm_request_canceled(mapper->req) && !mapper->failure.code) {
		struct bigm_error err = BIGM_ERROR_INIT;

		bigm_error_set(&err, BIGM_ECANCELED, "the call was canceled");
		mapper_fail(mapper, &err);
	}
	pump_input(mapper);
	if (mapper->held >= HELD_MOST || mapper->prompt)
		tell(mapper);
	if (!mapper->failure.code)
		start_tasks(mapper);
	if (!tells_later(mapper))
		tell(mapper);
	if (is_over(mapper))
		mapper_end(mapper);
	else if (mapper->prompt && mapper->queued.first)
		loop_timer_start(mapper->jobs->loop, &mapper->soon, WRITTEN_MS,
				 tell_now);
}

static void request_event(struct bigm_request *req, void *data)
{
	(void)req;
	mapper_pump(data);
}

void mapper_start(struct job_list *jobs, struct bigm_request *req)
{
	struct mapper *mapper = xcalloc(1, sizeof(*mapper));

	mapper->jobs = jobs;
	mapper->req = req;
	mapper->failure = (struct bigm_error)BIGM_ERROR_INIT;
	mapper->setting = (struct task_setting){
		.loop = jobs->loop, .groups = &jobs->groups,
		.order = &mapper->order, .ended = task_ended, .data = mapper,
	};
	tasks_init(&mapper->queued);
	tasks_init(&mapper->ended);
	buffer_init(&mapper->in, FRAME_HEADER + FRAME_MAX_PAYLOAD + PIECE);
	buffer_init(&mapper->out, TELL_AT + FRAME_HEADER + FRAME_MAX_PAYLOAD);
	rpc_request_defer(req);
	rpc_request_on_event(req, request_event, mapper);
	mapper_pump(mapper);
}
