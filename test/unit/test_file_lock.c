#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file_lock.h"

struct place {
	char dir[32], path[48];
};

static int set_up(void **state)
{
	static struct place place;

	snprintf(place.dir, sizeof(place.dir), "/tmp/file-lock-XXXXXX");
	assert_non_null(mkdtemp(place.dir));
	snprintf(place.path, sizeof(place.path), "%s/lock", place.dir);
	*state = &place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	return rmdir(place->dir);
}

static void test_one_has_it(void **state)
{
	const char *path = ((struct place *)*state)->path;
	int fd = -1, other = -1;

	assert_int_equal(file_lock_take(path, 0, &fd), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(file_lock_is_held(path));
	assert_int_equal(file_lock_take(path, O_CREAT, &fd), 0);
	assert_true(fd >= 0);
	assert_int_equal(file_lock_take(path, O_CREAT, &other), 1);
	assert_int_equal(other, -1);
	assert_true(file_lock_is_held(path));
	other = file_lock_open(path);
	assert_true(file_lock_is_taken(other));
	close(fd);
	assert_false(file_lock_is_taken(other));
	assert_false(file_lock_is_held(path));
	close(other);
}

static void test_a_file_that_was_removed_is_not_it(void **state)
{
	const char *path = ((struct place *)*state)->path;
	int fd = -1, second = -1;

	assert_int_equal(file_lock_take(path, O_CREAT, &fd), 0);
	assert_true(file_lock_is_current(fd, path));
	unlink(path);
	assert_false(file_lock_is_current(fd, path));
	assert_int_equal(file_lock_take(path, O_CREAT, &second), 0);
	assert_false(file_lock_is_current(fd, path));
	assert_true(file_lock_is_current(second, path));
	close(fd);
	close(second);
}

/* What lives must not be taken for dead. */
static void test_it_may_be_held_where_nobody_can_look(void **state)
{
	const char *path = ((struct place *)*state)->path;
	struct rlimit limit, none;
	bool held;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	held = file_lock_is_held(path);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_has_it),
		TEST(test_a_file_that_was_removed_is_not_it),
		TEST(test_it_may_be_held_where_nobody_can_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
