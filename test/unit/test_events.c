/*
 * Events: the table against the manual page, what is written against the
 * table, and what drivers and machines may tell.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/events.h"
#include "machine/event_queue.h"

struct fixture {
	struct loop *loop;
	struct event_log *log;
	char path[64];
	FILE *file; /* for reading */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fd;

	strcpy(f->path, "/tmp/bigm-test-events-XXXXXX");
	fd = mkstemp(f->path);
	f->file = fdopen(fd, "r");
	f->loop = loop_new(NULL);
	f->log = event_log_new(f->loop, f->path, "calm-fox", NULL);
	*state = f;
	return f->log ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	event_log_free(f->log);
	loop_free(f->loop);
	fclose(f->file);
	unlink(f->path);
	free(f);
	return 0;
}

struct turn {
	struct loop_timer timer;
	struct loop *loop;
};

static void stop_loop(struct loop_timer *timer)
{
	loop_stop(loop_container(timer, struct turn, timer)->loop);
}

/* Some turns of the loop. */
static void turn(struct loop *loop, uint64_t ms)
{
	struct turn end = { .loop = loop };

	loop_timer_start(loop, &end.timer, ms, stop_loop);
	loop_run(loop);
}

/* The next event in the file; NULL at its end. */
static cJSON *read_event(struct fixture *f)
{
	char line[32768];
	cJSON *event;

	clearerr(f->file);
	if (!fgets(line, sizeof(line), f->file))
		return NULL;
	assert_int_equal(line[strlen(line) - 1], '\n');
	event = json_parse(line, strlen(line) - 1, NULL);
	assert_non_null(event);
	return event;
}

static const char *text(const cJSON *event, const char *name)
{
	return cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(event, name));
}

/* ------------------------------------------------------------------ */

static FILE *open_page(void)
{
	AUTO_FREE char *path = xasprintf("%s/man/bigm-events.7",
					 getenv("abs_top_srcdir"));
	FILE *page = fopen(path, "re");

	assert_non_null(page);
	return page;
}

static int find_type(const char *name)
{
	for (int i = 0; i < EVENT_NTYPES; i++)
		if (strcmp(event_types[i].name, name) == 0)
			return i;
	fail_msg("%s is in the page, and not in the table", name);
	return -1;
}

static int find_field(int type, const char *name)
{
	const struct event_field *fields = event_types[type].fields;

	for (int i = 0; fields[i].name; i++)
		if (strcmp(fields[i].name, name) == 0)
			return i;
	fail_msg("%s has no field %s", event_types[type].name, name);
	return -1;
}

/* ".It Cm bigm:TYPE", and ".Va FIELD" in what follows. */
static void the_page_has_the_types_and_fields_of_the_table(void **state)
{
	bool seen[EVENT_NTYPES][EVENT_MAX_FIELDS] = { { false } };
	bool seen_type[EVENT_NTYPES] = { false };
	AUTO_FCLOSE FILE *page = open_page();
	char line[512], name[64];
	int type = -1;

	while (fgets(line, sizeof(line), page)) {
		if (sscanf(line, ".It Cm %63s", name) == 1) {
			type = find_type(name);
			assert_false(seen_type[type]);
			seen_type[type] = true;
		} else if (type >= 0 && sscanf(line, ".Va %63s", name) == 1) {
			seen[type][find_field(type, name)] = true;
		}
	}
	for (type = 0; type < EVENT_NTYPES; type++) {
		const struct event_field *fields = event_types[type].fields;

		if (!seen_type[type])
			fail_msg("%s is not in the page",
				 event_types[type].name);
		for (int i = 0; fields[i].name; i++)
			if (!seen[type][i])
				fail_msg("%s: %s is not in the page",
					 event_types[type].name,
					 fields[i].name);
	}
}

