#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "supervisor/binary.h"

struct fixture {
	char dir[64];
	struct binary_store store;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/binary-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	binary_store_init(&f->store, f->dir, NULL, NULL);
	*state = f;
	return 0;
}

/* The names in the folder but for . and .., counted, and perhaps removed. */
static int entries(const char *path, bool remove)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (remove)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return n;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	binary_store_release(&f->store);
	folder_empty(f->dir, NULL, NULL);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Our own program, with `extra` behind it, which changes nothing but the
 * digest. */
static char *program(size_t *len, const char *extra)
{
	int fd = open(BINARY_SELF, O_RDONLY);
	struct stat st;
	char *bytes;

	assert_int_equal(fstat(fd, &st), 0);
	bytes = xmalloc((size_t)st.st_size + strlen(extra));
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	memcpy(bytes + st.st_size, extra, strlen(extra));
	*len = (size_t)st.st_size + strlen(extra);
	return bytes;
}

static int upload(struct binary_store *store, const void *bytes, size_t len,
		  char *digest, struct bigm_error *err)
{
	struct binary_upload *up = binary_upload_new(store, err);

	if (!up)
		return err->code;
	if (binary_upload_append(up, bytes, len / 2, err) < 0 ||
	    binary_upload_append(up, (const char *)bytes + len / 2,
				 len - len / 2, err) < 0) {
		binary_upload_abort(up);
		return err->code;
	}
	return binary_upload_finish(up, digest, err);
}

static char *next_path(struct binary_store *store, const char *digest,
		       struct bigm_error *err)
{
	struct image *image = binary_next(store, digest, err);
	char *path = image ? xstrdup(image->path) : NULL;

	image_free(image);
	return path;
}

static void an_upload_becomes_the_next_program(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char digest[BINARY_DIGEST_SIZE], own[BINARY_DIGEST_SIZE];
	size_t len;
	AUTO_FREE char *bytes = program(&len, ""), *path = NULL, *same = NULL;
	struct stat st;

	assert_int_equal(upload(&f->store, bytes, len, digest, &err), 0);
	assert_int_equal(strncmp(digest, "sha256:", 7), 0);
	assert_int_equal(strlen(digest), 71);
	/* two ways to the same number: by parts, and from the file */
	assert_int_equal(binary_own_digest(&f->store, own, &err), 0);
	assert_string_equal(own, digest);
	path = next_path(&f->store, NULL, &err);
	assert_int_equal(strncmp(path, f->dir, strlen(f->dir)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal((size_t)st.st_size, len);
	same = next_path(&f->store, digest, &err);
	assert_string_equal(same, path);
	assert_int_equal(entries(f->dir, false), 1);
}

static void only_the_last_upload_is_the_next_program(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char one[BINARY_DIGEST_SIZE], two[BINARY_DIGEST_SIZE];
	size_t len;
	AUTO_FREE char *bytes = program(&len, "x"), *path = NULL;

	assert_int_equal(upload(&f->store, bytes, len, one, &err), 0);
	bytes[len - 1] = 'y';
	assert_int_equal(upload(&f->store, bytes, len, two, &err), 0);
	assert_int_equal(upload(&f->store, bytes, len, two, &err), 0);
	assert_int_equal(entries(f->dir, false), 1);
	path = next_path(&f->store, two, &err);
	assert_non_null(path);
}

static void what_came_before_need_not_be_sent_again(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char one[BINARY_DIGEST_SIZE], two[BINARY_DIGEST_SIZE];
	size_t len;
	AUTO_FREE char *bytes = program(&len, "x"), *path = NULL;
	AUTO_FREE char *kept = NULL, *damaged = NULL;

	assert_int_equal(upload(&f->store, bytes, len, one, &err), 0);
	bytes[len - 1] = 'y';
	assert_int_equal(upload(&f->store, bytes, len, two, &err), 0);
	path = next_path(&f->store, one, &err);
	assert_non_null(path);
	assert_int_equal(entries(f->dir, false), 1);
	/* It is the next one now; the other one may come back likewise, but
	 * not when it is something else by now. */
	kept = xasprintf("%s/.store/%s", f->dir, strchr(two, ':') + 1);
	assert_int_equal(truncate(kept, (off_t)len - 1), 0);
	damaged = next_path(&f->store, two, &err);
	assert_null(damaged);
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_int_equal(access(kept, F_OK), -1);
}

static void without_an_upload_the_program_itself_is_next(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char own[BINARY_DIGEST_SIZE];
	AUTO_FREE char *any = next_path(&f->store, NULL, &err);
	AUTO_FREE char *named = NULL;

	assert_string_equal(any, BINARY_SELF);
	assert_int_equal(binary_own_digest(&f->store, own, &err), 0);
	named = next_path(&f->store, own, &err);
	assert_string_equal(named, BINARY_SELF);
}

static void what_interrupts_an_upload_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct binary_upload *up = binary_upload_new(&f->store, &err);

	assert_non_null(up);
	assert_int_equal(binary_upload_append(up, "abc", 3, &err), 0);
	assert_int_equal(entries(f->dir, false), 1);
	binary_upload_abort(up);
	assert_int_equal(entries(f->dir, false), 0);
}

static void refused(struct fixture *f, void *bytes, size_t len,
		    const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char digest[BINARY_DIGEST_SIZE];

	assert_int_equal(upload(&f->store, bytes, len, digest, &err),
			 BIGM_EINVALID);
	assert_non_null(strstr(err.text, word));
	assert_int_equal(entries(f->dir, false), 0);
}

static void what_cannot_run_here_is_refused(void **state)
{
	struct fixture *f = *state;
	char script[] = "#!/bin/sh\necho this is no program for a machine\n";
	size_t len;
	AUTO_FREE char *bytes = program(&len, "");
	Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)bytes;
	Elf64_Ehdr kept = *elf;

	refused(f, script, strlen(script), "ELF");
	refused(f, script, 0, "ELF");
	refused(f, bytes, 17, "ELF");
	elf->e_machine = EM_S390;
	refused(f, bytes, len, "architecture");
	*elf = kept;
	elf->e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	refused(f, bytes, len, "architecture");
	*elf = kept;
	elf->e_type = ET_REL;
	refused(f, bytes, len, "object file");
}

