#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "bundle/unpack.h"

#define NOTHING "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HEAD "{\"format\":1,\"arch\":\"linux/any\",\"program\":\"app\",\"files\":["
#define APP "{\"path\":\"app\",\"size\":5,\"executable\":true,\"digest\":\"" HELLO "\"}"

struct fixture {
	char dir[64];
	char *root; /* where the bundle goes */
	int fd;	    /* the part */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/unpack-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->root = xasprintf("%s/root", f->dir);
	f->fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cleanup_close(&f->fd);
	folder_empty(f->dir, NULL, NULL);
	rmdir(f->dir);
	free(f->root);
	free(f);
	return 0;
}

/* An entry of a part: kind 'f'ile, 'l'ink, 'd'ir, 'h'ard link, 'c'haracter or
 * 'b'lock device, 'p'ipe. */
struct entry {
	char kind;
	const char *name;
	const char *text; /* content, or target */
	unsigned mode;
};

static void add(struct archive *a, const struct entry *e)
{
	struct archive_entry *entry = archive_entry_new();
	const char *text = e->text ? e->text : "";
	bool file = e->kind == 'f';

	archive_entry_set_pathname(entry, e->name);
	archive_entry_set_filetype(entry, e->kind == 'l' ? AE_IFLNK :
					  e->kind == 'd' ? AE_IFDIR :
					  e->kind == 'c' ? AE_IFCHR :
					  e->kind == 'b' ? AE_IFBLK :
					  e->kind == 'p' ? AE_IFIFO :
							   AE_IFREG);
	archive_entry_set_perm(entry, e->mode ? e->mode : 0644);
	archive_entry_set_size(entry, file ? (int64_t)strlen(text) : 0);
	if (e->kind == 'l')
		archive_entry_set_symlink(entry, text);
	if (e->kind == 'h')
		archive_entry_set_hardlink(entry, text);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	if (file)
		assert_int_equal(archive_write_data(a, text, strlen(text)),
				 strlen(text));
	archive_entry_free(entry);
}

/* A part of a manifest and entries, which end with kind 0. */
static void make_part(struct fixture *f, const char *manifest,
		      const struct entry *entries)
{
	struct archive_sink sink;
	struct archive *a;

	cleanup_close(&f->fd);
	f->fd = memfd_create("part", 0);
	sink = (struct archive_sink){ .fd = f->fd };
	a = archive_create(&sink, true, NULL);
	assert_int_equal(archive_add_bytes(a, MANIFEST_NAME, manifest,
					   strlen(manifest), NULL), 0);
	for (; entries && entries->kind; entries++)
		add(a, entries);
	assert_int_equal(archive_close(a, "part", NULL), 0);
}

