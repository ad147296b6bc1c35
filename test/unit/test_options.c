#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/nearest.h"
#include "cmd/options.h"

struct values {
	bool flag;
	const char *text;
	int number;
	uint64_t time;
	int choice;
};

struct more_values {
	bool help;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct option_spec table[] = {
	{ .name = "flag", .letter = 'f', .help = "a flag",
	  .offset = offsetof(struct values, flag) },
	{ .name = "text", .kind = OPTION_TEXT, .value = "T", .help = "a text",
	  .offset = offsetof(struct values, text) },
	{ .name = "number", .letter = 'n', .kind = OPTION_NUMBER, .value = "N",
	  .help = "a number", .min = 1, .max = 99,
	  .offset = offsetof(struct values, number) },
	{ .name = "time", .kind = OPTION_DURATION, .value = "TIME",
	  .help = "a time", .offset = offsetof(struct values, time) },
	{ .name = "colour", .kind = OPTION_CHOICE, .value = "COLOUR",
	  .choices = colours, .help = "a choice",
	  .offset = offsetof(struct values, choice) },
	{ 0 },
};

static const struct option_spec more_table[] = {
	{ .name = "help", .letter = 'h', .help = "this",
	  .offset = offsetof(struct more_values, help) },
	{ 0 },
};

static struct values values;
static struct more_values more;
static struct option_words words;
static struct bigm_error err;

/* Parses the words of a command line that blanks separate. */
static int parse(const char *line, bool stop)
{
	static char copy[200];
	static char *argv[20];
	const struct option_tables tables = { table, &values, more_table, &more,
					      stop, true };
	int argc = 0;

	option_words_release(&words);
	values = (struct values){ .choice = -1 };
	more.help = false;
	err = (struct bigm_error)BIGM_ERROR_INIT;
	snprintf(copy, sizeof(copy), "command %s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(&tables, argc, argv, &words, &err);
}

static void assert_refused(const char *line, const char *message)
{
	assert_int_equal(parse(line, false), BIGM_EINVALID);
	if (strstr(err.text, message) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", line, err.text,
			 message);
}

static int release(void **state)
{
	option_words_release(&words);
	return 0;
}

static void test_every_kind_is_stored(void **state)
{
	assert_int_equal(parse("-f --text a=b -n7 --time 2m --colour=green -h",
			       false), 0);
	assert_true(values.flag);
	assert_string_equal(values.text, "a=b");
	assert_int_equal(values.number, 7);
	assert_int_equal(values.time, 120000);
	assert_int_equal(values.choice, 1);
	assert_true(more.help);
	assert_int_equal(words.nwords, 0);
}

static void test_options_stand_before_and_after_words(void **state)
{
	assert_int_equal(parse("-n 3 one two -f three", false), 0);
	assert_int_equal(values.number, 3);
	assert_true(values.flag);
	assert_int_equal(words.nwords, 3);
	assert_string_equal(words.words[0], "one");
	assert_string_equal(words.words[1], "two");
	assert_string_equal(words.words[2], "three");
	assert_null(words.words[3]);
}

static void test_dashes_end_the_options(void **state)
{
	assert_int_equal(parse("one -- -n 0 -- --bogus", false), 0);
	assert_int_equal(values.number, 0);
	assert_int_equal(words.nwords, 1);
	assert_int_equal(words.nrest, 4);
	assert_string_equal(words.rest[0], "-n");
	assert_string_equal(words.rest[2], "--");
	assert_string_equal(words.rest[3], "--bogus");
	assert_int_equal(parse("one --", false), 0);
	assert_int_equal(words.nrest, 0);
}

static void test_stop_ends_at_the_first_word(void **state)
{
	assert_int_equal(parse("-f run -n 3 --what", true), 0);
	assert_true(values.flag);
	assert_int_equal(values.number, 0);
	assert_int_equal(words.nwords, 4);
	assert_string_equal(words.words[0], "run");
	assert_string_equal(words.words[3], "--what");
}

static void test_a_lone_dash_is_a_word(void **state)
{
	assert_int_equal(parse("-", false), 0);
	assert_int_equal(words.nwords, 1);
	assert_string_equal(words.words[0], "-");
}

static void test_unknown_options_name_the_nearest(void **state)
{
	assert_refused("--nubmer 3", "no option --nubmer; did you mean --number?");
	assert_refused("--nubmer=3", "did you mean --number?");
	assert_refused("--zzzzzz", "no option --zzzzzz (options of the program");
	assert_refused("-q", "no option -q");
	assert_refused("-fq", "no option -q");
	assert_refused("--nubmer", "stand after --)");
}

static void test_bad_values_are_refused(void **state)
{
	assert_refused("-n 0", "-n, --number: 0 is out of range: from 1 to 99");
	assert_refused("-n 100", "out of range");
	assert_refused("-n 99999999999999999999999", "out of range");
	assert_refused("-n -1", "out of range");
	assert_refused("-n abc", "\"abc\" is no whole number");
	assert_refused("-n 1x", "\"1x\" is no whole number");
	assert_refused("-n 1.5", "no whole number");
	assert_refused("--number=", "\"\" is no whole number");
	assert_refused("-n", "-n, --number wants a value: N");
	assert_refused("--text", "--text wants a value: T");
	assert_refused("--flag=yes", "-f, --flag takes no value");
	assert_refused("--colour blue", "\"blue\" is none of: red, green");
	assert_refused("--time soon", "soon is no time");
}

static void test_help_shows_every_option(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	options_print(table, out);
	fclose(out);
	assert_string_equal(text,
		"  -f, --flag               a flag\n"
		"      --text T             a text\n"
		"  -n, --number N           a number\n"
		"      --time TIME          a time\n"
		"      --colour COLOUR      a choice\n");
	free(text);
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "run", "status", "shutdown", "help",
					     NULL };

	assert_string_equal(nearest("rnu", names), "run");
	assert_string_equal(nearest("stauts", names), "status");
	assert_string_equal(nearest("stat", names), "status");
	assert_string_equal(nearest("shutdonw", names), "shutdown");
	assert_null(nearest("frobnicate", names));
	assert_null(nearest("", names));
	assert_null(nearest("0123456789012345678901234567890123456789"
			    "0123456789012345678901234567890123456789", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_is_stored),
		cmocka_unit_test(test_options_stand_before_and_after_words),
		cmocka_unit_test(test_dashes_end_the_options),
		cmocka_unit_test(test_stop_ends_at_the_first_word),
		cmocka_unit_test(test_a_lone_dash_is_a_word),
		cmocka_unit_test(test_unknown_options_name_the_nearest),
		cmocka_unit_test(test_bad_values_are_refused),
		cmocka_unit_test(test_help_shows_every_option),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
