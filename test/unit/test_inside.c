/*
 * bigm_test.h: machines inside of this process, killed, cut off, and with calls
 * that fail by chance.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "bigm_test.h"

#define WAIT_MS 60000
#define N_FAULTS 200

/* ------------------------------------------------------------------ */
/* A service                                                           */

static atomic_int made, released; /* counters, of all machines */
static atomic_int held;		  /* methods in Hold */

struct counter {
	pthread_mutex_t lock;
	int64_t count;
};

static int init(struct bigm *b, const struct cJSON *params, void **state,
		struct bigm_error *err)
{
	struct counter *c = calloc(1, sizeof(*c));

	if (!c || (!cJSON_IsNull(params) && params &&
		   bigm_json_get_int64(params, "from", &c->count, err) < 0)) {
		free(c);
		return BIGM_EINVALID;
	}
	pthread_mutex_init(&c->lock, NULL);
	atomic_fetch_add(&made, 1);
	*state = c;
	return 0;
}

static void release(void *state)
{
	struct counter *c = state;

	atomic_fetch_add(&released, 1);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int next(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct counter *c = bigm_request_state(req);

	pthread_mutex_lock(&c->lock);
	*reply = bigm_json("%lld", (long long)++c->count);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int now(struct bigm_request *req, const struct cJSON *arg,
	       struct cJSON **reply, struct bigm_error *err)
{
	struct counter *c = bigm_request_state(req);

	pthread_mutex_lock(&c->lock);
	*reply = bigm_json("{\"count\": %lld, \"more\": \"0123456789\"}",
			   (long long)c->count);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* Until nobody waits for it any more. */
static int hold(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	atomic_fetch_add(&held, 1);
	while (!bigm_request_canceled(req))
		nanosleep(&step, NULL);
	*reply = bigm_json("\"late\"");
	atomic_fetch_sub(&held, 1);
	return 0;
}

static int stream(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	return bigm_request_write(req, "some bytes", 10, err);
}

/* Asks a peer for the reply of another method. */
static int relay(struct bigm_request *req, const struct cJSON *arg,
		 struct cJSON **reply, struct bigm_error *err)
{
	const char *address, *method;
	struct bigm_machine *peer;

	if (bigm_json_get_string(arg, "address", &address, err) < 0 ||
	    bigm_json_get_string(arg, "method", &method, err) < 0)
		return BIGM_EINVALID;
	peer = bigm_dial(bigm_request_bigm(req), address, err);
	return peer ? bigm_call(peer, method, NULL, reply, err) : err->code;
}

static const struct bigm_method methods[] = {
	{ "Next", next, 0 },
	{ "Now", now, 0 },
	{ "Hold", hold, 0 },
	{ "Stream", stream, BIGM_STREAM_REPLY },
	{ "Relay", relay, 0 },
	{ 0 },
};
static const struct bigm_service_type counter = {
	sizeof(counter), "Counter", methods, init, release,
};
static const struct bigm_service_type *const types[] = { &counter, NULL };
static const struct bigm_service services[] = {
	{ "Counter", NULL, "{\"from\": 10}" }, { 0 },
};

/* ------------------------------------------------------------------ */
/* Machines                                                            */

struct world {
	struct bigm *b;
	struct bigm_machine **m;
	struct bigm_error err;
};

static void check(struct world *w, int r)
{
	if (r < 0)
		fail_msg("%s", w->err.text);
}

static void begin(struct world *w, int n,
		  const struct bigm_test_options *options)
{
	*w = (struct world){ .err = BIGM_ERROR_INIT };
	atomic_store(&made, 0);
	atomic_store(&released, 0);
	w->b = bigm_test_new(types, options, &w->err);
	check(w, w->err.code);
	check(w, bigm_start(w->b, n, services, NULL, &w->m, &w->err));
	check(w, bigm_test_wait(w->b, n, WAIT_MS, &w->err));
}

static void end(struct world *w)
{
	free(w->m);
	bigm_free(w->b);
	assert_int_equal(atomic_load(&made), atomic_load(&released));
	assert_int_equal(atomic_load(&held), 0);
}

static int64_t call_next(struct world *w, struct bigm_machine *m)
{
	struct cJSON *reply;
	int64_t n = -1;

	check(w, bigm_call(m, "Counter.Next", NULL, &reply, &w->err));
	check(w, bigm_json_get_int64(reply, NULL, &n, &w->err));
	bigm_json_free(reply);
	return n;
}

/* For m0: what to ask m1 for. */
static struct cJSON *relay_arg(const struct world *w, const char *method)
{
	return bigm_json("{\"address\": \"%s\", \"method\": \"%s\"}",
			 bigm_machine_address(w->m[1]), method);
}

static void machines_serve_and_shut_down(void **state)
{
	struct world w;

	begin(&w, 3, NULL);
	assert_int_equal(atomic_load(&made), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bigm_machine_state(w.m[i]), BIGM_RUNNING);
		assert_int_equal(call_next(&w, w.m[i]), 11);
	}
	assert_int_equal(call_next(&w, w.m[1]), 12);
	check(&w, bigm_shutdown(w.b, &w.err));
	assert_int_equal(atomic_load(&released), 3);
	assert_int_equal(bigm_machine_state(w.m[0]), BIGM_STOPPED);
	assert_int_equal(bigm_machine_error(w.m[0], NULL), 0);
	assert_int_equal(bigm_call(w.m[0], "Counter.Next", NULL, NULL, &w.err),
			 BIGM_EUNAVAILABLE);
	assert_null(bigm_test_kill(w.b, NULL, &w.err));
	assert_int_equal(w.err.code, BIGM_ENOTFOUND);
	end(&w);
}

static void more_are_started_and_waited_for(void **state)
{
	struct bigm_machine **more;
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_wait(w.b, 3, 50, &w.err), BIGM_EDEADLINE);
	check(&w, bigm_start(w.b, 2, services, NULL, &more, &w.err));
	assert_int_equal(bigm_test_wait(w.b, 3, WAIT_MS, &w.err), 3);
	assert_string_equal(bigm_machine_name(more[1]), "m2");
	free(more);
	end(&w);
}

static void machines_dial_one_another(void **state)
{
	struct cJSON *arg, *reply;
	struct world w;
	int64_t n;

	begin(&w, 2, NULL);
	arg = relay_arg(&w, "Counter.Next");
	check(&w, bigm_call(w.m[0], "Counter.Relay", arg, &reply, &w.err));
	check(&w, bigm_json_get_int64(reply, NULL, &n, &w.err));
	assert_int_equal(n, 11);
	bigm_json_free(reply);
	bigm_json_free(arg);
	assert_int_equal(call_next(&w, w.m[1]), 12);
	end(&w);
}

static void an_init_that_fails_stops_its_machine(void **state)
{
	const struct bigm_service bad[] = {
		{ "Counter", NULL, "{\"form\": 1}" }, { 0 },
	};
	struct bigm_machine **m;
	struct world w;

	begin(&w, 1, NULL);
	check(&w, bigm_start(w.b, 1, bad, NULL, &m, &w.err));
	check(&w, bigm_machine_wait(m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	bigm_machine_error(m[0], &w.err);
	assert_non_null(strstr(w.err.text, "from"));
	free(m);
	end(&w);
}

static void there_is_no_other_program(void **state)
{
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_call(w.m[0], "Supervisor.Exec", NULL, NULL,
				   &w.err), BIGM_EUNSUPPORTED);
	assert_int_equal(call_next(&w, w.m[0]), 11);
	end(&w);
}

/* ------------------------------------------------------------------ */
/* Killing                                                             */

static void wait_held(int n)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && atomic_load(&held) != n; i++)
		nanosleep(&step, NULL);
	assert_int_equal(atomic_load(&held), n);
}