static int entries_of(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int n = 0;

	while (dir && (e = readdir(dir)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (dir)
		closedir(dir);
	return n;
}

static struct image *unpack(struct fixture *f, struct bigm_error *err)
{
	struct intake_file file;
	struct image *image;

	assert_int_equal(intake_file_init(&file, f->fd, err), 0);
	image = bundle_intake.unpack(&file.source, f->root, NULL, err);
	free(file.piece);
	return image;
}

static bool is_known(const struct fixture *f)
{
	char begin[INTAKE_BEGIN];
	ssize_t n = pread(f->fd, begin, sizeof(begin), 0);

	assert_true(n >= 0);
	return bundle_intake.knows(begin, (size_t)n);
}

static void assert_refused(struct fixture *f, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct image *image = unpack(f, &err);

	assert_null(image);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	assert_int_equal(entries_of(f->dir), 0);
}

static char *text_of(const struct fixture *f, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", f->root, name);
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char text[64] = "";

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	return xstrdup(text);
}

static void files_links_and_folders_come_out(void **state)
{
	struct fixture *f = *state;
	const struct entry entries[] = {
		{ 'f', "app", "hello", 06755 },
		{ 'l', "d/back", "../app", 0 },
		{ 'd', "d/empty", NULL, 07777 },
		{ 'f', "d/file", "hello", 0 },
		{ 'l', "link", "d", 0 },
		{ 0 },
	};
	AUTO_FREE char *program = xasprintf("%s/app", f->root), *text = NULL;
	AUTO_FREE char *folder = xasprintf("%s/d/empty", f->root);
	struct image *image;
	struct stat st;

	make_part(f, HEAD APP ",{\"path\":\"d/back\",\"link\":\"../app\"},"
		     "{\"path\":\"d/empty\",\"folder\":true},"
		     "{\"path\":\"d/file\",\"size\":5,\"digest\":\"" HELLO "\"},"
		     "{\"path\":\"link\",\"link\":\"d\"}]}", entries);
	assert_true(is_known(f));
	image = unpack(f, NULL);
	assert_non_null(image);
	assert_string_equal(image->path, program);
	assert_string_equal(image->dir, f->root);
	assert_true(image->named);
	image_free(image);
	assert_int_equal(stat(program, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	text = text_of(f, "link/back");
	assert_string_equal(text, "hello");
	bundle_intake.discard(f->root);
	assert_int_equal(entries_of(f->dir), 0);
}

/* Manifests that are wrong by themselves. */
static void bad_manifests_are_refused(void **state)
{
	static const struct {
		const char *files, *word;
	} cases[] = {
		{ APP ",{\"path\":\"/etc/x\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"../x\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"d/../../x\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"d//x\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"d/\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"d/.\",\"folder\":true}", "relative" },
		{ APP ",{\"path\":\"l\",\"link\":\"/etc\"}", "a link to" },
		{ APP ",{\"path\":\"l\",\"link\":\"..\"}", "a link to" },
		{ APP ",{\"path\":\"l\",\"link\":\"../x\"}", "a link to" },
		{ APP ",{\"path\":\"l\",\"link\":\"\"}", "a link to" },
		{ APP ",{\"path\":\"d/l\",\"link\":\"../..\"}", "a link to" },
		{ APP ",{\"path\":\"d/l\",\"link\":\"../../x\"}", "a link to" },
		{ APP ",{\"path\":\"d/l\",\"link\":\"x/../../y\"}", "a link to" },
		{ APP "," APP, "twice" },
		{ "{\"path\":\"b\",\"folder\":true}," APP, "out of order" },
		{ "", "is no executable file" },
		{ "{\"path\":\"app\",\"folder\":true}", "is no executable file" },
		{ "{\"path\":\"app\",\"size\":5,\"digest\":\"" HELLO "\"}",
		  "is no executable file" },
		{ "{\"path\":\"app\",\"size\":5,\"digest\":\"sha256:0\"}",
		  "its digest" },
		{ "{\"path\":\"app\",\"size\":-5,\"digest\":\"" HELLO "\"}",
		  "size" },
		{ APP ",{\"path\":\"x\",\"size\":9000000000,\"digest\":\"" HELLO
		      "\"}", "bytes" },
		/* None is too large, but all together are. */
		{ APP ",{\"path\":\"x\",\"size\":5000000000,\"digest\":\"" HELLO
		      "\"},{\"path\":\"y\",\"size\":5000000000,\"digest\":\""
		      HELLO "\"}", "y: with it the files have more" },
		{ "7", "path is missing" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_FREE char *manifest = xasprintf(HEAD "%s]}",
						     cases[i].files);

		make_part(f, manifest, NULL);
		assert_refused(f, cases[i].word);
	}
}

/* A name of 256 bytes, and a path of 1025 with none that is too long. */
static void paths_have_limits(void **state)
{
	struct fixture *f = *state;
	char name[257], path[1026];

	memset(name, 'n', 256);
	name[256] = '\0';
	for (int i = 0; i < 1025; i++)
		path[i] = i % 100 == 99 ? '/' : 'p';
	path[1025] = '\0';
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *manifest =
			xasprintf(HEAD APP ",{\"path\":\"%s\","
				  "\"folder\":true}]}", i == 0 ? name : path);
		make_part(f, manifest, NULL);
		assert_refused(f, i == 0 ? "longer than 255 bytes"
					 : "a path of more than 1024 bytes");
	}
}

static void other_formats_and_no_manifests_are_refused(void **state)
{
	struct fixture *f = *state;

	make_part(f, "{\"format\":2}", NULL);
	assert_refused(f, "format 2");
	make_part(f, "[]", NULL);
	assert_refused(f, "format");
	make_part(f, "{\"format\":1", NULL);
	assert_refused(f, "manifest");
}

/* Entries that are not what the manifest says. */
static void entries_have_to_be_as_the_manifest_says(void **state)
{
	static const struct {
		struct entry entries[3];
		const char *word;
	} cases[] = {
		{ { { 'f', "other", "hello", 0 } }, "is where the manifest has" },
		{ { { 'f', "/app", "hello", 0 } }, "is where the manifest has" },
		{ { { 'f', "../app", "hello", 0 } }, "is where the manifest has" },
		{ { { 'f', "app", "hell", 0 } }, "is not what the manifest says" },
		{ { { 'f', "app", "hello!", 0 } },
		  "is not what the manifest says" },
		{ { { 'f', "app", "HELLO", 0 } },
		  "is not what the manifest says" },
		{ { { 'l', "app", "/bin/sh", 0 } }, "another kind" },
		{ { { 'h', "app", "/bin/sh", 0 } }, "another kind" },
		{ { { 'c', "app", NULL, 0 } }, "another kind" },
		{ { { 'b', "app", NULL, 0 } }, "another kind" },
		{ { { 'p', "app", NULL, 0 } }, "another kind" },
		{ { { 'd', "app", NULL, 0 } }, "is where the manifest has" },
		{ { { 0 } }, "is cut off" },
		{ { { 'f', "app", "hello", 0 }, { 'f', "x", "y", 0 } },
		  "more than the manifest" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make_part(f, HEAD APP "]}", cases[i].entries);
		assert_refused(f, cases[i].word);
	}
}

/* Where the digest of the whole part is, those of files are not looked at; how
 * much there is of them is. */
static void sizes_count_without_digests(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = { { "hello", true }, { "other", true }, { "hell", false },
		      { "hello!", false } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct entry entries[] = {
			{ 'f', "app", cases[i].text, 0 }, { 0 },
		};
		struct bigm_error err = BIGM_ERROR_INIT;
		struct intake_file file;
		struct image *image;

		make_part(f, HEAD APP "]}", entries);
		assert_int_equal(intake_file_init(&file, f->fd, &err), 0);
		file.source.checked = true;
		image = bundle_intake.unpack(&file.source, f->root, NULL, &err);
		free(file.piece);
		assert_int_equal(image != NULL, cases[i].good);
		if (image)
			bundle_intake.discard(f->root);
		else
			assert_non_null(strstr(err.text, "is not what"));
		image_free(image);
		assert_int_equal(entries_of(f->dir), 0);
	}
}

/* The link would be a folder on the way to the file. */
static void nothing_is_written_through_a_link(void **state)
{
	struct fixture *f = *state;
	const struct entry entries[] = {
		{ 'f', "app", "hello", 0 },
		{ 'l', "d", "app", 0 },
		{ 'f', "d/file", "hello", 0 },
		{ 0 },
	};

	make_part(f, HEAD APP ",{\"path\":\"d\",\"link\":\"app\"},"
		     "{\"path\":\"d/file\",\"size\":5,\"digest\":\"" HELLO
		     "\"}]}", entries);
	assert_refused(f, "cannot make the link d");
}

static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
	struct fixture *f = *state;
	const struct entry entries[] = { { 'f', "app", "hello", 0 }, { 0 } };

	make_part(f, HEAD APP ",{\"path\":\"zeros\",\"size\":1000000000,"
		     "\"digest\":\"" NOTHING "\"}]}", entries);
	assert_refused(f, "1000000005 bytes would come of");
}

static void too_many_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct buffer text = BUFFER_INIT(BUNDLE_MAX_MANIFEST);

	buffer_appendf(&text, NULL, HEAD APP);
	for (int i = 0; i < BUNDLE_MAX_FILES; i++)
		buffer_appendf(&text, NULL,
			       ",{\"path\":\"d%06d\",\"folder\":true}", i);
	buffer_appendf(&text, NULL, "]}");
	make_part(f, buffer_string(&text), NULL);
	buffer_release(&text);
	assert_refused(f, "at most 50000");
}

/* Wherever a part is cut or changed, nothing of it is left. */
static void damage_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	const struct entry entries[] = { { 'f', "app", "hello", 0 }, { 0 } };
	struct stat st;

	make_part(f, HEAD APP "]}", entries);
	assert_int_equal(fstat(f->fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at += 3) {
		struct bigm_error err = BIGM_ERROR_INIT;
		struct image *image;
		char byte;

		assert_int_equal(pread(f->fd, &byte, 1, at), 1);
		byte ^= 0x55;
		assert_int_equal(pwrite(f->fd, &byte, 1, at), 1);
		image = unpack(f, &err);
		byte ^= 0x55;
		assert_int_equal(pwrite(f->fd, &byte, 1, at), 1);
		/* Times and the like may change without harm. */
		if (image)
			bundle_intake.discard(f->root);
		image_free(image);
		assert_int_equal(entries_of(f->dir), 0);
	}
	for (off_t len = st.st_size - 1; len > 0; len -= 7) {
		assert_int_equal(ftruncate(f->fd, len), 0);
		assert_refused(f, "");
	}
}

static void a_program_is_no_part(void **state)
{
	struct fixture *f = *state;

	f->fd = memfd_create("part", 0);
	assert_false(is_known(f));
	assert_int_equal(write(f->fd, "\177ELF", 4), 4);
	assert_false(is_known(f));
	assert_refused(f, "");
}

/* What the kernel is given for a program with a loader, and for a script with
 * an interpreter. */
static void the_image_is_the_loaders(void **state)
{
	static const char text[] =
		"{\"format\":1,\"arch\":\"linux/amd64\",\"program\":\"app\","
		"\"loader\":\".bigm/lib/ld.so\",\"argv0\":true,"
		"\"inhibit_rpath\":[\"\",\".bigm/lib/libx.so\"],\"files\":["
		"{\"path\":\".bigm/lib/ld.so\",\"size\":5,\"executable\":true,"
		"\"digest\":\"" HELLO "\"}," APP "]}";
	static const char *const wanted[] = {
		"/r/.bigm/lib/ld.so", "--library-path", "/r/.bigm/lib",
		"--inhibit-rpath", ":/r/.bigm/lib/libx.so", "--argv0", "name",
		"/r/app", "word", NULL,
	};
	char *argv[] = { (char *)"name", (char *)"word", NULL };
	struct manifest *m = manifest_read(text, strlen(text), NULL);
	struct image *image = manifest_image(m, "/r");
	char **full = image_argv(image, argv);

	for (size_t i = 0; wanted[i]; i++)
		assert_string_equal(full[i], wanted[i]);
	assert_null(full[sizeof(wanted) / sizeof(*wanted) - 1]);
	assert_string_equal(image->path, "/r/.bigm/lib/ld.so");
	strings_free(full);
	image_free(image);
	m->argv0 = false;
	m->interpreter = xstrdup(".bigm/lib/ld.so");
	m->interpreter_argument = xstrdup("-u");
	image = manifest_image(m, "/r");
	full = image_argv(image, argv);
	assert_string_equal(full[5], "/r/.bigm/lib/ld.so");
	assert_string_equal(full[6], "-u");
	assert_string_equal(full[7], "/r/app");
	assert_string_equal(full[8], "word");
	assert_string_equal(image->program, "/r/app");
	strings_free(full);
	image_free(image);
	manifest_free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_links_and_folders_come_out),
		TEST(bad_manifests_are_refused),
		TEST(paths_have_limits),
		TEST(other_formats_and_no_manifests_are_refused),
		TEST(entries_have_to_be_as_the_manifest_says),
		TEST(sizes_count_without_digests),
		TEST(nothing_is_written_through_a_link),
		TEST(a_bomb_is_refused_before_it_is_unpacked),
		TEST(too_many_files_are_refused),
		TEST(damage_leaves_nothing),
		TEST(a_program_is_no_part),
		TEST(the_image_is_the_loaders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
