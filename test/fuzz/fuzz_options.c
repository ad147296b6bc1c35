/*
 * Command lines: of bigm's commands by their own tables, and what a map makes
 * of its words: ranges, lists, a file of inputs, a template, when to halt, how
 * many at a time.  Whatever is refused says why; a template's expansion has no
 * more arguments than its words, each of them {}, and the inputs make.
 *
 * The first byte chooses; the words have a NUL behind each.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "cmd/command.h"
#include "map/halt.h"
#include "map/input.h"
#include "map/slots.h"
#include "map/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 64

static const struct command *const commands[] = {
	&command_run,  &command_map,  &command_start,  &command_call,
	&command_exec, &command_tail, &command_status, &command_shutdown,
	&command_cp,   &command_bundle, &command_scale,	 &command_wait,
	&command_pprof,	 &command_config, &command_completion, &command_help,
	&command_version,
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void parse(const struct command *c, int argc, char **argv)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE void *values = xcalloc(1, c->size + 1);
	struct option_words words = { 0 };
	const struct option_tables tables = {
		.table = c->table, .values = values,
		.program_hint = c->program,
	};

	if (c->defaults)
		memcpy(values, c->defaults, c->size);
	if (options_parse(&tables, argc, argv, &words, &err) < 0) {
		if (err.code == 0 || err.text[0] == '\0')
			abort();
	} else if (words.nwords + words.nrest >= argc) {
		abort();
	}
	option_words_release(&words);
	options_release(c->table, values);
}

static void expand(struct map_input *input, char **argv, int argc)
{
	struct map_template *template = map_template_new(argv);
	const char *const *inputs;

	for (int i = 0; i < 100; i++) {
		struct buffer out = BUFFER_INIT(1u << 20);
		size_t n = 0, width = map_input_width(input);

		if (map_input_next(input, &inputs, NULL) <= 0)
			break;
		if (map_template_expand(template, 1, inputs, &out, NULL) == 0)
			for (size_t at = 0; at < out.len; n++)
				at += strlen((const char *)buffer_data(&out) +
					     at) + 1;
		if (n > (size_t)argc * width + width || out.len > MAP_MOST_ARGV)
			abort();
		buffer_release(&out);
	}
	map_template_free(template);
	map_input_free(input);
}

static void must_say(int rc, const struct bigm_error *err)
{
	if (rc < 0 && (err->code == 0 || err->text[0] == '\0'))
		abort();
}

static void read_word(const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct map_slots slots = { 0 };
	struct halt halt = { 0 };
	int rc = map_slots_parse(&slots, text, &err);

	must_say(rc, &err);
	for (unsigned procs = 1; rc == 0 && procs < 1000; procs *= 7)
		if (map_slots_of(&slots, procs) < 1 ||
		    map_slots_of(&slots, procs) > MAP_MOST_AT_A_TIME)
			abort();
	err = (struct bigm_error)BIGM_ERROR_INIT;
	rc = halt_parse(&halt, text, &err);
	must_say(rc, &err);
	if (rc == 0)
		halt_check(&halt, 1, 2, 4);
}

/* Inputs of a file are what is between its delimiters, all of it. */
static void read_file(const uint8_t *data, size_t size, char delimiter)
{
	AUTO_CLOSE int fd = memfd_create("inputs", MFD_CLOEXEC);
	struct map_input *input = map_input_from_file(fd, delimiter);
	const char *const *inputs;
	size_t n = 0, ends = 0;
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc;

	if (fd < 0 || files_write(fd, data, size) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		abort();
	while ((rc = map_input_next(input, &inputs, &err)) > 0)
		n++;
	must_say(rc, &err);
	for (size_t i = 0; i < size; i++)
		ends += (char)data[i] == delimiter;
	if (rc == 0 && n != ends + (size > 0 &&
				    (char)data[size - 1] != delimiter))
		abort();
	map_input_free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct map_input *ranges;
	char *argv[MOST + 2];
	int argc = 0;

	if (size < 2)
		return 0;
	AUTO_FREE char *copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	argv[argc++] = (char *)"command";
	for (char *at = copy; argc <= MOST && at < copy + size - 1;
	     at += strlen(at) + 1)
		argv[argc++] = at;
	argv[argc] = NULL;
	if (data[0] < COMMANDS) {
		parse(commands[data[0]], argc, argv);
		return 0;
	}
	if (data[0] >= 0x80) {
		read_word(copy);
		read_file(data + 1, size - 1, data[0] & 1 ? '\n' : '\0');
		return 0;
	}
	ranges = map_input_from_ranges(copy, &err);
	if (ranges)
		expand(ranges, argv, argc);
	else if (err.code == 0 || err.text[0] == '\0')
		abort();
	expand(map_input_from_lists((char **const[]){ argv, argv + 1, NULL }),
	       argv, argc);
	return 0;
}
