/* Addresses get functions, files and lines; the program looked up is this one. */
#include "config.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "pprof/elf_symbols.h"
#include "pprof/symbols.h"

#if defined(__x86_64__)
#define HERE(pc) __asm__ volatile("lea 0(%%rip), %0" : "=r"(pc))
#elif defined(__aarch64__)
#define HERE(pc) __asm__ volatile("adr %0, .+4" : "=r"(pc))
#endif

static int inner_line, outer_line;

static inline __attribute__((always_inline)) uint64_t inner_function(void)
{
	uint64_t pc;

	inner_line = __LINE__ + 1;
	HERE(pc);
	/* That may be behind it. */
	return pc - 1;
}

static __attribute__((noinline)) uint64_t outer_function(void)
{
	outer_line = __LINE__ + 1;
	uint64_t pc = inner_function();

	return pc;
}

/* A function that C++ might have. */
uint64_t sample_add(int number) __asm__("_ZN2pi6Sample3addEi");

__attribute__((noinline)) uint64_t sample_add(int number)
{
	uint64_t pc;

	HERE(pc);
	return pc - 1 + (uint64_t)(number - number);
}

/* The mapping of this process that has the address, as its maps say, under
 * another name. */
static uint32_t add_mapping(struct profile *p, uint64_t address,
			    const char *name, const char *build_id)
{
	AUTO_FCLOSE FILE *maps = fopen("/proc/self/maps", "re");
	struct profile_mapping m = { .filename = profile_string(p, name),
				     .build_id = profile_string(p, build_id) };
	char line[4096];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &m.start, &m.limit,
			   &m.offset) == 3 &&
		    address >= m.start && address < m.limit)
			return profile_add_mapping(p, &m);
	fail_msg("no mapping has %lx", address);
	return 0;
}

struct places {
	char *dir;
	char program[4096];
	char build_id[ELF_BUILD_ID];
};