static void a_killed_machine_answers_nobody(void **state)
{
	struct bigm_call *call;
	struct world w;

	begin(&w, 2, NULL);
	call = bigm_call_start(w.m[1], "Counter.Hold", NULL, NULL);
	wait_held(1);
	assert_ptr_equal(bigm_test_kill(w.b, w.m[1], &w.err), w.m[1]);
	assert_int_equal(bigm_call_wait(call, &w.err), BIGM_EUNAVAILABLE);
	assert_non_null(strstr(w.err.text, "killed by the test"));
	bigm_call_free(call);
	check(&w, bigm_machine_wait(w.m[1], BIGM_STOPPED, WAIT_MS, &w.err));
	assert_int_equal(bigm_machine_error(w.m[1], NULL), BIGM_EUNAVAILABLE);
	assert_int_equal(bigm_machine_state(w.m[0]), BIGM_RUNNING);
	assert_int_equal(call_next(&w, w.m[0]), 11);
	assert_null(bigm_test_kill(w.b, w.m[1], &w.err));
	assert_int_equal(w.err.code, BIGM_ENOTFOUND);
	end(&w);
}

/* Whom the keeper does not tell: only the connection's end does. */
static void a_killed_machine_is_dead_for_its_peers(void **state)
{
	struct bigm_call *call;
	struct cJSON *arg;
	struct world w;

	begin(&w, 2, NULL);
	arg = relay_arg(&w, "Counter.Hold");
	call = bigm_call_start(w.m[0], "Counter.Relay", arg, NULL);
	wait_held(1);
	assert_non_null(bigm_test_kill(w.b, w.m[1], &w.err));
	assert_int_equal(bigm_call_wait(call, &w.err), BIGM_EUNAVAILABLE);
	assert_int_equal(bigm_call(w.m[0], "Counter.Relay", arg, NULL, &w.err),
			 BIGM_EUNAVAILABLE);
	bigm_call_free(call);
	bigm_json_free(arg);
	end(&w);
}

