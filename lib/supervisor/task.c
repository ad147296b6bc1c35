#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "supervisor/ending.h"
#include "supervisor/map.h"
#include "supervisor/task.h"

#define PIECE 65536u
/* After its time is up, and SIGTERM, a job has this long. */
#define TERMINATE_MS 500

struct task *task_new(const uint8_t *payload, size_t len,
		      struct bigm_error *err)
{
	struct task *task = xcalloc(1, sizeof(*task));

	task->failure = (struct bigm_error)BIGM_ERROR_INIT;
	task->bytes = xmalloc(len > 0 ? len : 1);
	memcpy(task->bytes, payload, len);
	task->len = len;
	if (map_job_read(task->bytes, len, &task->number, &task->argv, err) == 0)
		return task;
	task_free(task);
	return NULL;
}

void task_free(struct task *task)
{
	for (int i = 0; i < TASK_OUTPUTS; i++)
		task_stream_free(task->streams[i]);
	free(task->argv);
	free(task->bytes);
	free(task);
}

void task_signal(struct task *task, int sig)
{
	groups_signal(task->setting->groups, &task->group, sig);
}

/* ------------------------------------------------------------------ */
/* Running                                                             */

/* An output of which a part is lost is none. */
static void finish_streams(struct task *task)
{
	for (int i = 0; i < TASK_OUTPUTS; i++) {
		if (task_stream_finish(task->streams[i], &task->failure) == 0)
			continue;
		task_stream_free(task->streams[i]);
		task->streams[i] = NULL;
	}
}

static void on_ended(pid_t pid, int wait_status, void *data)
{
	struct task *task = data;

	(void)pid;
	task_signal(task, SIGKILL); /* what it left behind */
	groups_remove(task->setting->groups, &task->group);
	process_watch_free(task->watch);
	task->watch = NULL;
	loop_timer_stop(task->setting->loop, &task->limit);
	task->wait_status = wait_status;
	task->ended_ns = loop_now_ns();
	finish_streams(task);
	task->setting->ended(task, task->setting->data);
}

static void kill_late(struct loop_timer *timer)
{
	task_signal(loop_container(timer, struct task, limit), SIGKILL);
}

static void time_is_up(struct loop_timer *timer)
{
	struct task *task = loop_container(timer, struct task, limit);

	task->late = true;
	task_signal(task, SIGTERM);
	task_signal(task, SIGCONT);
	loop_timer_start(task->setting->loop, timer, TERMINATE_MS, kill_late);
}

/* The call's environment, and who the job is. */
static char **task_env(const struct task *task, char *const *env, char *own[2])
{
	size_t n = strings_count(env);
	char **all = xcalloc(n + 3, sizeof(*all));

	memcpy(all, env, n * sizeof(*all));
	own[0] = xasprintf("BIGM_JOB=%llu", (unsigned long long)task->number);
	own[1] = xasprintf("BIGM_SLOT=%d", task->slot);
	all[n++] = own[0];
	all[n] = own[1];
	return all;
}

static pid_t spawn(struct task *task, const struct job_order *common,
		   const int streams[STREAMS])
{
	struct job_order order = *common;
	char *own[2];
	pid_t pid;

	order.argv = task->argv;
	order.env = task_env(task, common->env, own);
	pid = job_order_spawn_on(&order, streams, &task->failure);
	free(order.env);
	free(own[0]);
	free(own[1]);
	return pid;
}

static pid_t spawn_with_streams(struct task *task)
{
	int ends[STREAMS] = { -1, -1, -1 };
	pid_t pid = -1;
	int i;

	for (i = 0; i < TASK_OUTPUTS; i++) {
		task->streams[i] = task_stream_new(task->setting->loop,
						   &ends[OUT + i],
						   &task->failure);
		if (!task->streams[i])
			break;
	}
	if (i == TASK_OUTPUTS)
		pid = spawn(task, task->setting->order, ends);
	for (i = OUT; i < STREAMS; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	return pid;
}

bool task_start(struct task *task, const struct task_setting *setting,
		int slot)
{
	pid_t pid;

	task->setting = setting;
	task->slot = slot;
	task->began_ns = task->ended_ns = loop_now_ns();
	pid = spawn_with_streams(task);
	if (pid < 0)
		return false;
	groups_add(task->setting->groups, &task->group, pid);
	task->watch = process_watch(task->setting->loop, pid, on_ended, task,
				    &task->failure);
	if (!task->watch) {
		task_signal(task, SIGKILL);
		waitpid(pid, NULL, 0);
		groups_remove(task->setting->groups, &task->group);
		finish_streams(task); /* what it printed comes no later */
		return false;
	}
	if (setting->timeout_ms > 0)
		loop_timer_start(setting->loop, &task->limit,
				 setting->timeout_ms, time_is_up);
	return true;
}

/* ------------------------------------------------------------------ */
/* Telling                                                             */

size_t task_size(const struct task *task)
{
	size_t size = 0;

	for (int i = 0; i < TASK_OUTPUTS; i++)
		size += task->streams[i] ? task_stream_size(task->streams[i]) : 0;
	return size;
}

size_t task_held(const struct task *task)
{
	size_t held = 0;

	for (int i = 0; i < TASK_OUTPUTS; i++)
		held += task->streams[i] ? task_stream_held(task->streams[i]) : 0;
	return held;
}

/* Returns the bytes appended, 0 at the output's end, or a code. */
static ssize_t tell_piece(struct task *task, enum task_output which,
			  struct buffer *out, struct bigm_error *err)
{
	static const char output_kinds[TASK_OUTPUTS] = { 'o', 'e' };
	uint8_t *place = buffer_reserve(out, FRAME_HEADER + PIECE, err);
	ssize_t n;

	if (!place)
		return BIGM_EEXHAUSTED;
	n = task_stream_read(task->streams[which], place + FRAME_HEADER, PIECE,
			     err);
	if (n < 0)
		return error_prefix(err, "job %llu",
				    (unsigned long long)task->number);
	if (n == 0)
		return 0;
	frame_header(place, output_kinds[which], (size_t)n);
	buffer_commit(out, FRAME_HEADER + (size_t)n);
	return n;
}

static cJSON *describe(const struct task *task)
{
	cJSON *json = cJSON_CreateObject();

	json_add_uint64(json, "job", task->number);
	if (task->dropped) {
		cJSON_AddBoolToObject(json, "dropped", true);
		return json;
	}
	cJSON_AddNumberToObject(json, "seconds",
				(double)(task->ended_ns - task->began_ns) / 1e9);
	if (task->late)
		cJSON_AddBoolToObject(json, "late", true);
	ending_describe(json, task->wait_status, &task->failure);
	return json;
}

int task_tell(struct task *task, struct buffer *out, struct bigm_error *err)
{
	AUTO_JSON cJSON *json = NULL;
	AUTO_FREE char *text = NULL;

	for (int i = 0; i < TASK_OUTPUTS; i++) {
		ssize_t n = task->streams[i] ? tell_piece(task, i, out, err) : 0;

		if (n != 0)
			return n < 0 ? (int)n : 0;
	}
	json = describe(task);
	text = json_print(json);
	return map_frame_append(out, 'x', text, strlen(text), err) < 0
		       ? err->code : 1;
}
