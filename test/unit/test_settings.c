#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "machine/settings.h"

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

/* Fills argv from words and takes the options out of it. */
static int take(struct settings *s, int *argc, char **argv, const char *words)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s", words);
	*argc = 0;
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[(*argc)++] = w;
	argv[*argc] = NULL;
	return settings_take_options(s, argc, argv, &err);
}

static void options_are_taken_out(void **state)
{
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	assert_int_equal(take(&s, &argc, argv,
			      "./bigpi -bigm.n=8 --samples 3 --bigm.system=local "
			      "-bigm.quiet x --bigm.debug=0"), 0);
	assert_int_equal(argc, 4);
	assert_string_equal(argv[0], "./bigpi");
	assert_string_equal(argv[1], "--samples");
	assert_string_equal(argv[2], "3");
	assert_string_equal(argv[3], "x");
	assert_null(argv[4]);
	assert_int_equal(s.n, 8);
	assert_string_equal(s.system, "local");
	assert_true(s.quiet);
	assert_false(s.debug);
	settings_release(&s);
}

static void what_follows_two_dashes_stays(void **state)
{
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	assert_int_equal(take(&s, &argc, argv,
			      "prog -bigm.n=2 -- -bigm.n=9 -bigm.oops"), 0);
	assert_int_equal(argc, 4);
	assert_string_equal(argv[1], "--");
	assert_string_equal(argv[2], "-bigm.n=9");
	assert_int_equal(s.n, 2);
	settings_release(&s);
}

static void the_program_itself_is_no_option(void **state)
{
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	assert_int_equal(take(&s, &argc, argv, "-bigm.n=3"), 0);
	assert_int_equal(argc, 1);
	assert_int_equal(s.n, 0);
}

static void bad_options_are_named(void **state)
{
	static const struct {
		const char *words, *says;
	} cases[] = {
		{ "p -bigm.sytem=x", "did you mean system?" },
		{ "p -bigm.wombat=x", "it has n, procs" },
		{ "p -bigm.n=eight", "-bigm.n=eight" },
		{ "p -bigm.n=-1", "whole number" },
		{ "p -bigm.n=99999999999999999999", "whole number" },
		{ "p -bigm.n= ", "whole number" },
		{ "p -bigm.n", "needs a value" },
		{ "p --bigm.system", "--bigm.system=VALUE" },
		{ "p -bigm.quiet=perhaps", "must be 1 or 0" },
		{ "p -bigm.=1", "has no setting" },
		{ "p -bigm.control=/x", "has no setting control" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct settings s = { 0 };
		char *argv[16];
		int argc;

		assert_int_equal(take(&s, &argc, argv, cases[i].words),
				 BIGM_EINVALID);
		assert_says(cases[i].says);
		settings_release(&s);
	}
}

static void settings_of_systems_are_collected(void **state)
{
	const char *env[] = { "BIGM_EC2_TYPE=m5.large", "BIGM_N=2", NULL };
	struct settings s = { 0 };
	char *argv[16], **machines;
	int argc;

	assert_int_equal(take(&s, &argc, argv,
			      "p -bigm.ec2-type=c5.large -bigm.n=8 "
			      "--bigm.ec2-on-demand -- -bigm.ec2-ami=x"), 0);
	assert_int_equal(argc, 3);
	assert_int_equal(s.nset, 2);
	assert_string_equal(s.set[0], "ec2-type=c5.large");
	assert_string_equal(s.set[1], "ec2-on-demand");
	assert_null(s.set[2]);
	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_int_equal(s.nset, 2);
	/* Machines have no use for them. */
	machines = settings_env(&s, (char **)env, NULL);
	for (char **variable = machines; *variable; variable++)
		assert_null(strstr(*variable, "EC2"));
	strings_free(machines);
	settings_release(&s);
	assert_null(s.set);
}

static void the_environment_is_read(void **state)
{
	const char *env[] = { "HOME=/", "BIGM_N=4", "BIGM_LOG_DIR=/tmp/x",
			"BIGM_CONTROL=/run/s", "BIGM_RANK=3", "BIGM_BOOT=x",
			"BIGM=/usr/bin/bigm", "BIGMOTHER=1", "BIGM_QUIET=1",
			NULL };
	struct settings s = { 0 };

	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.log_dir, "/tmp/x");
	assert_string_equal(s.control, "/run/s");
	assert_true(s.quiet);
	settings_release(&s);
	assert_null(s.log_dir);
}