/* ------------------------------------------------------------------ */
/* Notices                                                             */

/* What a callback has been told, and on which thread it was. */
struct heard {
	pthread_mutex_t lock;
	int n;
	char machine[24];
	struct bigm_notice last;
	int on_io_thread; /* of them */
};

#define HEARD { .lock = PTHREAD_MUTEX_INITIALIZER }

static void hear(struct bigm_machine *m, const struct bigm_notice *notice,
		 void *data)
{
	struct heard *heard = data;

	pthread_mutex_lock(&heard->lock);
	heard->n++;
	heard->last = *notice;
	snprintf(heard->machine, sizeof(heard->machine), "%s",
		 bigm_machine_name(m));
	heard->on_io_thread += bigm_machine_draining(m) &&
			       bigm_call(m, "Counter.Next", NULL, NULL, NULL) ==
				       BIGM_EDEADLOCK;
	pthread_mutex_unlock(&heard->lock);
}

static void wait_heard(struct heard *heard, int n)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	int now = -1;

	for (int i = 0; i < WAIT_MS && now < n; i++) {
		pthread_mutex_lock(&heard->lock);
		now = heard->n;
		pthread_mutex_unlock(&heard->lock);
		nanosleep(&step, NULL);
	}
	assert_int_equal(now, n);
}

static void announce(struct world *w, struct bigm_machine *m,
		     enum bigm_notice_kind kind, uint64_t at_ns,
		     const char *text)
{
	struct bigm_notice notice = { .size = sizeof(notice), .kind = kind,
				      .at_ns = at_ns };

	snprintf(notice.text, sizeof(notice.text), "%s", text);
	check(w, bigm_test_notice(w->b, m, &notice, &w->err));
}

