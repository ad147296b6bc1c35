#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "bundle/bundle.h"
#include "bundle/contents.h"
#include "bundle/make.h"

#define MB 1000000

struct fixture {
	char dir[64];
	char *program, *path; /* of the bundle */
};

static void write_to(const char *path, const void *data, size_t len)
{
	AUTO_FCLOSE FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
}

static char *put(const struct fixture *f, const char *name, const void *data,
		 size_t len)
{
	char *path = xasprintf("%s/%s", f->dir, name);

	write_to(path, data, len);
	return path;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/gain-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/a.bigm", f->dir);
	f->program = put(f, "job", "#!/bin/sh\n", 10);
	assert_int_equal(chmod(f->program, 0755), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	folder_empty(f->dir, NULL, NULL);
	rmdir(f->dir);
	free(f->program);
	free(f->path);
	free(f);
	return 0;
}

static uint8_t *random_bytes(size_t len)
{
	uint8_t *bytes = xmalloc(len);
	size_t done = 0;

	while (done < len) {
		ssize_t n = getrandom(bytes + done, len - done, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
	return bytes;
}

/* Half of it can be guessed, as of a program. */
static uint8_t *code_bytes(size_t len)
{
	uint8_t *bytes = random_bytes(len);

	for (size_t i = 0; i < len; i++)
		if (i % 64 < 32)
			bytes[i] = 0;
	return bytes;
}

/* ------------------------------------------------------------------ */
/* The decision                                                        */

static void time_is_held_against_the_link(void **state)
{
	/* 1 MB becomes half of one in 5 ms: what that saves takes 4 ms at 1
	 * Gbit/s, and 40 ms at a tenth. */
	const struct gain gain = { MB, MB / 2, 5000000 };

	assert_false(gain_is_worth(&gain, 125000000));
	assert_true(gain_is_worth(&gain, 12500000));
	assert_true(gain_is_worth(&gain, GAIN_ANY));
}

static void a_tenth_is_not_worth_it_anywhere(void **state)
{
	const struct gain a_tenth = { MB, MB - MB / 10, 1 };
	const struct gain more = { MB, MB - MB / 10 - 1, 1 };
	const struct gain larger = { MB, MB + 10, 1 };
	const struct gain nothing = { 0, 20, 1 };

	assert_true(gain_is_worth(&more, GAIN_ANY));
	assert_false(gain_is_worth(&a_tenth, GAIN_ANY));
	assert_false(gain_is_worth(&a_tenth, 1));
	assert_false(gain_is_worth(&larger, GAIN_ANY));
	assert_false(gain_is_worth(&larger, 1));
	assert_false(gain_is_worth(&nothing, 1));
}

static void what_is_measured_is_so(void **state)
{
	AUTO_FREE uint8_t *noise = random_bytes(GAIN_SAMPLE);
	AUTO_FREE uint8_t *code = code_bytes(GAIN_SAMPLE);
	struct gain gain;

	gain_measure(&gain, noise, GAIN_SAMPLE);
	assert_int_equal(gain.before, GAIN_SAMPLE);
	assert_true(gain.after >= GAIN_SAMPLE);
	gain_measure(&gain, code, GAIN_SAMPLE);
	assert_in_range(gain.after, GAIN_SAMPLE / 4, GAIN_SAMPLE * 3 / 4);
	assert_true(gain.cpu_ns > 0);
}

/* ------------------------------------------------------------------ */
/* The sample                                                          */

static void all_of_little_is_the_sample(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *a = put(f, "a", "one", 3), *b = put(f, "b", "two", 3);
	struct contents c = { 0 };
	char buf[64] = "";
	size_t len;

	assert_int_equal(contents_add_file(&c, "x/b", b, NULL), 0);
	assert_int_equal(contents_add_file(&c, "x/a", a, NULL), 0);
	assert_int_equal(contents_finish(&c, NULL), 0);
	assert_int_equal(contents_sample(&c, buf, sizeof(buf), &len, NULL), 0);
	assert_int_equal(len, 6);
	assert_string_equal(buf, "onetwo");
	contents_release(&c);
}

/* Of the small file that comes first there is not more than there is. */
static void a_sample_is_from_all_over(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *bytes = xmalloc(MB), *a, *b;
	struct contents c = { 0 };
	char buf[800];
	size_t len;

	memset(bytes, 'a', MB);
	a = put(f, "a", bytes, 1000);
	for (int i = 0; i < MB; i++)
		bytes[i] = (char)('b' + i / (MB / 8));
	b = put(f, "b", bytes, MB);
	assert_int_equal(contents_add_file(&c, "a", a, NULL), 0);
	assert_int_equal(contents_add_file(&c, "b", b, NULL), 0);
	assert_int_equal(contents_finish(&c, NULL), 0);
	assert_int_equal(contents_sample(&c, buf, sizeof(buf), &len, NULL), 0);
	assert_int_equal(len, sizeof(buf));
	assert_memory_equal(buf, "aaaaaaaa", 8);
	for (int i = 1; i < 8; i++)
		assert_int_equal(buf[i * 100 + 50], 'b' + i - 1);
	contents_release(&c);
}

/* ------------------------------------------------------------------ */
/* Bundles                                                             */

/* Whether the one part, with that data, is compressed. */
static bool is_compressed(struct fixture *f, const char *data, uint64_t link)
{
	const struct make_program programs[] = { { f->program, NULL } };
	const char *files[] = { data, NULL };
	const struct make_order order = { .programs = programs, .nprograms = 1,
					  .files = files, .path = f->path,
					  .link = link };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bundle bundle;
	bool zstd;

	if (make_bundle(&order, &err) < 0 ||
	    bundle_open(&bundle, f->path, &err) < 0)
		fail_msg("%s", err.text);
	zstd = strstr(bundle.parts[0].name, ".zst") != NULL;
	/* What it is called and what it is are the same. */
	assert_int_equal(bundle.parts[0].size < MB, zstd);
	bundle_release(&bundle);
	return zstd;
}

static void bundles_are_compressed_where_it_is_worth_it(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE uint8_t *noise = random_bytes(MB), *code = code_bytes(MB);
	AUTO_FREE char *packed = put(f, "packed", noise, MB);
	AUTO_FREE char *plain = put(f, "plain", code, MB);

	assert_true(is_compressed(f, plain, GAIN_ANY));
	assert_false(is_compressed(f, packed, GAIN_ANY));
	/* 1 byte a second, and more than any has. */
	assert_true(is_compressed(f, plain, 1));
	assert_false(is_compressed(f, plain, 1ull << 50));
	assert_false(is_compressed(f, packed, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_held_against_the_link),
		cmocka_unit_test(a_tenth_is_not_worth_it_anywhere),
		cmocka_unit_test(what_is_measured_is_so),
		TEST(all_of_little_is_the_sample),
		TEST(a_sample_is_from_all_over),
		TEST(bundles_are_compressed_where_it_is_worth_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
