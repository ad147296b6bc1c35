/* The record: one lock tells who lives; dead ones' leftovers go; what is
 * foreign or unwritable is refused with its name. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "keeper/record.h"

/* Folders of this test's own. */
static int setup(void **state)
{
	char *root = xstrdup("/tmp/bigm-test-record-XXXXXX");
	AUTO_FREE char *runtime = NULL;

	if (!mkdtemp(root))
		return -1;
	runtime = xasprintf("%s/run", root);
	mkdir(runtime, 0700);
	setenv("XDG_STATE_HOME", root, 1);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	*state = root;
	return 0;
}

static int teardown(void **state)
{
	char *root = *state;
	int rc = folder_empty(root, NULL, NULL);

	rmdir(root);
	free(root);
	return rc;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct record *create(const char *name)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct record *r = record_create(name, &err);

	if (!r)
		fail_msg("%s", err.text);
	return r;
}

static size_t count_living(void)
{
	char **names = record_list(NULL);
	size_t n = 0;

	assert_non_null(names);
	while (names[n])
		n++;
	strings_free(names);
	return n;
}

static void test_life(void **state)
{
	struct record *r = create("alpha");
	struct stat st;
	AUTO_FREE char *dir = xstrdup(r->dir);
	AUTO_FREE char *sock = xstrdup(r->socket_path);
	struct record *found;
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(exists(sock));
	assert_int_equal(count_living(), 1);
	found = record_find(NULL, &err);
	assert_non_null(found);
	assert_string_equal(found->name, "alpha");
	assert_string_equal(found->socket_path, sock);
	assert_int_equal(record_wait_gone(found, 20, &err), BIGM_EDEADLINE);
	assert_int_equal(record_remove(r, &err), 0);
	record_free(r);
	assert_false(exists(dir));
	assert_false(exists(sock));
	assert_int_equal(count_living(), 0);
	assert_int_equal(record_wait_gone(found, 20, &err), 0);
	record_free(found);
	assert_null(record_find("alpha", &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_null(record_find(NULL, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
}

/* What cannot be looked at has not gone. */
static void test_wait_without_files(void **state)
{
	struct record *r = create("alpha"), *found = record_find("alpha", NULL);
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	int code = record_wait_gone(found, 20, NULL);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(code, BIGM_EDEADLINE);
	record_free(found);
	record_remove(r, NULL);
	record_free(r);
}

static void test_connect(void **state)
{
	struct record *r = create("alpha");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", r->socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	record_remove(r, NULL);
	record_free(r);
}

static void test_name_taken(void **state)
{
	struct record *r = create("alpha");
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(record_create("alpha", &err));
	assert_int_equal(err.code, BIGM_EEXIST);
	assert_non_null(strstr(err.text, "alpha"));
	record_remove(r, NULL);
	record_free(r);
}

static void test_several(void **state)
{
	struct record *a = create("a"), *b = create("aa");
	struct record *c = create(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	char **names = record_list(&err);

	assert_int_equal(record_check_name(c->name, NULL), 0);
	assert_string_equal(names[0], "a");
	assert_null(record_find(NULL, &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_non_null(strstr(err.text, "a, aa"));
	strings_free(names);
	record_remove(a, NULL);
	record_remove(b, NULL);
	record_remove(c, NULL);
	record_free(a);
	record_free(b);
	record_free(c);
}

/* As after kill -9 of guard and keeper, with a machine's tree in it. */
static void leave_dead(const char *name, char **dir, char **sock)
{
	struct record *r = create(name);
	AUTO_FREE char *sub = xasprintf("%s/m0/a/b", r->dir);
	AUTO_FREE char *link = xasprintf("%s/m0/link", r->dir);
	AUTO_FREE char *make = xasprintf("mkdir -p %s && echo x > %s/file && "
					 "chmod 500 %s", sub, sub, sub);

	assert_int_equal(system(make), 0);
	assert_int_equal(symlink("/etc", link), 0);
	*dir = xstrdup(r->dir);
	*sock = xstrdup(r->socket_path);
	record_free(r);
}

static void test_dead_are_removed(void **state)
{
	AUTO_FREE char *dir = NULL, *sock = NULL;

	leave_dead("alpha", &dir, &sock);
	assert_true(exists(dir) && exists(sock));
	assert_int_equal(count_living(), 0);
	assert_false(exists(dir));
	assert_false(exists(sock));
	assert_true(exists("/etc/passwd"));
}

static void test_dead_name_is_free(void **state)
{
	AUTO_FREE char *dir = NULL, *sock = NULL, *sub = NULL;
	struct record *r;

	leave_dead("alpha", &dir, &sock);
	r = create("alpha");
	sub = xasprintf("%s/m0", dir);
	assert_false(exists(sub));
	assert_int_equal(count_living(), 1);
	record_remove(r, NULL);
	record_free(r);
}

/* The lock outlives the process that took it while a child holds it. */
static void test_lock_is_shared_with_children(void **state)
{
	struct record *r = create("alpha");
	struct record *found;
	int gate[2];
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(gate[1]);
		_exit(read(gate[0], &c, 1) != 0);
	}
	close(gate[0]);
	record_free(r);
	assert_int_equal(count_living(), 1);
	found = record_find("alpha", NULL);
	assert_non_null(found);
	close(gate[1]);
	assert_int_equal(record_wait_gone(found, 5000, NULL), 0);
	record_free(found);
	assert_int_equal(count_living(), 0);
	waitpid(pid, NULL, 0);
}

/* Two hold the lock; when the second one cleans up, the name may be somebody
 * else's already. */
static void test_removed_twice(void **state)
{
	struct record *r = create("alpha"), *next;
	struct record other = *r;

	other.lock_fd = dup(r->lock_fd);
	assert_true(record_is_there(&other));
	assert_int_equal(record_remove(r, NULL), 0);
	assert_false(record_is_there(&other));
	next = create("alpha");
	assert_false(record_is_there(&other));
	assert_int_equal(record_remove(&other, NULL), 0);
	assert_int_equal(count_living(), 1);
	assert_true(exists(next->socket_path));
	record_remove(next, NULL);
	record_free(next);
	record_free(r);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {
		"", "-a", "A", "a b", "a/b", "..", "a.b", "ä",
		"a23456789012345678901234567890123456789012",
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(record_create(bad[i], &err));
		assert_int_equal(err.code, BIGM_EINVALID);
		assert_null(record_find(bad[i], &err));
		assert_int_equal(err.code, BIGM_EINVALID);
	}
	assert_int_equal(record_check_name(
		"a2345678901234567890123456789012345678901", &err), 0);
}

static void test_state_cannot_be_made(void **state)
{
	AUTO_FREE char *file = xasprintf("%s/file", (char *)*state);
	struct bigm_error err = BIGM_ERROR_INIT;

	close(open(file, O_WRONLY | O_CREAT, 0600));
	setenv("XDG_STATE_HOME", file, 1);
	assert_null(record_create("alpha", &err));
	assert_non_null(strstr(err.text, file));
	setenv("XDG_STATE_HOME", *state, 1);
}

static void test_folder_of_others(void **state)
{
	AUTO_FREE char *folder = xasprintf("%s/run/bigm", (char *)*state);
	struct bigm_error err = BIGM_ERROR_INIT;

	mkdir(folder, 0700);
	chmod(folder, 0777);
	assert_null(record_create("alpha", &err));
	assert_int_equal(err.code, BIGM_EPERMISSION);
	assert_non_null(strstr(err.text, folder));
	rmdir(folder);
	if (getuid() == 0) {
		mkdir(folder, 0700);
		assert_int_equal(chown(folder, 12345, 12345), 0);
		assert_null(record_create("alpha", &err));
		assert_int_equal(err.code, BIGM_EPERMISSION);
		assert_non_null(strstr(err.text, "12345"));
		rmdir(folder);
	}
	assert_int_equal(symlink(*state, folder), 0);
	assert_null(record_create("alpha", &err));
	assert_int_equal(err.code, BIGM_EPERMISSION);
	unlink(folder);
	assert_int_equal(count_living(), 0);
}

static void test_socket_path_too_long(void **state)
{
	AUTO_FREE char *deep = xasprintf("%s/run/%0100d", (char *)*state, 7);
	AUTO_FREE char *run = xasprintf("%s/run", (char *)*state);
	struct bigm_error err = BIGM_ERROR_INIT;

	mkdir(deep, 0700);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	assert_null(record_create("alpha", &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_non_null(strstr(err.text, "XDG_RUNTIME_DIR"));
	setenv("XDG_RUNTIME_DIR", run, 1);
	assert_int_equal(count_living(), 0);
}

static void test_write(void **state)
{
	struct record *r = create("alpha");
	AUTO_FREE char *path = xasprintf("%s/driver.pem", r->dir);
	struct stat st;

	assert_int_equal(record_write(r, "driver.pem", "one two", 7, NULL), 0);
	assert_int_equal(record_write(r, "driver.pem", "one", 3, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mode & 07777, 0600);
	record_remove(r, NULL);
	record_free(r);
}

/* Many create and list at once: nobody takes a fresh record for a dead
 * one's, and none is left. */
static void test_race(void **state)
{
	pid_t pids[8];

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		for (int k = 0; k < 60; k++) {
			char name[8] = { (char)('a' + i), 0 };
			struct record *r = record_create(name, NULL);
			char **names = r ? record_list(NULL) : NULL;
			bool seen = false;

			for (size_t n = 0; names && names[n]; n++)
				seen = seen || !strcmp(names[n], name);
			if (!seen || record_remove(r, NULL) < 0)
				_exit(1);
			strings_free(names);
			record_free(r);
		}
		_exit(0);
	}
	for (int i = 0; i < 8; i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_living(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_wait_without_files),
		TEST(test_connect),
		TEST(test_name_taken),
		TEST(test_several),
		TEST(test_dead_are_removed),
		TEST(test_dead_name_is_free),
		TEST(test_lock_is_shared_with_children),
		TEST(test_removed_twice),
		TEST(test_bad_names),
		TEST(test_state_cannot_be_made),
		TEST(test_folder_of_others),
		TEST(test_socket_path_too_long),
		TEST(test_write),
		TEST(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