static void notices_reach_the_driver(void **state)
{
	struct heard heard = HEARD;
	struct world w;

	begin(&w, 2, NULL);
	check(&w, bigm_on_notice(w.b, hear, &heard, &w.err));
	announce(&w, w.m[1], BIGM_NOTICE_REBALANCE, 0, "may go");
	wait_heard(&heard, 1);
	assert_int_equal(heard.last.kind, BIGM_NOTICE_REBALANCE);
	announce(&w, w.m[1], BIGM_NOTICE_INTERRUPTION, 1234567890123456789u,
		 "goes");
	wait_heard(&heard, 2);
	assert_int_equal(heard.on_io_thread, 2);
	assert_string_equal(heard.machine, "m1");
	assert_int_equal(heard.last.size, sizeof(heard.last));
	assert_int_equal(heard.last.kind, BIGM_NOTICE_INTERRUPTION);
	assert_true(heard.last.at_ns == 1234567890123456789u);
	assert_string_equal(heard.last.text, "goes");
	assert_true(bigm_machine_draining(w.m[1]));
	assert_false(bigm_machine_draining(w.m[0]));
	/* It is as alive as before. */
	assert_int_equal(bigm_machine_state(w.m[1]), BIGM_RUNNING);
	assert_int_equal(call_next(&w, w.m[1]), 11);
	end(&w);
}

/* What is known already is told at once, what is no news never. */
static void who_asks_late_is_told_the_gravest(void **state)
{
	struct heard early = HEARD, late = HEARD;
	struct world w;

	begin(&w, 1, NULL);
	check(&w, bigm_on_notice(w.b, hear, &early, &w.err));
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 1, "goes");
	announce(&w, w.m[0], BIGM_NOTICE_REBALANCE, 2, "may go");
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 1, "goes");
	wait_heard(&early, 1);
	check(&w, bigm_on_notice(w.b, hear, &late, &w.err));
	assert_int_equal(late.n, 1);
	assert_string_equal(late.last.text, "goes");
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 3, "goes later");
	wait_heard(&late, 2);
	assert_string_equal(late.last.text, "goes later");
	assert_int_equal(early.n, 1);
	check(&w, bigm_on_notice(w.b, NULL, NULL, &w.err));
	check(&w, bigm_shutdown(w.b, &w.err));
	assert_int_equal(late.n, 2);
	end(&w);
}

static void ask_again(struct bigm_machine *m,
		      const struct bigm_notice *notice, void *data)
{
	struct world *w = data;

	assert_int_equal(bigm_on_notice(w->b, NULL, NULL, NULL),
			 BIGM_EDEADLOCK);
}

static void wait_draining(const struct bigm_machine *m)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && !bigm_machine_draining(m); i++)
		nanosleep(&step, NULL);
	assert_true(bigm_machine_draining(m));
}

static void notices_are_checked(void **state)
{
	struct bigm_notice notice = { .size = 3 };
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_notice(w.b, w.m[0], &notice, &w.err),
			 BIGM_EINVALID);
	announce(&w, w.m[0], BIGM_NOTICE_REBALANCE, 0, "may go");
	wait_draining(w.m[0]);
	check(&w, bigm_on_notice(w.b, ask_again, &w, &w.err));
	assert_non_null(bigm_test_kill(w.b, w.m[0], &w.err));
	notice.size = sizeof(notice);
	assert_int_equal(bigm_test_notice(w.b, w.m[0], &notice, &w.err),
			 BIGM_ENOTFOUND);
	end(&w);
}

static void victims(uint64_t seed, char *names)
{
	const struct bigm_test_options options = { .size = sizeof(options),
						   .seed = seed };
	struct bigm_machine *m;
	struct world w;

	begin(&w, 6, &options);
	*names = '\0';
	while ((m = bigm_test_kill(w.b, NULL, &w.err)))
		strcat(names, bigm_machine_name(m));
	for (int i = 0; i < 6; i++)
		check(&w, bigm_machine_wait(w.m[i], BIGM_STOPPED, WAIT_MS,
					    &w.err));
	end(&w);
}

static void the_seed_chooses_the_victims(void **state)
{
	char a[32], b[32], c[32];

	victims(7, a);
	victims(7, b);
	victims(8, c);
	assert_int_equal(strlen(a), 12);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
}