static void unknown_variables_are_refused(void **state)
{
	const char *env[] = { "BIGM_SYTEM=ec2", NULL };
	struct settings s = { 0 };

	assert_int_equal(settings_read_env(&s, (char **)env, &err), BIGM_EINVALID);
	assert_says("BIGM_SYTEM");
	assert_says("did you mean system?");
}

static void write_config(const char *text)
{
	AUTO_FREE char *dir = NULL, *path = NULL;
	FILE *file;

	assert_non_null(getenv("XDG_CONFIG_HOME"));
	dir = xasprintf("%s/bigm", getenv("XDG_CONFIG_HOME"));
	mkdir(dir, 0700);
	path = xasprintf("%s/config", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void nearer_wins(void **state)
{
	const char *env[] = { "BIGM_N=2", "BIGM_PROCS=2", NULL };
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	write_config("# ours\nn = 1\nprocs = 1\nsystem = local\n"
		     "[ec2]\ninstance-type = big\n");
	assert_int_equal(settings_read_files(&s, &err), 0);
	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_int_equal(take(&s, &argc, argv, "p -bigm.n=3"), 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.procs, 2);
	assert_string_equal(s.system, "local");
	settings_release(&s);
}

static void what_bigm_was_told_stays(void **state)
{
	const char *env[] = { "BIGM_N=8", "BIGM_FIXED=n,", NULL };
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_int_equal(take(&s, &argc, argv, "p -bigm.n=3 -bigm.procs=2"), 0);
	assert_int_equal(argc, 1);
	assert_int_equal(s.n, 8);
	assert_int_equal(s.procs, 2);
	assert_int_equal(take(&s, &argc, argv, "p -bigm.n=x"), BIGM_EINVALID);
	settings_release(&s);
}

static void bad_files_are_named(void **state)
{
	struct settings s = { 0 };

	write_config("n = 1\nthis is no setting\n");
	assert_int_equal(settings_read_files(&s, &err), BIGM_EINVALID);
	assert_says("config:2: neither");
	write_config("machines = 1\n");
	assert_int_equal(settings_read_files(&s, &err), BIGM_EINVALID);
	assert_says("config:1: bigm has no setting machines");
	write_config("\n# n = 1\nn = many\n");
	assert_int_equal(settings_read_files(&s, &err), BIGM_EINVALID);
	assert_says("config:3: n=many: must be");
	write_config("n = 1\nlog-dir = /"
		     "_________________________________________________"
		     "_________________________________________________"
		     "_________________________________________________"
		     "__________________________________________________\n");
	assert_int_equal(settings_read_files(&s, &err), BIGM_EINVALID);
	assert_says("config:2: the line has more than");
	settings_release(&s);
}

static const char *origin_of(const struct settings *s, const char *name)
{
	struct setting_facts facts;

	for (size_t i = 0; settings_get(s, i, &facts); i++)
		if (strcmp(facts.name, name) == 0)
			return facts.origin;
	fail_msg("there is no setting %s", name);
	return NULL;
}

static void origins_are_known(void **state)
{
	const char *env[] = { "BIGM_PROCS=2", "BIGM_LOG_DIR=/logs", NULL };
	struct settings s = { 0 };
	char *argv[16];
	int argc;

	write_config("# ours\nn = 1\nprocs = 1\nsystem = local\n");
	assert_int_equal(settings_read_files(&s, &err), 0);
	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_int_equal(take(&s, &argc, argv, "p -bigm.n=3"), 0);
	assert_string_equal(origin_of(&s, "n"), "-bigm.n");
	assert_string_equal(origin_of(&s, "procs"), "BIGM_PROCS");
	assert_string_equal(origin_of(&s, "log-dir"), "BIGM_LOG_DIR");
	assert_non_null(strstr(origin_of(&s, "system"), "/config:4"));
	assert_null(origin_of(&s, "cluster"));
	settings_release(&s);
	assert_null(origin_of(&s, "n"));
}

static const char *value_of(char **env, const char *name)
{
	for (; *env; env++)
		if (strncmp(*env, name, strlen(name)) == 0 &&
		    (*env)[strlen(name)] == '=')
			return *env + strlen(name) + 1;
	return NULL;
}

static void machines_get_the_settings(void **state)
{
	const char *env[] = { "HOME=/root", "BIGM_N=2", "BIGM_CONTROL=/s", "A=1",
			"BIGM_RANK=1", "BIGM_SYSTEM=other", NULL };
	const char *more[] = { "A=2", "B=3", NULL };
	const char *given[] = { "BIGM_GIVEN=HOM,A,,C", NULL };
	struct settings s = { 0 };
	char **got;

	/* Its own of the driver is what it must not pass on. */
	assert_int_equal(settings_read_env(&s, (char **)env, &err), 0);
	assert_string_equal(s.control, "/s");
	assert_int_equal(settings_set(&s, "system", "", "x", &err), 0);
	assert_int_equal(settings_set(&s, "n", "7", "n", &err), 0);
	assert_int_equal(settings_set(&s, "log-dir", "/l", "x", &err), 0);
	assert_int_equal(settings_set(&s, "debug", "1", "x", &err), 0);
	got = settings_env(&s, (char **)env, more);
	assert_string_equal(value_of(got, "HOME"), "/root");
	assert_string_equal(value_of(got, "BIGM_N"), "7");
	assert_string_equal(value_of(got, "BIGM_LOG_DIR"), "/l");
	assert_string_equal(value_of(got, "BIGM_DEBUG"), "1");
	assert_string_equal(value_of(got, "BIGM_RANK"), "1");
	assert_string_equal(value_of(got, "A"), "2");
	assert_string_equal(value_of(got, "B"), "3");
	assert_null(value_of(got, "BIGM_CONTROL"));
	assert_null(value_of(got, "BIGM_SYSTEM"));
	strings_free(got);
	/* Elsewhere there is another HOME, and A is wanted only now. */
	got = settings_wanted_env(&s, (char **)env, more + 1);
	assert_null(value_of(got, "HOME"));
	assert_null(value_of(got, "A"));
	assert_null(value_of(got, "BIGM_GIVEN"));
	assert_string_equal(value_of(got, "BIGM_DEBUG"), "1");
	assert_string_equal(value_of(got, "B"), "3");
	strings_free(got);
	assert_int_equal(settings_read_env(&s, (char **)given, &err), 0);
	got = settings_wanted_env(&s, (char **)env, NULL);
	assert_null(value_of(got, "HOME"));
	assert_string_equal(value_of(got, "A"), "1");
	strings_free(got);
	settings_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_out),
		cmocka_unit_test(what_follows_two_dashes_stays),
		cmocka_unit_test(the_program_itself_is_no_option),
		cmocka_unit_test(bad_options_are_named),
		cmocka_unit_test(settings_of_systems_are_collected),
		cmocka_unit_test(the_environment_is_read),
		cmocka_unit_test(unknown_variables_are_refused),
		cmocka_unit_test(nearer_wins),
		cmocka_unit_test(what_bigm_was_told_stays),
		cmocka_unit_test(bad_files_are_named),
		cmocka_unit_test(origins_are_known),
		cmocka_unit_test(machines_get_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
