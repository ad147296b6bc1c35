/*
 * Files as a stream: what is sent comes out the same, whatever the pieces, and
 * what a hostile sender says stays below the destination.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "supervisor/tree_send.h"
#include "supervisor/tree_take.h"

/* A folder with "src" and "dst" in it, which is the working folder. */
struct world {
	char dir[64];
	struct buffer stream;
	struct bigm_error err;
	int links_out;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/bigm-test-tree-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(chdir(w->dir), 0);
	assert_int_equal(mkdir("src", 0755), 0);
	assert_int_equal(mkdir("dst", 0755), 0);
	buffer_init(&w->stream, 64u << 20);
	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(chdir("/"), 0);
	assert_int_equal(folder_empty(w->dir, NULL, NULL), 0);
	assert_int_equal(rmdir(w->dir), 0);
	buffer_release(&w->stream);
	free(w);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	AUTO_FCLOSE FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
}

static char *read_text(const char *path)
{
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	char text[4096];
	size_t n;

	if (!f)
		return xstrdup("(none)");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	return xstrdup(text);
}

static void assert_file(const char *path, const char *text)
{
	AUTO_FREE char *is = read_text(path);

	if (strcmp(is, text) != 0)
		fail_msg("%s has \"%s\" instead of \"%s\"", path, is, text);
}

static int nentries;

static int count(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)type;
	(void)ftw;
	nentries++;
	return 0;
}

/* What is in the folder and below, without itself. */
static int entries_in(const char *path)
{
	nentries = -1;
	assert_int_equal(nftw(path, count, 16, FTW_PHYS), 0);
	return nentries;
}

static int keep(void *data, const void *bytes, size_t len,
		struct bigm_error *err)
{
	return buffer_append(data, bytes, len, err);
}

static struct tree_sink sink_of(struct world *w)
{
	return (struct tree_sink){ keep, &w->stream };
}

static int link_out(void *data, const struct bigm_error *why)
{
	struct world *w = data;

	assert_non_null(strstr(why->text, "out of what is copied"));
	return w->links_out++ < 0 ? -1 : 0;
}

/* Takes the stream, in pieces of so many bytes, to the path. */
static int take(struct world *w, const char *path, const char *name,
		size_t step, bool salvage)
{
	const struct tree_take_options options = {
		.dir = "", .path = path, .name = name, .salvage = salvage,
		.on_link_out = w->links_out == 1000 ? NULL : link_out,
		.data = w,
	};
	struct tree_take *t;
	int rc = 0;

	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	t = tree_take_new(&options, &w->err);
	if (!t)
		return w->err.code;
	while (rc == 0 && w->stream.len > 0) {
		size_t n = w->stream.len < step ? w->stream.len : step;

		rc = tree_take_bytes(t, buffer_data(&w->stream), n, &w->err);
		buffer_consume(&w->stream, n);
	}
	buffer_consume(&w->stream, w->stream.len);
	if (rc == 0)
		rc = tree_take_end(t, &w->err);
	if (rc < 0)
		tree_take_broken(t, NULL);
	tree_take_free(t);
	return rc;
}

static void frame(struct world *w, char kind, const void *data, size_t len)
{
	assert_int_equal(frame_append(&w->stream, TREE_KINDS, kind, data, len,
				      NULL), 0);
}

static void say(struct world *w, char kind, const char *text)
{
	frame(w, kind, text, strlen(text));
}

/* ------------------------------------------------------------------ */