static void a_machine_that_is_cut_off_runs_out_of_time(void **state)
{
	const struct bigm_test_options options = {
		.size = sizeof(options),
		.keepalive_period_ms = 20,
		.keepalive_timeout_ms = 1000,
	};
	struct world w;

	begin(&w, 1, &options);
	assert_ptr_equal(bigm_test_cut(w.b, NULL, &w.err), w.m[0]);
	check(&w, bigm_machine_wait(w.m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	assert_int_equal(bigm_machine_error(w.m[0], &w.err),
			 BIGM_EUNAVAILABLE);
	assert_non_null(strstr(w.err.text, "no answer to Keepalive within 1s"));
	end(&w);
}

/* ------------------------------------------------------------------ */
/* Files of the host                                                   */

static void assert_not_read(struct world *w, const char *path, int code,
			    const char *word)
{
	void *bytes;
	size_t len;

	assert_int_equal(bigm_read_file(w->b, w->m[0], path, &bytes, &len,
					&w->err), code);
	assert_null(bytes);
	assert_non_null(strstr(w->err.text, word));
}

/* A file of LEN bytes, which may be a hole. */
static void make_file(const char *path, off_t len)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "begin", 5), 5);
	assert_int_equal(ftruncate(fd, len), 0);
	close(fd);
}

