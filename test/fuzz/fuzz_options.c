/*
 * Command lines: of bigm's commands by their own tables, and what a map makes
 * of its words: ranges, lists and a template.  Whatever is refused says why;
 * a template's expansion has an argument for each of its words, or one more.
 *
 * The first byte chooses; the words have a NUL behind each.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/command.h"
#include "map/input.h"
#include "map/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 64

static const struct command *const commands[] = {
	&command_run,  &command_map,  &command_start,  &command_call,
	&command_exec, &command_tail, &command_status, &command_shutdown,
	&command_cp,   &command_bundle,
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
		if (n > (size_t)argc + width || out.len > MAP_MOST_ARGV)
			abort();
		buffer_release(&out);
	}
	map_template_free(template);
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
	ranges = map_input_from_ranges(copy, &err);
	if (ranges)
		expand(ranges, argv, argc);
	else if (err.code == 0 || err.text[0] == '\0')
		abort();
	expand(map_input_from_lists((char **const[]){ argv, argv + 1, NULL }),
	       argv, argc);
	return 0;
}