static void make_source(void)
{
	assert_int_equal(mkdir("src/sub", 0750), 0);
	assert_int_equal(mkdir("src/sub/empty", 0777), 0);
	write_file("src/run", "#!/bin/sh\n");
	write_file("src/none", "");
	write_file("src/sub/\xff\xfe not UTF-8\n", "bytes");
	assert_int_equal(chmod("src/run", 04751), 0);
	assert_int_equal(chmod("src/none", 0400), 0);
	assert_int_equal(chmod("src/sub", 0550), 0);
	assert_int_equal(symlink("../run", "src/linked"), 0);
	assert_int_equal(symlink("none", "src/inside"), 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void what_is_sent_comes_out_the_same(void **state)
{
	static const size_t steps[] = { 1, 7, 4096, 1 << 20 };
	struct world *w = *state;
	struct tree_sink sink = sink_of(w);

	make_source();
	w->links_out = 1000;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		AUTO_FREE char *name = xasprintf("copy%zu", i);
		char target[32] = "";

		assert_int_equal(tree_send_path("", "src/", &sink, NULL), 0);
		if (take(w, "dst", name, steps[i], false) < 0)
			fail_msg("%s", w->err.text);
		assert_int_equal(chdir("dst"), 0);
		assert_int_equal(chdir(name), 0);
		assert_int_equal(entries_in("."), 7);
		assert_int_equal(mode_of("run"), 0751);
		assert_int_equal(mode_of("none"), 0400);
		assert_int_equal(mode_of("sub"), 0550);
		assert_file("none", "");
		assert_file("sub/\xff\xfe not UTF-8\n", "bytes");
		assert_int_equal(readlink("linked", target, 31), 6);
		assert_string_equal(target, "../run");
		assert_int_equal(chdir(w->dir), 0);
	}
	assert_int_equal(entries_in("dst"), 4 * 8);
}

static void joined_folders_keep_what_they_have(void **state)
{
	struct world *w = *state;
	struct tree_sink sink = sink_of(w);

	make_source();
	assert_int_equal(mkdir("dst/src", 0755), 0);
	assert_int_equal(mkdir("dst/src/sub", 0755), 0);
	write_file("dst/src/run", "old");
	write_file("dst/src/sub/mine", "mine");
	assert_int_equal(tree_send_path("", "src", &sink, NULL), 0);
	w->links_out = 1000;
	assert_int_equal(take(w, "dst", "src", 4096, false), 0);
	assert_file("dst/src/run", "#!/bin/sh\n");
	assert_file("dst/src/sub/mine", "mine");
	assert_int_equal(entries_in("dst"), 9);
	/* All or nothing. */
	assert_int_equal(unlink("dst/src/run"), 0);
	assert_int_equal(mkdir("dst/src/run", 0755), 0);
	write_file("dst/src/none", "untouched");
	assert_int_equal(tree_send_path(w->dir, "src", &sink, NULL), 0);
	assert_int_equal(take(w, "dst", "src", 4096, false), BIGM_EEXIST);
	assert_non_null(strstr(w->err.text, "dst/src/run: is a folder"));
	assert_file("dst/src/none", "untouched");
	assert_int_equal(entries_in("dst"), 9);
}

/* path, name → where the file is then, or what is wrong. */
static void a_file_finds_its_place(void **state)
{
	static const struct {
		const char *path, *name, *at, *error;
	} table[] = {
		{ "dst", "f", "dst/f", NULL },
		{ "dst/new", "f", "dst/new", NULL },
		{ "dst/old", "f", "dst/old", NULL },
		{ "dst/link", "f", "dst/sub/f", NULL },
		{ "dst/stale", "f", "dst/stale", NULL },
		{ "", "f", "f", NULL },
		{ "dst/new/", "f", NULL, "no folder to put a file in" },
		{ "dst/nowhere/new", "f", NULL, "No such file" },
		{ "dst/old/new", "f", NULL, "Not a directory" },
		{ "dst", NULL, NULL, "has no name for it" },
		{ "dst", "sub", NULL, "dst/sub: is a folder" },
		{ "dst", "../evil", NULL, "is no name" },
		{ "/dev/null", "f", NULL, "/dev/null: is there, and is no" },
		{ "dst/null", "f", NULL, "dst/null: is there, and is no" },
	};
	struct world *w = *state;

	assert_int_equal(mkdir("dst/sub", 0755), 0);
	assert_int_equal(symlink("sub", "dst/link"), 0);
	assert_int_equal(symlink("nowhere", "dst/stale"), 0);
	assert_int_equal(symlink("/dev/null", "dst/null"), 0);
	write_file("dst/old", "old");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int rc;

		say(w, 'f', "0644 .");
		say(w, 'b', "text");
		say(w, 'c', "0644 .");
		say(w, 'z', "");
		rc = take(w, table[i].path, table[i].name, 4096, false);
		if ((rc == 0) != (table[i].at != NULL))
			fail_msg("%s: %s", table[i].path, w->err.text);
		if (rc == 0)
			assert_file(table[i].at, "text");
		else if (!strstr(w->err.text, table[i].error))
			fail_msg("%s: %s", table[i].path, w->err.text);
	}
	assert_int_equal(entries_in("dst"), 8);
}

static void what_is_special_is_refused(void **state)
{
	static const char *const paths[] = { "src/fifo", "/dev/null", "src" };
	struct world *w = *state;
	struct tree_sink sink = sink_of(w);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(mkfifo("src/fifo", 0600), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(tree_send_path("", paths[i], &sink, &err),
				 BIGM_EINVALID);
		assert_non_null(strstr(err.text, i == 1 ? "/dev/null: is neither" :
							  "src/fifo: is neither"));
	}
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EUNAVAILABLE);
	assert_int_equal(entries_in("dst"), 0);
}

