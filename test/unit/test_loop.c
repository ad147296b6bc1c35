#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct loop *loop;

static int setup(void **state)
{
	loop = loop_new(NULL);
	return loop ? 0 : -1;
}

static int setup_thread(void **state)
{
	return setup(state) || loop_start_thread(loop, "test", NULL);
}

static int teardown(void **state)
{
	loop_free(loop);
	return 0;
}

/* ------------------------------------------------------------------ */

/* What happened, one letter for each event. */
static char trace[1000];

static void note(char event)
{
	size_t len = strlen(trace);

	assert_true(len + 1 < sizeof(trace));
	trace[len] = event;
	trace[len + 1] = '\0';
}

struct event {
	struct loop_task task;
	char letter;
	struct event *defers;
	struct event *posts;
};

static void on_event(struct loop_task *task)
{
	struct event *event = loop_container(task, struct event, task);

	note(event->letter);
	if (event->defers)
		loop_defer(loop, &event->defers->task);
	if (event->posts)
		loop_post(loop, &event->posts->task);
}

#define EVENT(letter_, ...) \
	{ .task.fn = on_event, .letter = (letter_), __VA_ARGS__ }

static int setup_trace(void **state)
{
	trace[0] = '\0';
	return setup(state);
}

static void test_tasks_run_in_order_of_posting(void **state)
{
	struct event events[26];

	for (int i = 0; i < 26; i++) {
		events[i] = (struct event)EVENT((char)('a' + i));
		loop_post(loop, &events[i].task);
	}
	loop_stop(loop);
	loop_run(loop);
	assert_string_equal(trace, "abcdefghijklmnopqrstuvwxyz");
}

static void test_a_queued_task_is_queued_once(void **state)
{
	struct event a = EVENT('a'), b = EVENT('b');

	loop_post(loop, &a.task);
	loop_post(loop, &b.task);
	loop_post(loop, &a.task);
	loop_stop(loop);
	loop_run(loop);
	assert_string_equal(trace, "ab");
	loop_post(loop, &a.task);
	loop_stop(loop);
	loop_run(loop);
	assert_string_equal(trace, "aba");
}

static void test_deferred_tasks_come_after_posted_ones(void **state)
{
	struct event d = EVENT('d'), c = EVENT('c', .defers = &d);
	struct event a = EVENT('a', .defers = &c), b = EVENT('b', .defers = &c);

	loop_post(loop, &a.task);
	loop_post(loop, &b.task);
	loop_stop(loop);
	loop_run(loop);
	assert_string_equal(trace, "abcd");
}

/* Input and a post of the same turn are answered by one deferred task, before
 * the loop sleeps. */
static uv_poll_t pipe_poll;
static struct event flush = EVENT('F');

static void on_pipe_readable(uv_poll_t *poll, int status, int events)
{
	char byte;
	int fd;

	uv_fileno((uv_handle_t *)poll, &fd);
	assert_int_equal(read(fd, &byte, 1), 1);
	note(byte);
	loop_defer(loop, &flush.task);
	if (byte == 'z') {
		uv_close((uv_handle_t *)poll, NULL);
		loop_stop(loop);
	}
}

static void test_the_output_of_a_turn_is_flushed_once(void **state)
{
	struct event p = EVENT('p', .defers = &flush);
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	uv_poll_init(loop_uv(loop), &pipe_poll, fds[0]);
	uv_poll_start(&pipe_poll, UV_READABLE, on_pipe_readable);
	/* One byte a turn: "x", then "z"; p is posted before the first. */
	assert_int_equal(write(fds[1], "xz", 2), 2);
	loop_post(loop, &p.task);
	loop_run(loop);
	assert_string_equal(trace, "pFxFzF");
	close(fds[0]);
	close(fds[1]);
}

/* Tasks that queue themselves again must not keep I/O from its turn. */
static bool input_seen(void)
{
	return strchr(trace, 'z') != NULL;
}

static void on_again(struct loop_task *task)
{
	if (!input_seen())
		loop_post(loop, task);
}

static void on_again_deferred(struct loop_task *task)
{
	if (!input_seen())
		loop_defer(loop, task);
}

static void test_busy_tasks_do_not_starve_input(void **state)
{
	struct loop_task again = { .fn = on_again };
	struct loop_task deferred = { .fn = on_again_deferred };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	uv_poll_init(loop_uv(loop), &pipe_poll, fds[0]);
	uv_poll_start(&pipe_poll, UV_READABLE, on_pipe_readable);
	assert_int_equal(write(fds[1], "z", 1), 1);
	loop_post(loop, &again);
	loop_defer(loop, &deferred);
	loop_run(loop);
	close(fds[0]);
	close(fds[1]);
}

/* ------------------------------------------------------------------ */

#define POSTERS 4
#define POSTS 20000

struct counted {
	struct loop_task task;
	int poster;
	int number;
};

static atomic_int handled;
static int next_number[POSTERS];
static bool in_order = true;

