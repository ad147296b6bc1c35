#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "bundle/closure.h"

struct fixture {
	char dir[64];
};

/* Runs a shell command in the fixture's folder, with $CC for the compiler. */
static void sh(const struct fixture *f, const char *command)
{
	AUTO_FREE char *all = xasprintf("cd %s && CC=${CC:-cc} && {\n%s\n}",
					f->dir, command);

	if (system(all) != 0) /* NOLINT(cert-env33-c) */
		fail_msg("%s", command);
}

/*
 * prog needs liba, which needs libb:
 *
 *	lib/liba.so	lib/sub/libb.so
 */
#define LIBRARIES                                                              \
	"mkdir -p lib/sub; "                                                   \
	"echo 'int b(void) { return 1; }' >b.c; "                              \
	"echo 'int b(void); int a(void) { return b(); }' >a.c; "               \
	"echo 'int a(void); int main(void) { return a(); }' >prog.c; "         \
	"$CC -shared -fPIC -o lib/sub/libb.so b.c; "
#define LIB_A(flags)                                                           \
	"$CC -shared -fPIC -o lib/liba.so a.c -Llib/sub -lb " flags "; "
#define PROG(flags)                                                            \
	"$CC -o prog prog.c -Llib -la -Wl,-rpath-link,lib/sub " flags "; "

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/closure-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	unsetenv("LD_LIBRARY_PATH");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	folder_empty(f->dir, NULL, NULL);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Its path is "" when it is not there. */
static const struct closure_library *library(const struct closure *c,
					     const char *name)
{
	static char nowhere[1];
	static const struct closure_library none = { .path = nowhere };

	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->libraries[i].name, name) == 0)
			return &c->libraries[i];
	return &none;
}

static void assert_ends(const char *text, const char *end)
{
	size_t len = strlen(text);

	if (len < strlen(end) || strcmp(text + len - strlen(end), end) != 0)
		fail_msg("%s does not end in %s", text, end);
}

static void assert_found(const struct fixture *f)
{
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct closure c;

	if (closure_find(&c, prog, &err) < 0)
		fail_msg("%s", err.text);
	assert_ends(library(&c, "liba.so")->path, "/lib/liba.so");
	assert_ends(library(&c, "libb.so")->path, "/sub/libb.so");
	assert_ends(library(&c, "libc.so.6")->path, "/libc.so.6");
	assert_non_null(c.loader);
	assert_string_equal(library(&c, "ld-linux-x86-64.so.2")->path, "");
	closure_release(&c);
}

static void assert_missing(const struct fixture *f, const char *who,
			   const char *name)
{
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	AUTO_FREE char *words = xasprintf("%s needs %s", who, name);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct closure c;

	assert_int_equal(closure_find(&c, prog, &err), BIGM_ENOTFOUND);
	if (!strstr(err.text, words))
		fail_msg("%s: not \"%s\"", err.text, words);
	assert_non_null(strstr(err.text, "--no-libs"));
}

static void runpath_and_origin_are_each_objects_own(void **state)
{
	sh(*state, LIBRARIES LIB_A("-Wl,-rpath,'$ORIGIN/sub'")
			   PROG("-Wl,--enable-new-dtags,-rpath,'${ORIGIN}/lib'"));
	assert_found(*state);
}

static void runpath_is_not_inherited(void **state)
{
	sh(*state, LIBRARIES LIB_A("") PROG(
		   "-Wl,--enable-new-dtags,-rpath,'$ORIGIN/lib:$ORIGIN/lib/sub'"));
	assert_missing(*state, "/lib/liba.so", "libb.so");
}

static void rpath_is_inherited(void **state)
{
	sh(*state, LIBRARIES LIB_A("") PROG(
		   "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib:$ORIGIN/lib/sub'"));
	assert_found(*state);
}

/* A library with a DT_RUNPATH does not look at the program's DT_RPATH. */
static void runpath_hides_rpath(void **state)
{
	sh(*state, LIBRARIES LIB_A("-Wl,--enable-new-dtags,-rpath,/nowhere")
			   PROG("-Wl,--disable-new-dtags,-rpath,"
				"'$ORIGIN/lib:$ORIGIN/lib/sub'"));
	assert_missing(*state, "/lib/liba.so", "libb.so");
}

static void library_path_counts(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf(":/nowhere:%s/lib:%s/lib/sub", f->dir,
					 f->dir);

	sh(f, LIBRARIES LIB_A("") PROG(""));
	assert_missing(f, "/prog", "liba.so");
	setenv("LD_LIBRARY_PATH", path, 1);
	assert_found(f);
	unsetenv("LD_LIBRARY_PATH");
}