/* ------------------------------------------------------------------ */
/* A hostile sender                                                    */

static void hostile_entries_are_refused(void **state)
{
	static const struct {
		char kind;
		const char *text;
		size_t len;
	} table[] = {
#define E(kind, text) { kind, text, sizeof(text) - 1 }
		E('f', "0644 ../evil"), E('f', "0644 /evil"),
		E('f', "0644 a/../../evil"), E('f', "0644 .."),
		E('f', "0644 a/.."), E('f', "0644 a//b"), E('f', "0644 a/"),
		E('f', "0644 ./a"), E('f', "0644 "), E('f', "0644"), E('f', ""),
		E('f', "4755 a"), E('f', "9999 a"), E('f', "0644xa"),
		E('f', "0644 a\0b"), E('f', "0644 ."), E('d', "0755 ."),
		E('d', "0755 .."), E('d', "0755 ../evil"), E('c', "0755 .."),
		E('c', "0755 nothing"), E('f', "0644 missing/a"),
		E('l', "0777 l"), E('l', "0777 l\0"), E('l', "0777 .\0x"),
		E('l', "0777 ../l\0x"), E('l', "0777 l\0a\0b"),
		E('f', "0644 out/evil"), E('d', "0755 out/evil"),
		E('f', "0644 out"), E('d', "0755 out"), E('c', "0777 out"),
		E('f', "0644 file"), E('d', "0755 file"), E('f', "0644 file/a"),
		E('b', "bytes of no file"),
#undef E
	};
	struct world *w = *state;

	w->links_out = 1000;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_FREE char *there = xasprintf("0777 out%c..", 0);

		say(w, 'd', "0755 .");
		say(w, 'f', "0644 file");
		say(w, 'c', "0644 file");
		frame(w, 'l', there, sizeof("0777 out") + 2);
		frame(w, table[i].kind, table[i].text, table[i].len);
		if (table[i].kind == 'f') {
			say(w, 'b', "evil");
			frame(w, 'c', table[i].text, table[i].len);
		}
		say(w, 'z', "");
		if (take(w, "dst", "copy", 4096, false) == 0)
			fail_msg("'%c' \"%s\" passes", table[i].kind,
				 table[i].text);
		if (!w->err.text[0])
			fail_msg("'%c' \"%s\": why?", table[i].kind,
				 table[i].text);
		assert_int_equal(entries_in("."), 2); /* src and dst */
		assert_int_equal(mode_of("dst"), 0755);
	}
}

static void names_are_not_too_long_or_deep(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *name = xmalloc(8000);

	memset(name, 'a', 8000);
	memcpy(name, "0644 ", 5);
	say(w, 'd', "0755 .");
	frame(w, 'f', name, 5 + 256);
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	for (size_t i = 6; i < 8000; i += 2)
		name[i] = '/';
	say(w, 'd', "0755 .");
	frame(w, 'f', name, 5 + 2 * 200 + 1);
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	assert_int_equal(entries_in("dst"), 0);
}

static void frames_out_of_order_are_refused(void **state)
{
	struct world *w = *state;

	say(w, 'f', "0644 a");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	say(w, 'c', "0755 .");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	frame(w, 'l', "0777 .\0/etc", 11);
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	say(w, 'f', "0644 .");
	say(w, 'f', "0644 a");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	say(w, 'd', "0755 .");
	say(w, 'f', "0644 a");
	say(w, 'f', "0644 b");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	say(w, 'f', "0644 .");
	say(w, 'z', "");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	say(w, 'f', "0644 .");
	say(w, 'c', "0644 .");
	say(w, 'z', "");
	say(w, 'b', "more");
	assert_int_equal(take(w, "dst", "x", 4096, false), BIGM_EPROTOCOL);
	assert_int_equal(entries_in("dst"), 0);
}

static void a_copy_that_is_cut_off_leaves_nothing(void **state)
{
	struct world *w = *state;

	write_file("dst/x", "old");
	for (int i = 0; i < 4; i++) {
		say(w, 'f', "0644 .");
		say(w, 'b', "new");
		if (i % 2) /* in the middle of a frame */
			buffer_append(&w->stream, "b\0\0\1\0rest", 9, NULL);
		assert_int_equal(take(w, "dst", "x", 4096, i > 1),
				 BIGM_EUNAVAILABLE);
		assert_file("dst/x", "old");
		assert_int_equal(entries_in("dst"), 1);
	}
}