static void check_field(const cJSON *event, const struct event_field *field)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(event,
							     field->name);

	switch (field->kind) {
	case EVENT_TEXT:
		assert_string_equal(cJSON_GetStringValue(item), "word");
		break;
	case EVENT_NUMBER:
		assert_true(item->valuedouble == 7);
		break;
	case EVENT_NS:
		assert_string_equal(cJSON_GetStringValue(item), "7");
		break;
	case EVENT_FLAG:
		assert_true(cJSON_IsTrue(item));
		break;
	}
}

static void what_is_told_is_written_as_the_table_says(void **state)
{
	struct fixture *f = *state;
	struct event_value values[EVENT_MAX_FIELDS];

	for (int i = 0; i < EVENT_MAX_FIELDS; i++)
		values[i] = (struct event_value){ .text = "word", .number = 7 };
	for (int type = 0; type < EVENT_NTYPES; type++)
		event_log_tell(f->log, type, type % 2 ? "m0" : NULL, values);
	turn(f->loop, 1);
	for (int type = 0; type < EVENT_NTYPES; type++) {
		AUTO_JSON cJSON *event = read_event(f);
		const struct event_field *field = event_types[type].fields;
		int n = 3 + type % 2;

		assert_string_equal(text(event, "type"), event_types[type].name);
		assert_string_equal(text(event, "cluster"), "calm-fox");
		assert_true(strtoull(text(event, "ns"), NULL, 10) >
			    1700000000000000000u);
		if (type % 2)
			assert_string_equal(text(event, "machine"), "m0");
		for (; field->name; field++, n++)
			check_field(event, field);
		assert_int_equal(cJSON_GetArraySize(event), n);
	}
	assert_null(read_event(f));
}

static void a_field_without_a_text_is_left_out_and_bytes_become_text(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *event = NULL;

	event_log_tell(f->log, EVENT_MACHINE_ERROR, "m1",
		       EVENT_VALUES({ 0 }, { .text = "a\xff\nb\xc3\xa4\xe2\x82" },
				    { 0 }));
	turn(f->loop, 1);
	event = read_event(f);
	assert_null(cJSON_GetObjectItem(event, "code"));
	assert_string_equal(text(event, "message"), "a?\nb\xc3\xa4??");
	assert_true(cJSON_IsFalse(cJSON_GetObjectItem(event, "retriable")));
}

static int pass(struct fixture *f, const char *json, struct bigm_error *err)
{
	AUTO_JSON cJSON *event = json_parse(json, strlen(json), NULL);

	assert_non_null(event);
	return event_log_pass(f->log, "m3", event, err);
}

static void what_a_program_tells_is_written_with_whose_it_is(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *event = NULL, *dropped = NULL;

	assert_int_equal(pass(f, "{\"type\": \"round\", \"ns\": \"12\", "
			      "\"fields\": {\"n\": 3, \"who\": \"me\", "
			      "\"last\": true}}", NULL), 0);
	assert_int_equal(pass(f, "{\"dropped\": 9}", NULL), 0);
	turn(f->loop, 1);
	event = read_event(f);
	assert_int_equal(cJSON_GetArraySize(event), 7);
	assert_string_equal(text(event, "type"), "round");
	assert_string_equal(text(event, "ns"), "12");
	assert_string_equal(text(event, "cluster"), "calm-fox");
	assert_string_equal(text(event, "machine"), "m3");
	assert_string_equal(text(event, "who"), "me");
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(event, "last")));
	dropped = read_event(f);
	assert_string_equal(text(dropped, "type"), "bigm:eventsDropped");
	assert_string_equal(text(dropped, "machine"), "m3");
}

