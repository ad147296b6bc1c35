/* Orders for what is to be fetched, and how it comes. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/folder.h"
#include "base/json.h"
#include "supervisor/parcel.h"

static void orders_are_checked(void **state)
{
#define D "{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
	static const struct {
		const char *order, *word;
	} bad[] = {
		{ "{}", "digest" },
		{ "{\"digest\":\"sha256:../../x\",\"size\":1}", "none" },
		{ D "\"size\":0}", "size is 0" },
		{ D "\"size\":99999999999999}", "size is" },
		{ D "\"size\":5,\"offset\":6}", "within" },
		{ D "\"size\":5,\"chunk\":65536}", "belong together" },
		{ D "\"size\":5,\"chunk\":65536,\"chunks\":\"ab\"}", "digits" },
		{ D "\"size\":5,\"chunk\":1,\"chunks\":\"ab\"}", "chunk is 1" },
		{ D "\"size\":999999999,\"chunk\":16384,\"chunks\":\"ab\"}",
		  "no more than" },
		{ D "\"size\":5,\"from\":{}}", "from: name" },
	};
#undef D
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_JSON cJSON *json = cJSON_Parse(bad[i].order);
		struct bigm_error err = BIGM_ERROR_INIT;
		struct parcel_order order;

		assert_non_null(json);
		assert_int_equal(parcel_order_read(json, &order, &err),
				 BIGM_EINVALID);
		if (!strstr(err.text, bad[i].word))
			fail_msg("%s: %s", bad[i].order, err.text);
		parcel_order_release(&order);
	}
}

/* ------------------------------------------------------------------ */
/* On a machine                                                        */

struct place {
	char dir[64];
	struct parcel_shelf shelf;
};

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	snprintf(p->dir, sizeof(p->dir), "%s/parcel-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	shelf_init(&p->shelf, p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	shelf_release(&p->shelf);
	folder_empty(p->dir, NULL, NULL);
	rmdir(p->dir);
	free(p);
	return 0;
}

static const char text[] = "the bytes of a program";
#define SIZE (sizeof(text) - 1)

/* An order for text. */
static struct parcel_order order_of_text(void)
{
	struct parcel_order order = { .size = SIZE };
	struct digest *d = digest_new();

	digest_update(d, text, SIZE);
	digest_finish(d, order.digest);
	return order;
}

/* Where it is once it is complete. */
static char *path_of(const struct place *p, const struct parcel_order *order)
{
	return xasprintf("%s/parcel-%s", p->dir,
			 strchr(order->digest, ':') + 1);
}

static void leave_file(const char *path, const char *bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(files_write(fd, bytes, strlen(bytes)), 0);
	close(fd);
}

static bool at_once(const void *data)
{
	return true;
}

static bool never(const void *data)
{
	return false;
}

static struct parcel *begin(struct place *p, const struct parcel_order *order)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel *parcel = parcel_write(&p->shelf, order, &err);

	if (!parcel)
		fail_msg("%s", err.text);
	return parcel;
}

static void assert_complete(struct place *p, const struct parcel_order *order,
			    struct parcel *parcel)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *expected = path_of(p, order);
	const char *path;

	assert_int_equal(parcel_complete(parcel, &path, &err), 0);
	assert_string_equal(path, expected);
}

static void a_reader_gets_it_all(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();
	struct parcel *w = begin(p, &order), *r;
	char got[2 * SIZE];

	r = parcel_find(&p->shelf, order.digest, 0, never, NULL, &err);
	assert_ptr_equal(r, w);
	assert_int_equal(parcel_append(w, text, 5, &err), 0);
	/* Nobody knows yet whether that is good. */
	assert_int_equal(parcel_read(r, 0, got, sizeof(got), at_once, NULL, &err),
			 BIGM_EUNAVAILABLE);
	assert_int_equal(parcel_lacks(w), SIZE - 5);
	assert_int_equal(parcel_append(w, text + 5, SIZE - 5, &err), 0);
	assert_int_equal(parcel_append(w, "!", 1, &err), BIGM_EPROTOCOL);
	assert_non_null(strstr(err.text, "more than 22 bytes came"));
	assert_complete(p, &order, w);
	parcel_leave(w);
	assert_int_equal(parcel_read(r, 4, got, sizeof(got), never, NULL, &err),
			 SIZE - 4);
	assert_memory_equal(got, text + 4, SIZE - 4);
	assert_int_equal(parcel_read(r, SIZE, got, sizeof(got), never, NULL,
				     &err), 0);
	assert_int_equal(parcel_read(r, SIZE + 1, got, sizeof(got), never, NULL,
				     &err), BIGM_EINVALID);
	parcel_put(r);
}

