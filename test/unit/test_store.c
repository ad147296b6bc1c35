#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/folder.h"
#include "supervisor/store.h"

struct place {
	char dir[64];
	struct store store;
};

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	snprintf(p->dir, sizeof(p->dir), "%s/store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	store_init(&p->store, p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	store_release(&p->store);
	folder_empty(p->dir, NULL, NULL);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(files_write(fd, text, strlen(text)), 0);
	close(fd);
}

/* A file of that text, in the machine's folder and in the store; digest is its
 * text's. */
static void add(struct place *p, const char *text, char digest[DIGEST_SIZE])
{
	AUTO_FREE char *path = xasprintf("%s/file", p->dir);

	write_file(path, text);
	assert_int_equal(digest_file(path, digest, NULL), 0);
	store_add(&p->store, digest, AT_FDCWD, path);
	assert_int_equal(unlink(path), 0);
}

static char *path_in_store(const struct place *p, const char *digest)
{
	return xasprintf("%s/.store/%s", p->dir, strchr(digest, ':') + 1);
}

/* What store_copy() gives, as text; NULL with *err. */
static char *copy(struct place *p, const char *digest, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/copy", p->dir);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *text = xcalloc(1, 64);

	if (store_copy(&p->store, digest, fd, err) == 0) {
		assert_true(pread(fd, text, 63, 0) >= 0);
		return text;
	}
	free(text);
	return NULL;
}

static void a_file_is_had_by_its_digest(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *link = xasprintf("%s/link", p->dir), *text = NULL;
	char digest[DIGEST_SIZE], same[DIGEST_SIZE];
	uint64_t size = 0;

	add(p, "one", digest);
	assert_true(store_has(&p->store, digest));
	assert_true(store_names(&p->store, digest, &size));
	assert_int_equal(size, 3);
	text = copy(p, digest, &err);
	assert_string_equal(text, "one");
	assert_int_equal(store_link(&p->store, digest, link, &err), 0);
	assert_int_equal(digest_file(link, same, &err), 0);
	assert_string_equal(same, digest);
	/* Where something is already. */
	assert_int_equal(store_link(&p->store, digest, link, &err), BIGM_EEXIST);
	assert_non_null(strstr(err.text, digest));
}

#define NONE                                                                  \
	"sha256:0000000000000000000000000000000000000000000000000000000000000000"

/* Peers say which one they want: nothing of it may lead out of the store. */
static void what_is_no_digest_names_nothing(void **state)
{
	static const char *const names[] = {
		NONE, "", "sha256:", "sha256:../file", "sha256:..", "file",
		"sha256:/etc/passwd",
		"sha256:00000000000000000000000000000000000000000000/../file",
	};
	struct place *p = *state;
	AUTO_FREE char *file = xasprintf("%s/file", p->dir);
	AUTO_FREE char *link = xasprintf("%s/link", p->dir);
	char digest[DIGEST_SIZE];

	add(p, "one", digest);
	write_file(file, "outside");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_false(store_has(&p->store, names[i]));
		assert_false(store_names(&p->store, names[i], NULL));
		assert_null(copy(p, names[i], &err));
		assert_int_equal(err.code, BIGM_ENOTFOUND);
		assert_int_equal(store_link(&p->store, names[i], link, &err),
				 BIGM_ENOTFOUND);
	}
	store_add(&p->store, "sha256:../stolen", AT_FDCWD, file);
	assert_int_equal(access(file, F_OK), 0);
	assert_true(store_has(&p->store, digest));
}

/* A program may write to a file that it shares with the store. */
static void a_file_that_was_changed_is_not_given(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char one[DIGEST_SIZE], two[DIGEST_SIZE];
	AUTO_FREE char *first = NULL, *second = NULL, *text = NULL;

	add(p, "one", one);
	add(p, "two", two);
	first = path_in_store(p, one);
	second = path_in_store(p, two);
	write_file(first, "1");
	write_file(second, "2");
	assert_false(store_has(&p->store, one));
	assert_int_equal(access(first, F_OK), -1);
	assert_null(copy(p, two, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_true(err.retriable);
	assert_non_null(strstr(err.text, two));
	assert_int_equal(access(second, F_OK), -1);
	/* When it comes again, it counts. */
	write_file(first, "changed once more");
	add(p, "one", one);
	assert_true(store_has(&p->store, one));
	text = copy(p, one, &err);
	assert_string_equal(text, "one");
}

/* Nor is what somebody has put in its place. */
static void a_link_is_not_followed(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char digest[DIGEST_SIZE];
	AUTO_FREE char *path = NULL, *target = xasprintf("%s/target", p->dir);

	add(p, "one", digest);
	path = path_in_store(p, digest);
	write_file(target, "one");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_false(store_names(&p->store, digest, NULL));
	assert_false(store_has(&p->store, digest));
	assert_null(copy(p, digest, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
}

static void what_cannot_be_written_is_told(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char digest[DIGEST_SIZE];
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	add(p, "one", digest);
	assert_int_equal(store_copy(&p->store, digest, full, &err),
			 BIGM_EEXHAUSTED);
	assert_true(store_has(&p->store, digest));
}

static void a_machine_without_a_folder_has_none(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct store store;

	(void)state;
	store_init(&store, "");
	assert_null(store.dir);
	store_add(&store, NONE, AT_FDCWD, "/proc/self/exe");
	assert_false(store_has(&store, NONE));
	assert_false(store_names(&store, NONE, NULL));
	assert_int_equal(store_copy(&store, NONE, STDERR_FILENO, &err),
			 BIGM_ENOTFOUND);
	assert_int_equal(store_link(&store, NONE, "/nonexistent/file", &err),
			 BIGM_ENOTFOUND);
	store_trim(&store);
	store_release(&store);
}

static void set_used(const struct place *p, const char *digest, time_t when)
{
	AUTO_FREE char *path = path_in_store(p, digest);
	const struct timespec times[] = { { .tv_sec = when },
					  { .tv_sec = when, .tv_nsec = when } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void beyond_the_limit_the_least_used_go(void **state)
{
	static const char *const texts[] = { "aaaa", "bbbb", "cccc", "dddd" };
	struct place *p = *state;
	AUTO_FREE char *folder = xasprintf("%s/.store/folder", p->dir);
	char digests[4][DIGEST_SIZE];

	p->store.limit = 9;
	store_trim(&p->store); /* of nothing */
	for (int i = 0; i < 4; i++)
		add(p, texts[i], digests[i]);
	assert_int_equal(mkdir(folder, 0700), 0);
	for (int i = 0; i < 4; i++)
		set_used(p, digests[i], 1000 + 10 * i);
	assert_true(store_has(&p->store, digests[0])); /* which uses it */
	store_trim(&p->store);
	assert_true(store_names(&p->store, digests[0], NULL));
	assert_false(store_names(&p->store, digests[1], NULL));
	assert_false(store_names(&p->store, digests[2], NULL));
	assert_true(store_names(&p->store, digests[3], NULL));
	assert_int_equal(access(folder, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_had_by_its_digest),
		TEST(what_is_no_digest_names_nothing),
		TEST(a_file_that_was_changed_is_not_given),
		TEST(a_link_is_not_followed),
		TEST(what_cannot_be_written_is_told),
		cmocka_unit_test(a_machine_without_a_folder_has_none),
		TEST(beyond_the_limit_the_least_used_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