static void on_counted(struct loop_task *task)
{
	struct counted *c = loop_container(task, struct counted, task);

	if (!loop_on_thread(loop) || c->number != next_number[c->poster]++)
		in_order = false;
	free(c);
	atomic_fetch_add(&handled, 1);
}

static void *post_many(void *data)
{
	for (int i = 0; i < POSTS; i++) {
		struct counted *c = calloc(1, sizeof(*c));

		c->task.fn = on_counted;
		c->poster = *(int *)data;
		c->number = i;
		loop_post(loop, &c->task);
		if (i % 1000 == 0)
			usleep(100); /* lets the loop fall asleep */
	}
	return NULL;
}

static void test_many_threads_post(void **state)
{
	pthread_t threads[POSTERS];
	int numbers[POSTERS];

	for (int i = 0; i < POSTERS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, post_many, &numbers[i]);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	loop_stop(loop);
	loop_free(loop);
	loop = NULL;
	assert_true(in_order);
	assert_int_equal(handled, POSTERS * POSTS);
}

static void count_call(void *data)
{
	++*(int *)data;
	assert_true(loop_on_thread(loop));
}

static void call_inside(void *data)
{
	loop_call(loop, count_call, data);
}

/* Each call finds the loop asleep: a lost wake-up would hang here. */
static void test_calls_are_waited_for(void **state)
{
	int n = 0;

	assert_false(loop_on_thread(loop));
	for (int i = 0; i < 5000; i++)
		loop_call(loop, count_call, &n);
	assert_int_equal(n, 5000);
	loop_call(loop, call_inside, &n);
	assert_int_equal(n, 5001);
}

static void increment(void *data)
{
	++*(int *)data;
}

static void test_a_loop_that_does_not_run_is_called_directly(void **state)
{
	int n = 0;

	loop_call(loop, increment, &n);
	assert_int_equal(n, 1);
	assert_int_equal(loop_start_thread(loop, "test", NULL), 0);
	loop_call(loop, increment, &n);
	loop_stop(loop);
	loop_free(loop);
	loop = NULL;
	assert_int_equal(n, 2);
}

/* Whether a call comes before or after the end, it comes back. */
static void *call_until_told(void *data)
{
	int n = 0;

	while (!atomic_load((atomic_bool *)data))
		loop_call(loop, increment, &n);
	return NULL;
}

static void test_calls_come_back_while_the_loop_ends(void **state)
{
	for (int i = 0; i < 100; i++) {
		atomic_bool enough = false;
		pthread_t thread;

		setup_thread(state);
		pthread_create(&thread, NULL, call_until_told, &enough);
		usleep(100);
		loop_stop(loop);
		atomic_store(&enough, true);
		pthread_join(thread, NULL);
		loop_free(loop);
	}
	loop = NULL;
}

static void test_the_last_turn_s_posts_run_before_the_end(void **state)
{
	struct event d = EVENT('d'), c = EVENT('c', .posts = &d);
	struct event b = EVENT('b', .posts = &c);

	loop_stop(loop);
	loop_post(loop, &b.task);
	loop_run(loop);
	assert_string_equal(trace, "bcd");
}

static void test_what_is_posted_after_the_end_runs_in_free(void **state)
{
	struct event a = EVENT('a'), b = EVENT('b', .posts = &a);

	trace[0] = '\0';
	loop_stop(loop);
	loop_run(loop);
	loop_post(loop, &b.task);
	assert_string_equal(trace, "");
	loop_free(loop);
	loop = NULL;
	assert_string_equal(trace, "ba");
}

static void read_mask(void *data)
{
	pthread_sigmask(SIG_SETMASK, NULL, data);
}

static void test_the_thread_takes_no_signals(void **state)
{
	sigset_t inside, outside;

	loop_call(loop, read_mask, &inside);
	assert_int_equal(sigismember(&inside, SIGINT), 1);
	assert_int_equal(sigismember(&inside, SIGCHLD), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &outside);
	assert_int_equal(sigismember(&outside, SIGINT), 0);
}

/* ------------------------------------------------------------------ */

struct timed {
	struct loop_timer timer;
	uint64_t delay_ms;
	uint64_t fired_ns;
};

static int timers_left;
static uint64_t begun_ns;

static void on_timed(struct loop_timer *timer)
{
	struct timed *t = loop_container(timer, struct timed, timer);

	assert_false(loop_timer_active(timer));
	t->fired_ns = loop_now_ns();
	if (--timers_left == 0)
		loop_stop(loop);
}

static void test_timers_fire_once_each_and_not_early(void **state)
{
	static struct timed timers[2000];

	begun_ns = loop_now_ns();
	timers_left = COUNT(timers);
	memset(timers, 0, sizeof(timers));
	for (size_t i = 0; i < COUNT(timers); i++) {
		timers[i].delay_ms = i * 7 % 40;
		loop_timer_start(loop, &timers[i].timer, timers[i].delay_ms,
				 on_timed);
		assert_true(loop_timer_active(&timers[i].timer));
	}
	loop_run(loop);
	for (size_t i = 0; i < COUNT(timers); i++)
		/* libuv's clock has whole milliseconds. */
		assert_true(timers[i].fired_ns - begun_ns + 1000000 >=
			    timers[i].delay_ms * 1000000);
}