static void no_folder_is_said(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct binary_store store;

	(void)state;
	binary_store_init(&store, "", NULL, NULL);
	assert_null(binary_upload_new(&store, &err));
	assert_int_equal(err.code, BIGM_EUNSUPPORTED);
	binary_store_release(&store);
	binary_store_init(&store, "/nowhere/at/all", NULL, NULL);
	assert_null(binary_upload_new(&store, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	binary_store_release(&store);
}

/* In a child with a file system of 64 KiB.  Returns 77 where we may not. */
static int fill_a_disk(const char *dir)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char digest[BINARY_DIGEST_SIZE];
	struct binary_store store;
	static char bytes[1 << 20];
	int rc;

	if (unshare(geteuid() == 0 ? CLONE_NEWNS :
				     CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount("none", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64k") < 0)
		return 77;
	binary_store_init(&store, dir, NULL, NULL);
	rc = upload(&store, bytes, sizeof(bytes), digest, &err);
	if (rc != BIGM_EEXHAUSTED || !strstr(err.text, dir) ||
	    !strstr(err.text, "space"))
		return 1;
	if (entries(dir, false) != 0)
		return 2;
	binary_store_release(&store);
	return 0;
}

static void a_full_disk_is_said_and_left_empty(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fill_a_disk(f->dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_upload_becomes_the_next_program),
		TEST(only_the_last_upload_is_the_next_program),
		TEST(what_came_before_need_not_be_sent_again),
		TEST(without_an_upload_the_program_itself_is_next),
		TEST(what_interrupts_an_upload_leaves_nothing),
		TEST(what_cannot_run_here_is_refused),
		TEST(no_folder_is_said),
		TEST(a_full_disk_is_said_and_left_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