static void a_machine_cannot_tell_what_is_ours_or_makes_no_sense(void **state)
{
	static const char *const bad[][2] = {
		{ "{\"type\": \"bigm:machineStop\", \"ns\": 1}", "bigm's own" },
		{ "{\"type\": \"x\"}", "ns is missing" },
		{ "{\"ns\": 1}", "type is missing" },
		{ "{\"type\": \"\", \"ns\": 1}", "up to 64" },
		{ "{\"type\": \"a b\", \"ns\": 1}", "up to 64" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": [1]}",
		  "an object" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": {\"type\": \"y\"}}",
		  "has it already" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": {\"machine\": 1}}",
		  "has it already" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": {\"a\": {}}}",
		  "a string, a number" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": {\"a\": 1, \"a\": 2}}",
		  "twice" },
		{ "{\"type\": \"x\", \"ns\": 1, \"fields\": {\"\\n\": 1}}",
		  "up to 64" },
		{ "{\"dropped\": -1}", "dropped" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_int_equal(pass(f, bad[i][0], &err), BIGM_EINVALID);
		if (!strstr(err.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.text);
	}
	turn(f->loop, 1);
	assert_null(read_event(f));
}

/* ------------------------------------------------------------------ */

struct pipe_fixture {
	char path[80];
	int fd; /* for reading */
	struct loop *loop;
	struct event_log *log;
};

static void begin_pipe(struct pipe_fixture *p, const char *beside)
{
	snprintf(p->path, sizeof(p->path), "%s.pipe", beside);
	assert_int_equal(mkfifo(p->path, 0600), 0);
	p->loop = loop_new(NULL);
}

static void end_pipe(struct pipe_fixture *p)
{
	event_log_free(p->log);
	loop_free(p->loop);
	close(p->fd);
	unlink(p->path);
}

static void a_pipe_without_a_reader_is_refused(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct pipe_fixture p = { .fd = -1 };

	begin_pipe(&p, f->path);
	p.log = event_log_new(p.loop, p.path, "c", &err);
	assert_null(p.log);
	assert_non_null(strstr(err.text, "a pipe without a reader"));
	end_pipe(&p);
}

/* Counts lines and adds up what eventsDropped says. */
static void count(const char *bytes, size_t len, unsigned long *lines,
		  unsigned long *dropped)
{
	static const char said[] = "\"events\":";
	const char *p = bytes, *end = bytes + len;

	for (; p < end; p++)
		*lines += *p == '\n';
	p = bytes;
	while ((p = memmem(p, (size_t)(end - p), said, sizeof(said) - 1))) {
		p += sizeof(said) - 1;
		*dropped += strtoul(p, NULL, 10);
	}
}

static void a_pipe_that_nobody_empties_holds_nobody_up(void **state)
{
	struct fixture *f = *state;
	struct pipe_fixture p = { .fd = -1 };
	struct buffer all = BUFFER_INIT(SIZE_MAX);
	unsigned long told = 0, lines = 0, dropped = 0;
	char word[8192];

	begin_pipe(&p, f->path);
	p.fd = open(p.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	p.log = event_log_new(p.loop, p.path, "c", NULL);
	assert_non_null(p.log);
	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	for (; told < 2 * EVENTS_UNWRITTEN_MAX / sizeof(word); told++) {
		event_log_tell(p.log, EVENT_SHIP_START, "m0",
			       EVENT_VALUES({ .text = word }));
		if (told % 1000 == 0)
			turn(p.loop, 0);
	}
	/* Some of it is there no more, but the reader learns how much. */
	for (int tries = 0; lines + dropped < told + 1 && tries < 500; tries++) {
		ssize_t n;

		do {
			uint8_t *room = buffer_reserve(&all, 65536, NULL);

			n = read(p.fd, room, 65536);
			buffer_commit(&all, n > 0 ? (size_t)n : 0);
		} while (n > 0);
		turn(p.loop, 20);
		if (tries == 20) {
			event_log_tell(p.log, EVENT_SHIP_START, "m0",
				       EVENT_VALUES({ .text = "last" }));
			told++;
		}
		lines = dropped = 0;
		count(buffer_string(&all), all.len, &lines, &dropped);
	}
	assert_true(dropped > 0);
	assert_int_equal(lines + dropped, told + 1);
	buffer_release(&all);
	end_pipe(&p);
}

static void count_errors(enum log_level level, const char *line, void *data)
{
	int *errors = data;

	*errors += level == LOG_LEVEL_ERROR && strstr(line, "events are being");
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_is_logged_once_and_the_next_line_is_whole(void **state)
{
	const struct event_value happy = { .text = "happy" };
	struct fixture *f = *state;
	char torn[64];
	int errors = 0;

	signal(SIGXFSZ, SIG_IGN);
	log_set_sink(count_errors, &errors);
	set_file_limit(20);
	event_log_tell(f->log, EVENT_SHIP_START, "m0", &happy);
	turn(f->loop, 1);
	event_log_tell(f->log, EVENT_SHIP_START, "m0", &happy);
	turn(f->loop, 1);
	set_file_limit(RLIM_INFINITY);
	log_set_sink(NULL, NULL);
	event_log_tell(f->log, EVENT_SHIP_START, "m0", &happy);
	turn(f->loop, 1);
	assert_int_equal(errors, 1);
	assert_non_null(fgets(torn, sizeof(torn), f->file));
	assert_int_equal(strlen(torn), 21);
	AUTO_JSON cJSON *event = read_event(f);
	assert_string_equal(text(event, "what"), "happy");
	assert_null(read_event(f));
}

/* ------------------------------------------------------------------ */
/* The queue                                                           */

static void a_full_queue_drops_and_counts(void **state)
{
	struct event_queue q;
	struct buffer out = BUFFER_INIT(EVENT_QUEUE_MAX + 64);
	AUTO_JSON cJSON *fields = cJSON_CreateObject();
	struct bigm_error err = BIGM_ERROR_INIT;
	unsigned long lines = 0, dropped = 0, told = 0;
	char *said;

	event_queue_init(&q);
	cJSON_AddStringToObject(fields, "why", "not");
	while (event_queue_add(&q, "x", fields, &err) == 0)
		told++;
	assert_int_equal(err.code, BIGM_EEXHAUSTED);
	assert_int_equal(event_queue_add(&q, "y", fields, NULL),
			 BIGM_EEXHAUSTED);
	event_queue_take(&q, &out);
	count(buffer_string(&out), out.len, &lines, &dropped);
	assert_int_equal(lines, told + 1);
	said = strstr(buffer_string(&out), "{\"dropped\":2}\n");
	assert_non_null(said);
	assert_int_equal(said + 14 - buffer_string(&out), out.len);
	buffer_consume(&out, out.len);
	assert_int_equal(event_queue_add(&q, "z", NULL, NULL), 0);
	event_queue_take(&q, &out);
	assert_non_null(strstr(buffer_string(&out), "\"fields\":{}}\n"));
	buffer_release(&out);
	event_queue_release(&q);
}

static void on_added(void *data)
{
	loop_stop(data);
}

static void who_attends_a_queue_is_told_also_of_what_was_there(void **state)
{
	struct event_queue q;
	struct loop *loop = loop_new(NULL);

	event_queue_init(&q);
	assert_int_equal(event_queue_add(&q, "before", NULL, NULL), 0);
	event_queue_attend(&q, loop, on_added, loop);
	loop_run(loop);
	assert_int_equal(event_queue_add(&q, "after", NULL, NULL), 0);
	loop_run(loop);
	event_queue_attend(&q, loop, NULL, NULL);
	loop_free(loop);
	event_queue_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_has_the_types_and_fields_of_the_table),
		cmocka_unit_test_setup_teardown(
			what_is_told_is_written_as_the_table_says, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_field_without_a_text_is_left_out_and_bytes_become_text,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_program_tells_is_written_with_whose_it_is, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_machine_cannot_tell_what_is_ours_or_makes_no_sense,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pipe_without_a_reader_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pipe_that_nobody_empties_holds_nobody_up, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_full_disk_is_logged_once_and_the_next_line_is_whole,
			setup, teardown),
		cmocka_unit_test(a_full_queue_drops_and_counts),
		cmocka_unit_test(
			who_attends_a_queue_is_told_also_of_what_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
