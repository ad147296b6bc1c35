#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/folder.h"

/* Of nobody, as Debian has it. */
#define SOMEBODY 65534

/* Each test has a folder of its own, where it is as well. */
static int enter(void **state)
{
	char *path = NULL;
	const char *top = getenv("TMPDIR");

	if (asprintf(&path, "%s/folder.XXXXXX", top ? top : "/tmp") < 0 ||
	    !mkdtemp(path) || chdir(path) < 0)
		return -1;
	*state = path;
	return 0;
}

static int leave(void **state)
{
	int rc = folder_empty(*state, NULL, NULL);

	if (chdir("/") < 0 || rmdir(*state) < 0)
		rc = -1;
	free(*state);
	return rc;
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void links_are_removed_and_what_they_name_stays(void **state)
{
	assert_int_equal(mkdir("precious", 0700), 0);
	put("precious/file");
	assert_int_equal(mkdir("left", 0700), 0);
	assert_int_equal(symlink("../precious", "left/folder"), 0);
	assert_int_equal(symlink("../precious/file", "left/file"), 0);
	assert_int_equal(folder_empty("left", NULL, NULL), 0);
	assert_int_equal(rmdir("left"), 0);
	assert_int_equal(access("precious/file", F_OK), 0);
}

static void a_link_in_the_folder_s_place_is_refused(void **state)
{
	struct bigm_error err = { 0 };

	assert_int_equal(mkdir("precious", 0700), 0);
	put("precious/file");
	assert_int_equal(symlink("precious", "left"), 0);
	assert_true(folder_empty("left", NULL, &err) < 0);
	assert_non_null(strstr(err.text, "cannot open left"));
	assert_int_equal(access("precious/file", F_OK), 0);
}

static void one_name_is_kept_but_at_the_top_only(void **state)
{
	assert_int_equal(mkdir("left", 0700), 0);
	assert_int_equal(mkdir("left/sub", 0700), 0);
	put("left/keep");
	put("left/sub/keep");
	assert_int_equal(folder_empty("left", "keep", NULL), 0);
	assert_int_equal(access("left/keep", F_OK), 0);
	assert_int_equal(access("left/sub", F_OK), -1);
}

/* In a process of its own, where it is not root: root may do everything. */
static void folders_that_their_maker_closed_are_removed(void **state)
{
	pid_t child;
	int status;

	assert_int_equal(chmod(".", 0777), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int rc = geteuid() == 0 ? setuid(SOMEBODY) : 0;

		rc |= mkdir("left", 0700) | mkdir("left/closed", 0700) |
		      mkdir("left/closed/sub", 0700) |
		      mknod("left/closed/sub/file", S_IFREG | 0600, 0) |
		      chmod("left/closed/sub", 0500) |
		      chmod("left/closed", 0);
		rc |= folder_empty("left", NULL, NULL) | rmdir("left");
		_exit(rc == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* As many as would take all the descriptors, or the stack. */
static void a_depth_that_nobody_needs_is_an_error(void **state)
{
	enum { DEPTH = 220 };
	struct bigm_error err = { 0 };
	const int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdir("d", 0700), 0);
		assert_int_equal(chdir("d"), 0);
	}
	assert_int_equal(fchdir(top), 0);
	assert_true(folder_remove_at(top, "d", &err) < 0);
	assert_non_null(strstr(err.text, "cannot remove d"));
	assert_non_null(strstr(err.text, strerror(ELOOP)));
	/* The upper half goes by itself. */
	for (int i = 0; i < DEPTH / 2; i++)
		assert_int_equal(chdir("d"), 0);
	assert_int_equal(folder_empty(".", NULL, NULL), 0);
	assert_int_equal(fchdir(top), 0);
	assert_int_equal(folder_remove_at(top, "d", NULL), 0);
	close(top);
}

static void what_is_not_there_is_no_error(void **state)
{
	assert_int_equal(folder_empty("nowhere", NULL, NULL), 0);
	assert_int_equal(folder_remove_at(AT_FDCWD, "nowhere", NULL), 0);
}

/* A file that nobody may remove, whoever he is. */
static void what_cannot_be_removed_is_told_truly(void **state)
{
	AUTO_CLOSE int proc = open("/proc/self", O_RDONLY | O_DIRECTORY |
							  O_CLOEXEC);
	struct bigm_error err = { 0 };

	assert_int_equal(folder_remove_at(proc, "status", &err),
			 BIGM_EPERMISSION);
	assert_non_null(strstr(err.text, strerror(EPERM)));
}

static void a_file_in_the_place_of_a_folder_is_named(void **state)
{
	struct bigm_error err = { 0 };

	assert_int_equal(folder_make("made", NULL), 0);
	assert_int_equal(folder_make("made", NULL), 0);
	put("file");
	assert_true(folder_make("file", &err) < 0);
	assert_non_null(strstr(err.text, "the folder file"));
	assert_non_null(strstr(err.text, strerror(ENOTDIR)));
}

static void what_another_put_beside_a_program_is_not_used(void **state)
{
	put("program");
	put("bigm");
	assert_true(beside_is_ours("bigm", "program"));
	assert_false(beside_is_ours("nowhere", "program"));
	if (geteuid() != 0)
		skip();
	/* Only his: neither ours nor root's, nor of whom the program is. */
	assert_int_equal(chown("bigm", SOMEBODY, SOMEBODY), 0);
	assert_false(beside_is_ours("bigm", "program"));
	assert_false(beside_is_ours("bigm", "nowhere"));
	assert_int_equal(symlink("bigm", "link"), 0);
	assert_false(beside_is_ours("link", "program"));
	/* His link to what is ours. */
	assert_int_equal(symlink("program", "his"), 0);
	assert_int_equal(lchown("his", SOMEBODY, SOMEBODY), 0);
	assert_false(beside_is_ours("his", "program"));
	/* Who runs his program trusts him. */
	assert_int_equal(chown("program", SOMEBODY, SOMEBODY), 0);
	assert_true(beside_is_ours("bigm", "program"));
}

#define WIDE 300

static void *empty_tree(void *data)
{
	struct bigm_error *err = data;

	return (void *)(intptr_t)folder_empty("tree", NULL, err);
}

/* As a keeper and its guard may. */
static void two_may_remove_the_same(void **state)
{
	struct bigm_error whys[2] = { BIGM_ERROR_INIT, BIGM_ERROR_INIT };
	pthread_t threads[2];
	char name[64];
	void *rc;

	assert_int_equal(mkdir("tree", 0700), 0);
	for (int i = 0; i < WIDE; i++) {
		snprintf(name, sizeof(name), "tree/%d", i);
		assert_int_equal(mkdir(name, 0700), 0);
		strcat(name, "/file");
		put(name);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, empty_tree,
						&whys[i]), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_string_equal(whys[i].text, "");
		assert_int_equal((intptr_t)rc, 0);
	}
	assert_int_equal(rmdir("tree"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_are_removed_and_what_they_name_stays),
		TEST(a_link_in_the_folder_s_place_is_refused),
		TEST(one_name_is_kept_but_at_the_top_only),
		TEST(folders_that_their_maker_closed_are_removed),
		TEST(a_depth_that_nobody_needs_is_an_error),
		TEST(what_is_not_there_is_no_error),
		TEST(what_cannot_be_removed_is_told_truly),
		TEST(a_file_in_the_place_of_a_folder_is_named),
		TEST(two_may_remove_the_same),
		TEST(what_another_put_beside_a_program_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