static void what_does_not_come_is_not_waited_for(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();

	assert_null(parcel_find(&p->shelf, order.digest, 1, never, NULL, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_true(err.retriable);
	assert_null(parcel_find(&p->shelf, order.digest, 3600000, at_once, NULL,
				&err));
	assert_null(parcel_find(&p->shelf, "sha256:../file", 0, never, NULL,
				&err));
}

static void what_is_not_as_ordered_is_given_to_nobody(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();
	struct parcel *w = begin(p, &order), *r;
	AUTO_FREE char *file = path_of(p, &order);
	const char *path;
	char got[SIZE];

	r = parcel_find(&p->shelf, order.digest, 0, never, NULL, &err);
	assert_int_equal(parcel_append(w, "THE BYTES OF A PROGRAM", SIZE, &err),
			 0);
	assert_int_equal(parcel_complete(w, &path, &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, order.digest));
	assert_int_equal(parcel_read(r, 0, got, sizeof(got), never, NULL, &err),
			 BIGM_EUNAVAILABLE);
	parcel_leave(w);
	parcel_put(r);
	assert_int_equal(access(file, F_OK), -1);
}

static void one_who_is_interrupted_leaves_what_he_has(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text(), other = order;
	struct parcel *w = begin(p, &order);

	assert_int_equal(parcel_append(w, text, 5, &err), 0);
	parcel_leave(w);
	other.size++;
	assert_null(parcel_write(&p->shelf, &other, &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_non_null(strstr(err.text, "another than before"));
	w = begin(p, &order);
	assert_int_equal(parcel_have(w), 0); /* which was given up */
	assert_int_equal(parcel_append(w, text, 5, &err), 0);
	parcel_leave(w);
	w = begin(p, &order);
	assert_int_equal(parcel_have(w), 5);
	assert_int_equal(parcel_append(w, text + 5, SIZE - 5, &err), 0);
	assert_complete(p, &order, w);
	parcel_leave(w);
}

static void chunks_are_checked_as_they_come(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();
	uint8_t sums[3 * PARCEL_SUM];
	struct parcel *w;
	char got[SIZE];

	order.chunk = 8;
	order.sums = sums;
	SHA256((const uint8_t *)text, 8, sums);
	SHA256((const uint8_t *)text + 8, 8, sums + PARCEL_SUM);
	SHA256((const uint8_t *)text + 16, SIZE - 16, sums + 2 * PARCEL_SUM);
	w = begin(p, &order);
	assert_int_equal(parcel_append(w, text, 10, &err), 0);
	assert_int_equal(parcel_have(w), 8);
	assert_int_equal(parcel_got(w), 10);
	assert_int_equal(parcel_lacks(w), 6);
	assert_int_equal(parcel_append(w, "no such", 7, &err), BIGM_EPROTOCOL);
	assert_true(err.retriable);
	assert_non_null(strstr(err.text, "what came at 8"));
	assert_int_equal(parcel_got(w), 8);
	assert_int_equal(parcel_append(w, text + 8, SIZE - 8, &err), 0);
	/* Good before it is complete. */
	assert_int_equal(parcel_read(w, 0, got, SIZE, never, NULL, &err), SIZE);
	assert_memory_equal(got, text, SIZE);
	assert_complete(p, &order, w);
	parcel_leave(w);
}

/* The image before this one has had it; the program may have changed it. */
static void what_is_left_is_checked(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();
	AUTO_FREE char *path = path_of(p, &order);
	AUTO_FREE char *elsewhere = xasprintf("%s/elsewhere", p->dir);
	struct parcel *w;
	const char *unused;

	leave_file(path, text);
	w = begin(p, &order);
	assert_int_equal(parcel_have(w), SIZE);
	assert_complete(p, &order, w);
	parcel_discard(w);
	parcel_leave(w);
	leave_file(path, "THE BYTES OF A PROGRAM");
	w = begin(p, &order);
	assert_int_equal(parcel_have(w), SIZE);
	assert_int_equal(parcel_complete(w, &unused, &err), BIGM_EINVALID);
	parcel_leave(w);
	leave_file(elsewhere, text);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_null(parcel_find(&p->shelf, order.digest, 0, never, NULL, &err));
	unlink(path);
	leave_file(path, "");
	w = begin(p, &order);
	assert_int_equal(parcel_have(w), 0);
	assert_int_equal(parcel_append(w, text, SIZE, &err), 0);
	assert_complete(p, &order, w);
	parcel_leave(w);
}

/* Those that nobody uses, and that are newest, stay. */
static void the_last_few_are_kept(void **state)
{
	struct place *p = *state;
	struct parcel_order orders[4];

	for (int i = 0; i < 4; i++) {
		struct bigm_error err = BIGM_ERROR_INIT;
		char byte = (char)('a' + i);
		struct digest *d = digest_new();
		struct parcel *w;

		orders[i] = (struct parcel_order){ .size = 1 };
		digest_update(d, &byte, 1);
		digest_finish(d, orders[i].digest);
		w = begin(p, &orders[i]);
		assert_int_equal(parcel_append(w, &byte, 1, &err), 0);
		assert_complete(p, &orders[i], w);
		parcel_leave(w);
	}
	for (int i = 0; i < 4; i++) {
		AUTO_FREE char *path = path_of(p, &orders[i]);

		assert_int_equal(access(path, F_OK) == 0, i >= 4 - PARCEL_KEPT);
	}
}

static void without_a_folder_nothing_comes(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = order_of_text();
	struct parcel_shelf shelf;

	shelf_init(&shelf, "");
	assert_null(parcel_write(&shelf, &order, &err));
	assert_int_equal(err.code, BIGM_EUNSUPPORTED);
	assert_null(parcel_find(&shelf, order.digest, 0, never, NULL, &err));
	shelf_release(&shelf);
	shelf_init(&shelf, "/nonexistent");
	assert_null(parcel_write(&shelf, &order, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	shelf_release(&shelf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_checked),
		TEST(a_reader_gets_it_all),
		TEST(what_does_not_come_is_not_waited_for),
		TEST(what_is_not_as_ordered_is_given_to_nobody),
		TEST(one_who_is_interrupted_leaves_what_he_has),
		TEST(chunks_are_checked_as_they_come),
		TEST(what_is_left_is_checked),
		TEST(the_last_few_are_kept),
		cmocka_unit_test(without_a_folder_nothing_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