/* What another processor's, or a text, is by that name is passed over. */
static void only_what_fits_is_taken(void **state)
{
	sh(*state, LIBRARIES LIB_A("-Wl,-rpath,'$ORIGIN/bad:$ORIGIN/sub'")
			   PROG("-Wl,-rpath,'$ORIGIN/lib'")
		   "mkdir lib/bad; cp lib/sub/libb.so lib/bad/libb.so; "
		   "printf '\\026\\000' | "
		   "dd of=lib/bad/libb.so bs=1 seek=18 conv=notrunc status=none");
	assert_found(*state);
	sh(*state, "echo 'INPUT(-lb)' >lib/bad/libb.so");
	assert_found(*state);
}

static void rpaths_that_lead_away_are_told(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	struct closure c;

	sh(f, LIBRARIES LIB_A("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/sub'")
		      PROG("-Wl,--disable-new-dtags,-rpath,\"$PWD/lib\""));
	assert_int_equal(closure_find(&c, prog, NULL), 0);
	assert_true(c.rpath);
	assert_false(library(&c, "liba.so")->rpath);
	closure_release(&c);
	sh(f, PROG("-Wl,--enable-new-dtags,-rpath,\"$PWD/lib\""));
	assert_int_equal(closure_find(&c, prog, NULL), 0);
	assert_false(c.rpath);
	closure_release(&c);
}

static void a_static_program_has_none(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct closure c;

	sh(f, "echo 'int main(void) { return 0; }' >prog.c; "
	      "$CC -static -o prog prog.c");
	assert_int_equal(closure_find(&c, prog, &err), 0);
	assert_null(c.loader);
	assert_int_equal(c.n, 0);
	closure_release(&c);
	sh(f, "echo '#!/bin/sh' >prog");
	assert_int_equal(closure_find(&c, prog, &err), BIGM_EINVALID);
}

static void a_needed_path_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct closure c;

	sh(f, LIBRARIES "echo 'int b(void); int main(void) { return b(); }' "
			">prog.c; $CC -o prog prog.c lib/sub/libb.so");
	/* Without a soname the path that was linked is what is needed. */
	assert_int_equal(closure_find(&c, prog, &err), BIGM_EUNSUPPORTED);
	assert_non_null(strstr(err.text, "lib/sub/libb.so"));
}

/* The loader's own word for it, of this test's program. */
static void it_is_what_the_loader_says(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char self[4096] = "", line[4096];
	struct closure c;
	size_t n = 0;
	FILE *list;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	if (closure_find(&c, self, &err) < 0)
		fail_msg("%s", err.text);
	AUTO_FREE char *command = xasprintf("%s --list %s", c.loader, self);
	list = popen(command, "r"); /* NOLINT(cert-env33-c) */
	assert_non_null(list);
	while (fgets(line, sizeof(line), list)) {
		char *name = line + strspn(line, " \t");

		if (!strstr(line, "=> /"))
			continue; /* the loader, the vDSO */
		name[strcspn(name, " ")] = '\0';
		if (!*library(&c, name)->path)
			fail_msg("%s is missing", name);
		n++;
	}
	assert_int_equal(pclose(list), 0);
	assert_int_equal(n, c.n);
	closure_release(&c);
}

static void damaged_files_are_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *prog = xasprintf("%s/prog", f->dir);
	AUTO_FREE char *cut = xasprintf("%s/cut", f->dir);
	struct elf_file elf;
	char bytes[8192];
	FILE *file;
	size_t n;

	sh(f, LIBRARIES LIB_A("") PROG(""));
	file = fopen(prog, "re");
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	for (size_t len = 0; len < n; len += 61) {
		struct bigm_error err = BIGM_ERROR_INIT;

		file = fopen(cut, "we");
		fwrite(bytes, 1, len, file);
		fclose(file);
		if (elf_file_read(&elf, cut, &err) == 1)
			elf_file_release(&elf);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runpath_and_origin_are_each_objects_own),
		TEST(runpath_is_not_inherited),
		TEST(rpath_is_inherited),
		TEST(runpath_hides_rpath),
		TEST(library_path_counts),
		TEST(only_what_fits_is_taken),
		TEST(rpaths_that_lead_away_are_told),
		TEST(a_static_program_has_none),
		TEST(a_needed_path_is_refused),
		TEST(it_is_what_the_loader_says),
		TEST(damaged_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