static void files_are_read_though_the_machine_is_dead(void **state)
{
	char dir[] = "/tmp/bigm-inside-XXXXXX", path[64], fifo[64];
	struct world w;
	void *bytes;
	size_t len;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	begin(&w, 1, NULL);
	assert_non_null(bigm_test_kill(w.b, w.m[0], &w.err));
	check(&w, bigm_machine_wait(w.m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	make_file(path, 3000000);
	check(&w, bigm_read_file(w.b, w.m[0], path, &bytes, &len, &w.err));
	assert_int_equal(len, 3000000);
	assert_memory_equal(bytes, "begin", 6);
	free(bytes);
	/* Its size is 0, they say. */
	check(&w, bigm_read_file(w.b, w.m[0], "/proc/self/status", &bytes,
				 &len, &w.err));
	assert_int_equal(strlen(bytes), len);
	assert_non_null(strstr(bytes, "Name:"));
	free(bytes);
	make_file(path, (16 << 20) + 1);
	assert_not_read(&w, path, BIGM_EEXHAUSTED, "longer than 16777216");
	assert_not_read(&w, fifo, BIGM_EINVALID, "no regular file");
	assert_not_read(&w, dir, BIGM_EINVALID, "no regular file");
	assert_not_read(&w, "/nowhere/to/be/found", BIGM_ENOTFOUND, "/nowhere");
	assert_not_read(&w, "proc/self/status", BIGM_EINVALID, "begin with");
	end(&w);
	unlink(path);
	unlink(fifo);
	rmdir(dir);
}

/* ------------------------------------------------------------------ */
/* Faults                                                              */

/* One letter a call: whether it went well. */
static void try_all(struct world *w, const char *method, char *how)
{
	for (int i = 0; i < N_FAULTS; i++) {
		int r = bigm_call(w->m[0], method, NULL, NULL, &w->err);

		how[i] = r == 0 ? '.' : 'x';
		if (r == 0)
			continue;
		assert_int_equal(r, BIGM_EUNAVAILABLE);
		assert_true(w->err.retriable);
	}
	how[N_FAULTS] = '\0';
}

static int count(const char *how)
{
	int n = 0;

	for (; *how; how++)
		n += *how == 'x';
	return n;
}

static void inject(struct world *w, struct bigm_test_faults faults)
{
	faults.size = sizeof(faults);
	check(w, bigm_test_inject(w->b, &faults, &w->err));
}

static void faults_are_those_of_the_seed(void **state)
{
	const struct bigm_test_faults faults = { .seed = 5, .drop_request = .1,
						 .drop_reply = .1,
						 .truncate = .1 };
	struct bigm_test_faults others = faults;
	char a[N_FAULTS + 1], b[N_FAULTS + 1], c[N_FAULTS + 1];
	struct world w;

	begin(&w, 1, NULL);
	inject(&w, faults);
	try_all(&w, "Counter.Next", a);
	assert_int_equal(bigm_test_injected(w.b), count(a));
	inject(&w, faults);
	try_all(&w, "Counter.Next", b);
	assert_string_equal(a, b);
	others.seed = 6;
	inject(&w, others);
	try_all(&w, "Counter.Next", c);
	assert_string_not_equal(a, c);
	/* .3 of 200, by these seeds: what they say is the same everywhere. */
	assert_in_range(count(a), 40, 80);
	check(&w, bigm_test_inject(w.b, NULL, &w.err));
	try_all(&w, "Counter.Next", c);
	assert_int_equal(count(c), 0);
	end(&w);
}

static int64_t count_now(struct world *w)
{
	struct cJSON *reply;
	int64_t n;

	check(w, bigm_test_inject(w->b, NULL, &w->err));
	check(w, bigm_call(w->m[0], "Counter.Now", NULL, &reply, &w->err));
	check(w, bigm_json_get_int64(reply, "count", &n, &w->err));
	bigm_json_free(reply);
	return n;
}

static void each_fault_is_what_it_says(void **state)
{
	char how[N_FAULTS + 1];
	struct world w;

	begin(&w, 1, NULL);
	inject(&w, (struct bigm_test_faults){ .drop_request = 1 });
	try_all(&w, "Counter.Next", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(count_now(&w), 10);
	inject(&w, (struct bigm_test_faults){ .drop_reply = 1 });
	try_all(&w, "Counter.Next", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(count_now(&w), 10 + N_FAULTS);
	inject(&w, (struct bigm_test_faults){ .truncate = 1 });
	try_all(&w, "Counter.Now", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(bigm_test_injected(w.b), 3 * N_FAULTS);
	end(&w);
}

static void a_stream_breaks_off_before_its_end(void **state)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	struct bigm_call *call;
	struct world w;
	char bytes[64];
	ssize_t n;

	begin(&w, 1, NULL);
	inject(&w, (struct bigm_test_faults){ .truncate = 1 });
	call = bigm_call_start(w.m[0], "Counter.Stream", NULL, &options);
	while ((n = bigm_call_read(call, bytes, sizeof(bytes), &w.err)) > 0)
		assert_in_range(n, 1, 10);
	assert_int_equal(n, BIGM_EUNAVAILABLE);
	bigm_call_free(call);
	end(&w);
}

static void what_is_wrong_is_told(void **state)
{
	struct bigm_test_faults faults = { .size = sizeof(faults),
					   .drop_request = .6,
					   .drop_reply = .6 };
	struct bigm_test_options options = { .size = 3 };
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	faults.drop_reply = -1;
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	faults.size = 1000;
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	assert_null(bigm_test_new(types, &options, &w.err));
	assert_int_equal(w.err.code, BIGM_EINVALID);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_serve_and_shut_down),
		cmocka_unit_test(more_are_started_and_waited_for),
		cmocka_unit_test(machines_dial_one_another),
		cmocka_unit_test(an_init_that_fails_stops_its_machine),
		cmocka_unit_test(there_is_no_other_program),
		cmocka_unit_test(a_killed_machine_answers_nobody),
		cmocka_unit_test(a_killed_machine_is_dead_for_its_peers),
		cmocka_unit_test(notices_reach_the_driver),
		cmocka_unit_test(who_asks_late_is_told_the_gravest),
		cmocka_unit_test(notices_are_checked),
		cmocka_unit_test(the_seed_chooses_the_victims),
		cmocka_unit_test(a_machine_that_is_cut_off_runs_out_of_time),
		cmocka_unit_test(files_are_read_though_the_machine_is_dead),
		cmocka_unit_test(faults_are_those_of_the_seed),
		cmocka_unit_test(each_fault_is_what_it_says),
		cmocka_unit_test(a_stream_breaks_off_before_its_end),
		cmocka_unit_test(what_is_wrong_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