static void on_never(struct loop_timer *timer)
{
	fail_msg("a stopped timer fired");
}

static void on_last(struct loop_timer *timer)
{
	loop_stop(loop);
}

/* The memory of a stopped timer is gone at once: ASan and valgrind watch. */
static void test_a_stopped_timer_is_free_at_once(void **state)
{
	struct loop_timer last = { 0 };
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	struct loop_timer *other = calloc(1, sizeof(*other));

	loop_timer_start(loop, timer, 1, on_never);
	loop_timer_start(loop, other, 1, on_never);
	loop_timer_stop(loop, timer);
	loop_timer_stop(loop, other);
	free(timer);
	free(other);

	for (int round = 0; round < 100; round++) {
		timer = calloc(1, sizeof(*timer));
		loop_timer_start(loop, timer, 1, on_never);
		loop_timer_stop(loop, timer);
		loop_timer_stop(loop, timer);
		assert_false(loop_timer_active(timer));
		free(timer);
	}
	loop_timer_start(loop, &last, 5, on_never);
	loop_timer_start(loop, &last, 10, on_last); /* instead */
	loop_run(loop);
}

static void on_free_self(struct loop_timer *timer)
{
	free(timer);
	loop_stop(loop);
}

static void test_a_timer_may_free_itself(void **state)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	loop_timer_start(loop, timer, 0, on_free_self);
	loop_run(loop);
}

static void test_free_stops_timers(void **state)
{
	struct loop_timer timer = { 0 };

	loop_timer_start(loop, &timer, 1000000, on_never);
	loop_free(loop);
	loop = NULL;
	assert_false(loop_timer_active(&timer));
}

/* ------------------------------------------------------------------ */

/* An owner that is closed late, and whose memory goes in a deferred task. */
struct owner {
	uv_timer_t handle;
	struct loop_task task;
};

static void on_owner_task(struct loop_task *task)
{
	note('f');
	free(loop_container(task, struct owner, task));
}

static void on_owner_closed(uv_handle_t *handle)
{
	struct owner *owner = handle->data;

	note('c');
	owner->task.fn = on_owner_task;
	loop_defer(loop, &owner->task);
}

static void on_owner_posted(struct loop_task *task)
{
	struct owner *owner = loop_container(task, struct owner, task);

	note('p');
	uv_close((uv_handle_t *)&owner->handle, on_owner_closed);
}

static void test_free_lets_owners_close(void **state)
{
	struct owner *owner = calloc(1, sizeof(*owner));

	uv_timer_init(loop_uv(loop), &owner->handle);
	owner->handle.data = owner;
	owner->task.fn = on_owner_posted;
	loop_post(loop, &owner->task);
	loop_free(loop);
	loop = NULL;
	assert_string_equal(trace, "pcf");
}

static char reported[200];

static void remember(enum log_level level, const char *line, void *data)
{
	snprintf(reported, sizeof(reported), "%s", line);
}

static void test_a_handle_left_open_is_reported(void **state)
{
	static struct loop *kept; /* what leaks by design stays reachable */
	static uv_timer_t forgotten;

	kept = loop;
	uv_timer_init(loop_uv(loop), &forgotten);
	log_set_sink(remember, NULL);
	loop_free(loop);
	loop = NULL;
	log_set_sink(NULL, NULL);
	assert_non_null(kept);
	assert_non_null(strstr(reported, "timer is still open"));
}

int main(void)
{
#define IN_MAIN(test) \
	cmocka_unit_test_setup_teardown(test, setup_trace, teardown)
#define IN_THREAD(test) \
	cmocka_unit_test_setup_teardown(test, setup_thread, teardown)
	const struct CMUnitTest tests[] = {
		IN_MAIN(test_tasks_run_in_order_of_posting),
		IN_MAIN(test_a_queued_task_is_queued_once),
		IN_MAIN(test_deferred_tasks_come_after_posted_ones),
		IN_MAIN(test_the_output_of_a_turn_is_flushed_once),
		IN_MAIN(test_busy_tasks_do_not_starve_input),
		IN_THREAD(test_many_threads_post),
		IN_THREAD(test_calls_are_waited_for),
		IN_MAIN(test_a_loop_that_does_not_run_is_called_directly),
		cmocka_unit_test(test_calls_come_back_while_the_loop_ends),
		IN_MAIN(test_the_last_turn_s_posts_run_before_the_end),
		IN_MAIN(test_what_is_posted_after_the_end_runs_in_free),
		IN_THREAD(test_the_thread_takes_no_signals),
		IN_MAIN(test_timers_fire_once_each_and_not_early),
		IN_MAIN(test_a_stopped_timer_is_free_at_once),
		IN_MAIN(test_a_timer_may_free_itself),
		IN_MAIN(test_free_stops_timers),
		IN_MAIN(test_free_lets_owners_close),
		IN_MAIN(test_a_handle_left_open_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