static int setup(void **state)
{
	struct places *places = xcalloc(1, sizeof(*places));
	ssize_t n = readlink("/proc/self/exe", places->program,
			     sizeof(places->program) - 1);
	const char *tmp = getenv("TMPDIR");

	assert_true(n > 0);
	places->dir = xasprintf("%s/symbols-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(places->dir));
	assert_int_equal(elf_symbols_look(places->program, places->build_id),
			 3);
	assert_true(strlen(places->build_id) >= 16);
	*state = places;
	return 0;
}

static int teardown(void **state)
{
	struct places *places = *state;

	folder_empty(places->dir, NULL, NULL);
	rmdir(places->dir);
	free(places->dir);
	free(places);
	return 0;
}

/* Runs a tool on this program; what it makes is DIR/NAME. */
static char *make(struct places *places, const char *tool, const char *option,
		  const char *name)
{
	char *path = xasprintf("%s/%s", places->dir, name);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (strcmp(tool, "strip") == 0)
			execlp(tool, tool, option, "-o", path, places->program,
			       (char *)NULL);
		else
			execlp(tool, tool, option, places->program, path,
			       (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return path;
}

/* A profile of one address in this program, which is called `name`. */
static struct profile *profile_of(struct places *places, const char *name)
{
	struct profile *p = profile_new();
	uint64_t pc = outer_function();
	uint32_t m = add_mapping(p, pc, name, places->build_id);

	assert_int_equal(profile_add_location(p, m, pc, NULL, 0), 0);
	return p;
}

/* With DWARF, and from the table of symbols alone. */
static void names_of_cxx_are_readable(void **state)
{
	struct places *places = *state;
	AUTO_FREE char *plain = make(places, "strip", "-g", "plain");
	const char *const paths[] = { places->program, plain };

	for (size_t i = 0; i < 2; i++) {
		AUTO_PROFILE struct profile *p = profile_new();
		AUTO_SYMBOLS struct symbols *s = symbols_new();
		uint64_t pc = sample_add(1);
		uint32_t m = add_mapping(p, pc, paths[i], places->build_id);
		const struct profile_function *f;

		profile_add_location(p, m, pc, NULL, 0);
		symbols_apply(s, p);
		assert_int_equal(p->locations[0].lines, 1);
		f = &p->functions[p->lines[p->locations[0].first_line].function];
		assert_string_equal(profile_text(p, f->name),
				    "pi::Sample::add(int)");
		assert_string_equal(profile_text(p, f->system_name),
				    "_ZN2pi6Sample3addEi");
	}
}

static const char *name_of(const struct profile *p, uint32_t line)
{
	const struct profile_location *l = &p->locations[0];

	assert_true(line < l->lines);
	return profile_text(p, p->functions[p->lines[l->first_line + line]
						    .function].name);
}

static void check_lines(const struct profile *p)
{
	const struct profile_line *lines = p->lines + p->locations[0].first_line;
	const char *file;

	assert_int_equal(p->locations[0].lines, 2);
	assert_string_equal(name_of(p, 0), "inner_function");
	assert_string_equal(name_of(p, 1), "outer_function");
	assert_int_equal(lines[0].line, inner_line);
	assert_int_equal(lines[1].line, outer_line);
	file = profile_text(p, p->functions[lines[1].function].filename);
	assert_non_null(strstr(file, "test_symbols.c"));
	assert_true(p->functions[lines[1].function].start_line < outer_line);
	assert_true(p->mappings[0].has_functions);
	assert_true(p->mappings[0].has_lines);
	assert_true(p->mappings[0].has_inlines);
}

static void the_mappings_own_file_is_found(void **state)
{
	struct places *places = *state;
	AUTO_PROFILE struct profile *p = profile_of(places, places->program);
	AUTO_SYMBOLS struct symbols *s = symbols_new();

	symbols_apply(s, p);
	check_lines(p);
}

static void a_file_is_found_by_its_build_id(void **state)
{
	struct places *places = *state;
	AUTO_PROFILE struct profile *p = profile_of(places, "/nowhere/pi");
	AUTO_SYMBOLS struct symbols *s = symbols_new();

	symbols_apply(s, p);
	assert_int_equal(p->locations[0].lines, 0);
	assert_false(p->mappings[0].has_functions);
	symbols_add_program(s, places->program);
	symbols_apply(s, p);
	check_lines(p);
}

static void the_driver_knows_more_than_a_stripped_copy(void **state)
{
	struct places *places = *state;
	AUTO_FREE char *stripped = make(places, "strip", "-s", "stripped");
	AUTO_PROFILE struct profile *p = profile_of(places, stripped);
	AUTO_PROFILE struct profile *q = profile_of(places, stripped);
	AUTO_SYMBOLS struct symbols *s = symbols_new();

	symbols_apply(s, p);
	assert_int_equal(p->locations[0].lines, 0);
	symbols_add_program(s, places->program);
	symbols_apply(s, q);
	check_lines(q);
}

static void split_debug_information_is_found(void **state)
{
	struct places *places = *state;
	AUTO_FREE char *debug = make(places, "objcopy", "--only-keep-debug",
				     "apart.debug");
	AUTO_PROFILE struct profile *p = profile_of(places, "/nowhere/pi");
	AUTO_SYMBOLS struct symbols *s = symbols_new();

	assert_non_null(debug);
	assert_int_equal(symbols_add(s, places->dir, NULL), 0);
	symbols_apply(s, p);
	check_lines(p);
}

static void symbols_without_dwarf_give_functions(void **state)
{
	struct places *places = *state;
	AUTO_FREE char *plain = make(places, "strip", "-g", "plain");
	AUTO_PROFILE struct profile *p = profile_of(places, plain);
	AUTO_SYMBOLS struct symbols *s = symbols_new();

	symbols_apply(s, p);
	assert_int_equal(p->locations[0].lines, 1);
	assert_string_equal(name_of(p, 0), "outer_function");
	assert_true(p->mappings[0].has_functions);
	assert_false(p->mappings[0].has_lines);
}

/* Of libcjson, which has no other symbols in Debian. */
static void a_library_has_its_dynamic_symbols(void **state)
{
	AUTO_PROFILE struct profile *p = profile_new();
	AUTO_SYMBOLS struct symbols *s = symbols_new();
	char id[ELF_BUILD_ID];
	uint64_t pc = (uint64_t)(uintptr_t)cJSON_Version + 1;
	Dl_info info;
	uint32_t m;

	assert_true(dladdr((void *)(uintptr_t)pc, &info));
	assert_true(elf_symbols_look(info.dli_fname, id) >= 1);
	m = add_mapping(p, pc, "/nowhere/libcjson.so.1", id);
	profile_add_location(p, m, pc, NULL, 0);
	symbols_add_program(s, ((struct places *)*state)->program);
	symbols_apply(s, p);
	assert_true(p->locations[0].lines > 0);
	assert_string_equal(name_of(p, 0), "cJSON_Version");
}

static void another_file_of_that_name_is_not_taken(void **state)
{
	struct places *places = *state;
	AUTO_PROFILE struct profile *p = profile_new();
	AUTO_SYMBOLS struct symbols *s = symbols_new();
	uint64_t pc = outer_function();
	uint32_t other = add_mapping(p, pc, places->program, "00ff00ff");
	uint32_t none = add_mapping(p, pc, places->program, "");

	profile_add_location(p, other, pc, NULL, 0);
	profile_add_location(p, none, pc, NULL, 0);
	symbols_add_program(s, places->program);
	symbols_apply(s, p);
	assert_int_equal(p->locations[0].lines, 0);
	assert_int_equal(p->locations[1].lines, 0);
}

static void what_machines_say_is_not_trusted(void **state)
{
	struct places *places = *state;
	AUTO_FREE char *pipe_name = xasprintf("%s/pipe", places->dir);
	AUTO_PROFILE struct profile *p = profile_new();
	AUTO_SYMBOLS struct symbols *s = symbols_new();
	const char *const names[] = { pipe_name, "/dev/zero", "/", "", "x" };
	const char *const ids[] = { "../../../etc", "ab", "", "zz/../..",
				    "abcdef" };

	assert_int_equal(mkfifo(pipe_name, 0600), 0);
	for (size_t i = 0; i < 5; i++) {
		struct profile_mapping m = {
			.start = 0x1000 * i,
			.limit = UINT64_MAX,
			.offset = UINT64_MAX - 5,
			.filename = profile_string(p, names[i]),
			.build_id = profile_string(p, ids[i]),
		};
		uint32_t at = profile_add_mapping(p, &m);

		profile_add_location(p, at, UINT64_MAX, NULL, 0);
		profile_add_location(p, at, 0, NULL, 0);
	}
	symbols_apply(s, p);
	for (uint32_t i = 0; i < p->n_locations; i++)
		assert_int_equal(p->locations[i].lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mappings_own_file_is_found),
		cmocka_unit_test(a_file_is_found_by_its_build_id),
		cmocka_unit_test(the_driver_knows_more_than_a_stripped_copy),
		cmocka_unit_test(split_debug_information_is_found),
		cmocka_unit_test(names_of_cxx_are_readable),
		cmocka_unit_test(symbols_without_dwarf_give_functions),
		cmocka_unit_test(a_library_has_its_dynamic_symbols),
		cmocka_unit_test(another_file_of_that_name_is_not_taken),
		cmocka_unit_test(what_machines_say_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
