/*
 * Streams between real processes: a slow side bounds the memory of the other,
 * measured in its process; bytes arrive while the method runs; what a method
 * says in mid-stream reaches its reader.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/memory.h"
#include "worker_fixture.h"

#define MIB (1 << 20)
#define TOTAL (256ll * MIB)
/* Windows, buffers and what the allocator adds; a sanitizer keeps more. */
#define BOUND (24ll * MIB)

/* The AddressSanitizer asks this: what was freed long ago is not to count. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=2";
}

static int setup(void **state)
{
	struct fixture *f = fixture_new(120000);

	*state = f;
	cJSON_Delete(call_ok(f, "Supervisor.Register",
			     "{\"services\": [{\"name\": \"E\", "
			     "\"type\": \"Echo\"}]}"));
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct bigm_call *start(struct fixture *f, const char *method,
			       const char *arg, bool in, bool out)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = in,
		.stream_reply = out,
	};

	return rpc_call_start(f->client, method, arg, arg ? strlen(arg) : 0,
			      &options);
}

static int64_t resident(struct fixture *f)
{
	AUTO_JSON cJSON *memory = call_ok(f, "Supervisor.MemInfo",
					  "{\"process\": true}");
	int64_t bytes = 0;

	bigm_json_get_int64(cJSON_GetObjectItem(memory, "process"), "resident",
			    &bytes, NULL);
	assert_true(bytes > 0);
	return bytes;
}

/* Looks until it hardly grows any more: under a sanitizer each look costs a
 * bit. */
static int64_t settled(struct fixture *f)
{
	int64_t before, now = resident(f);

	do {
		before = now;
		poll(NULL, 0, 100);
		now = resident(f);
	} while (now > before + MIB);
	return now;
}

static void a_slow_reader_bounds_the_machines_memory(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *arg = xasprintf("%lld", TOTAL);
	AUTO_FREE char *piece = xmalloc(MIB);
	int64_t before = resident(f), after, got = 1;
	struct bigm_call *call = start(f, "E.Pour", arg, false, true);
	struct bigm_error err = BIGM_ERROR_INIT;
	ssize_t n;

	assert_int_equal(bigm_call_read(call, piece, 1, &err), 1);
	after = settled(f);
	if (after - before > BOUND)
		fail_msg("the machine grew by %lld MiB",
			 (long long)(after - before) / MIB);
	while ((n = bigm_call_read(call, piece, MIB, &err)) > 0)
		got += n;
	assert_int_equal(n, 0);
	assert_true(got >= TOTAL);
	bigm_call_free(call);
	assert_true(resident(f) - before <= BOUND);
}

struct writer {
	struct bigm_call *call;
	_Atomic int64_t written;
};

static void *write_on(void *data)
{
	struct writer *w = data;
	AUTO_FREE char *piece = xcalloc(1, MIB);

	while (w->written < TOTAL &&
	       bigm_call_write(w->call, piece, MIB, NULL) == 0)
		w->written += MIB;
	return NULL;
}

static void a_slow_method_bounds_the_callers_memory(void **state)
{
	struct fixture *f = *state;
	struct writer w = { .call = start(f, "E.Shut", NULL, true, false) };
	struct process_memory before, after;
	int64_t machine = resident(f), written;
	pthread_t thread;

	memory_of_process("", &before, NULL);
	pthread_create(&thread, NULL, write_on, &w);
	do {
		written = w.written;
		machine = settled(f);
	} while (w.written > written || w.written == 0);
	memory_of_process("", &after, NULL);
	assert_true(w.written < BOUND);
	assert_true((int64_t)(after.resident - before.resident) < BOUND);
	assert_true(settled(f) - machine < BOUND);
	bigm_call_cancel(w.call);
	pthread_join(thread, NULL);
	assert_true(w.written < BOUND);
	bigm_call_free(w.call);
}

static void expect(struct bigm_call *call, const char *line)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	size_t len = strlen(line);
	char got[64] = "";

	for (size_t n = 0; n < len;) {
		ssize_t rc = bigm_call_read(call, got + n, len - n, &err);

		if (rc <= 0)
			fail_msg("after \"%s\": %s", got, err.text);
		n += (size_t)rc;
	}
	assert_string_equal(got, line);
}

/* Each waits for what the other has just said: nothing may stay in a buffer. */
static void lines_arrive_while_the_method_runs(void **state)
{
	struct bigm_call *call = start(*state, "E.Converse", NULL, true, true);
	struct bigm_error err = BIGM_ERROR_INIT;
	char byte;

	expect(call, "ready\n");
	for (char c = 'a'; c < 'k'; c++) {
		AUTO_FREE char *line = xasprintf("you said %c\n", c);

		assert_int_equal(bigm_call_write(call, &c, 1, &err), 0);
		expect(call, line);
		assert_int_equal(bigm_call_status(call, &err), 1);
	}
	assert_int_equal(bigm_call_end(call, &err), 0);
	assert_int_equal(bigm_call_read(call, &byte, 1, &err), 0);
	assert_int_equal(bigm_call_wait(call, &err), 0);
	bigm_call_free(call);
}

static void an_error_in_mid_stream_reaches_the_reader(void **state)
{
	struct bigm_call *call = start(*state, "E.Converse", NULL, true, true);
	struct bigm_error err = BIGM_ERROR_INIT;
	char byte = 'a';

	expect(call, "ready\n");
	assert_int_equal(bigm_call_write(call, "ax", 2, &err), 0);
	expect(call, "you said a\n");
	assert_int_equal(bigm_call_read(call, &byte, 1, &err), BIGM_EEXIST);
	assert_string_equal(err.text, "m0: E.Converse: we have had enough");
	assert_int_equal(bigm_call_wait(call, &err), BIGM_EEXIST);
	bigm_call_free(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slow_reader_bounds_the_machines_memory),
		TEST(a_slow_method_bounds_the_callers_memory),
		TEST(lines_arrive_while_the_method_runs),
		TEST(an_error_in_mid_stream_reaches_the_reader),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
