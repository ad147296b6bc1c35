/* bigm bundle: puts into one file what machines need to run a program. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/make.h"
#include "cmd/command.h"
#include "cmd/program.h"
#include "cmd/table.h"

struct bundle_options {
	const char *output;
	struct option_list files;
	bool no_libs;
	bool list;
	bool json;
};

static const struct option_spec table[] = {
	{ .name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE",
	  .completion = COMPLETE_FILE, .help = "the bundle (PROGRAM.bigm)",
	  .offset = offsetof(struct bundle_options, output) },
	{ .name = "file", .letter = 'f', .kind = OPTION_LIST,
	  .value = "SRC[:DST]", .completion = COMPLETE_FILE,
	  .help = "a file or folder to go with it; again: another",
	  .offset = offsetof(struct bundle_options, files) },
	{ .name = "no-libs", .help = "without shared libraries and loader",
	  .offset = offsetof(struct bundle_options, no_libs) },
	{ .name = "list", .letter = 'l', .help = "show what a bundle is for",
	  .offset = offsetof(struct bundle_options, list) },
	{ .name = "json", .letter = 'j', .help = "with --list, as JSON",
	  .offset = offsetof(struct bundle_options, json) },
	{ 0 },
};

/* ------------------------------------------------------------------ */
/* Showing                                                             */

static void print_table(const struct bundle *bundle)
{
	static const char *const headers[] = { "ARCH", "PROGRAM", "KIND",
					       "PACKED", "UNPACKED", "LIBRARIES",
					       "FILES", "LOADER", "DIGEST", NULL };
	struct table t;

	table_init(&t, headers);
	for (size_t i = 0; i < bundle->nparts; i++) {
		const struct bundle_part *part = &bundle->parts[i];

		table_add(&t, "%s", part->arch);
		table_add(&t, "%s", part->program);
		table_add(&t, "%s", part->driver ? "driver" : "job");
		table_add(&t, "%llu", (unsigned long long)part->size);
		table_add(&t, "%llu", (unsigned long long)part->unpacked);
		table_add(&t, "%llu", (unsigned long long)part->libraries);
		table_add(&t, "%llu", (unsigned long long)part->files);
		table_add(&t, "%s", part->loader != NULL ? part->loader : "-");
		/* As much of it as one compares. */
		table_add(&t, "%.19s", part->digest);
	}
	table_print(&t, table_width(), stdout);
	table_release(&t);
}

static int show(const struct invocation *in)
{
	const struct bundle_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bundle bundle;
	int status = 0;

	if (in->words.nwords != 1)
		return command_fail(in, STATUS_USAGE, "--list: which bundle?");
	if (bundle_open(&bundle, in->words.words[0], &err) != 0) {
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	} else if (options->json) {
		AUTO_JSON cJSON *json = bundle_index(&bundle);
		AUTO_FREE char *text = json_print(json);

		puts(text);
	} else {
		print_table(&bundle);
	}
	bundle_release(&bundle);
	return command_finish_output(in, status);
}

/* ------------------------------------------------------------------ */
/* Making                                                              */

/* "linux/arm64=PATH", or "PATH", which may be in PATH. */
static int take_program(const char *word, struct make_program *program,
			char **place, struct bigm_error *err)
{
	const char *equals = strncmp(word, "linux/", 6) == 0 ? strchr(word, '=')
							     : NULL;

	if (equals != NULL)
		*place = xstrndup(word, (size_t)(equals - word));
	program->arch = *place;
	word = equals != NULL ? equals + 1 : word;
	if (*word == '\0')
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s=: which program?", program->arch);
	program->path = word;
	return 0;
}

static int make(const struct invocation *in)
{
	const struct bundle_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct make_program programs[BUNDLE_MAX_PARTS] = { 0 };
	char *archs[BUNDLE_MAX_PARTS] = { 0 };
	struct make_order order = {
		.programs = programs,
		.files = options->files.items,
		.no_libs = options->no_libs,
	};
	AUTO_FREE char *path = NULL;
	int status = 0;

	for (int i = 0; i < in->words.nwords && err.code == 0; i++)
		take_program(in->words.words[i], &programs[i], &archs[i], &err);
	order.nprograms = (size_t)in->words.nwords;
	path = options->output != NULL ? xstrdup(options->output)
				       : xasprintf("%s.bigm", programs[0].path);
	order.path = path;
	if (err.code == 0)
		make_bundle(&order, &err);
	if (err.code != 0)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	for (int i = 0; i < in->words.nwords; i++)
		free(archs[i]);
	return status;
}

static int run(const struct invocation *in)
{
	const struct bundle_options *options = in->options;

	if (in->words.nwords == 0)
		return command_fail(in, STATUS_USAGE,
				    "which program? usage: bigm bundle %s",
				    in->command->synopsis);
	if (options->json && !options->list)
		return command_fail(in, STATUS_USAGE, "--json is for --list");
	if (options->list)
		return show(in);
	return make(in);
}

const struct command command_bundle = {
	.name = "bundle",
	.synopsis = "PROGRAM [ARCH=PROGRAM...] [--file SRC[:DST]] [-o FILE]",
	.summary = "Put a program, its libraries and files into one file",
	.details =
"A bundle runs on any machine of its architectures, whatever is installed there:\n"
"with its own loader and libraries.  `bigm run FILE` runs it.\n",
	.table = table,
	.size = sizeof(struct bundle_options),
	.max_words = BUNDLE_MAX_PARTS,
	.completion = COMPLETE_PROGRAM,
	.run = run,
};