static void what_is_complete_can_be_salvaged(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		say(w, 'd', "0755 .");
		say(w, 'd', "0755 sub");
		say(w, 'f', "0644 sub/whole");
		say(w, 'b', "text");
		say(w, 'c', "0644 sub/whole");
		say(w, 'f', "0644 sub/half");
		say(w, 'b', "te");
		assert_int_equal(take(w, "dst/x", NULL, 4096, i > 0),
				 BIGM_EUNAVAILABLE);
		assert_int_equal(entries_in("dst"), i > 0 ? 3 : 0);
	}
	assert_file("dst/x/sub/whole", "text");
}

static void links_lead_nowhere_else(void **state)
{
	static const struct {
		const char *path, *target;
		bool stays;
	} table[] = {
		{ "a", "b", true }, { "a", "b/c/", true },
		{ "a", "./b", true }, { "d/a", "../b", true },
		{ "d/e/a", "../../b", true }, { "d/a", "..", true },
		{ "a", "/etc", false }, { "a", "..", false },
		{ "a", "../b", false }, { "d/a", "../../b", false },
		{ "a", "b/../..", false }, { "a", "b/..", false },
		{ "d/a", ".././../b", false }, { "d/a", "e/../../x", false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (tree_link_stays(table[i].path, table[i].target) !=
		    table[i].stays)
			fail_msg("%s → %s", table[i].path, table[i].target);
	for (int i = 0; i < 3; i++) {
		say(w, 'd', "0755 .");
		frame(w, 'l', "0777 out\0/etc", 13);
		frame(w, 'l', "0777 in\0x", 9);
		say(w, 'z', "");
		/* left out, refused, as it is */
		w->links_out = i == 0 ? 0 : i == 1 ? -1 : 1000;
		assert_int_equal(take(w, "dst", "x", 4096, false),
				 i == 1 ? BIGM_EINVALID : 0);
		assert_int_equal(entries_in("dst"), i == 2 ? 3 : 2);
	}
}

/* ------------------------------------------------------------------ */
/* Patterns                                                            */

static void patterns_match_as_a_shell_has_it(void **state)
{
	/* …and how many entries come out, with the folders on the way. */
	static const struct {
		const char *pattern;
		int n;
	} table[] = {
		{ "*.csv", 2 }, { "a.csv", 1 }, { "[ab].csv", 2 },
		{ "*", 6 + 1 }, { ".*", 1 }, { "out", 4 }, { "out/", 4 },
		{ "./out//*.csv", 3 }, { "out/*/*", 0 }, { "*/*.csv", 3 },
		{ "link/*", 0 }, { "link", 1 }, { "nothing*", 0 },
		{ "a.csv/*", 0 }, { "*/", 7 }, { ".", 8 },
	};
	struct world *w = *state;
	struct tree_sink sink = sink_of(w);

	assert_int_equal(mkdir("src/out", 0755), 0);
	write_file("src/a.csv", "a");
	write_file("src/b.csv", "b");
	write_file("src/.hidden", "h");
	write_file("src/out/a.csv", "a");
	write_file("src/out/b.csv", "b");
	write_file("src/out/c.txt", "c");
	write_file("src/" TREE_TEMPORARY "0123456789abcdef", "half");
	assert_int_equal(symlink("/etc", "src/link"), 0);
	w->links_out = 1000;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		AUTO_FREE char *to = xasprintf("dst/%zu", i);
		int n = 0;

		assert_int_equal(tree_send_matches("src", table[i].pattern,
						   &sink, &w->err), 0);
		assert_int_equal(take(w, to, NULL, 4096, false), 0);
		if (access(to, F_OK) == 0)
			n = entries_in(to);
		if (n != table[i].n)
			fail_msg("%s: %d instead of %d", table[i].pattern, n,
				 table[i].n);
	}
}

static void patterns_do_not_lead_out(void **state)
{
	static const char *const bad[] = {
		"/etc/*", "../*", "a/../../b", "..", "", "a/..",
	};
	struct world *w = *state;
	struct tree_sink sink = sink_of(w);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w->err = (struct bigm_error)BIGM_ERROR_INIT;
		assert_int_equal(tree_send_matches("src", bad[i], &sink,
						   &w->err), BIGM_EINVALID);
		assert_int_equal(w->stream.len, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent_comes_out_the_same),
		TEST(joined_folders_keep_what_they_have),
		TEST(a_file_finds_its_place),
		TEST(what_is_special_is_refused),
		TEST(hostile_entries_are_refused),
		TEST(names_are_not_too_long_or_deep),
		TEST(frames_out_of_order_are_refused),
		TEST(a_copy_that_is_cut_off_leaves_nothing),
		TEST(what_is_complete_can_be_salvaged),
		TEST(links_lead_nowhere_else),
		TEST(patterns_match_as_a_shell_has_it),
		TEST(patterns_do_not_lead_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
