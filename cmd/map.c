/* bigm map: a job for each of many inputs, over the machines of a cluster. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "cmd/map_sources.h"
#include "cmd/map_work.h"
#include "cmd/program.h"

#define MOST_ATTEMPTS 1000

#define AT(member) offsetof(struct map_command, run.member)

static const struct map_command defaults = { .attempts = 1 };

static const struct option_spec table[] = {
	{ .name = "machines", .letter = 'n', .kind = OPTION_NUMBER,
	  .value = "N", .min = 1, .max = RUN_MOST_MACHINES,
	  .help = "how many machines (one, with all of this host)",
	  .offset = AT(machines) },
	{ .name = "procs", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = 1024, .help = "processors of a machine (local: 1)",
	  .offset = AT(procs) },
	{ .name = "jobs", .letter = 'j', .kind = OPTION_TEXT, .value = "N",
	  .help = "jobs of a machine at a time: N, +N, -N, N% (100%)",
	  .offset = offsetof(struct map_command, slots) },
	{ .name = "null", .letter = '0',
	  .help = "a NUL ends each input, not the end of a line",
	  .offset = offsetof(struct map_command, null) },
	{ .name = "arg-file", .letter = 'a', .kind = OPTION_LIST,
	  .value = "FILE", .completion = COMPLETE_FILE,
	  .help = "inputs are in FILE, not in standard input",
	  .offset = offsetof(struct map_command, file) },
	{ .name = "array", .kind = OPTION_TEXT, .value = "RANGE",
	  .help = "inputs are numbers: 1-1000, 0-90:10, 1,5,7-9",
	  .offset = offsetof(struct map_command, array) },
	{ .name = "keep-order", .letter = 'k',
	  .help = "output in the order of the inputs",
	  .offset = offsetof(struct map_command, keep_order) },
	{ .name = "tag", .help = "begin each line with the job's input",
	  .offset = offsetof(struct map_command, tag) },
	{ .name = "results", .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE,
	  .help = "keep output in DIR/1/INPUT/stdout and stderr, too",
	  .offset = offsetof(struct map_command, results) },
	{ .name = "retries", .kind = OPTION_NUMBER, .value = "N", .min = 0,
	  .max = MOST_ATTEMPTS,
	  .help = "try a job that fails N times (1); 0: for ever",
	  .offset = offsetof(struct map_command, attempts) },
	{ .name = "halt", .kind = OPTION_TEXT, .value = "WHEN,WHY=N",
	  .help = "now,fail=1: end all when one fails (never)",
	  .offset = offsetof(struct map_command, halt) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "end a job after TIME (90, 1.5m, 2h)",
	  .offset = AT(timeout_ms) },
	{ .name = "journal", .kind = OPTION_TEXT, .value = "FILE",
	  .completion = COMPLETE_FILE,
	  .help = "a line of JSON there for each job that ends",
	  .offset = offsetof(struct map_command, journal) },
	{ .name = "resume", .kind = OPTION_TEXT, .value = "FILE",
	  .completion = COMPLETE_FILE,
	  .help = "go on with the map that has that journal",
	  .offset = offsetof(struct map_command, resume) },
	{ .name = "resume-failed", .kind = OPTION_TEXT, .value = "FILE",
	  .completion = COMPLETE_FILE,
	  .help = "the same, and run what had failed again",
	  .offset = offsetof(struct map_command, resume_failed) },
	{ .name = "dry-run", .help = "print the jobs' commands, and run none",
	  .offset = offsetof(struct map_command, dry_run) },
	{ .name = "system", .kind = OPTION_TEXT, .value = "SYSTEM",
	  .help = "what makes the machines (local)", .offset = AT(system) },
	{ .name = "ship",
	  .help = "machines begin with nothing, and are sent the program",
	  .offset = AT(ship) },
	{ .name = "name", .kind = OPTION_TEXT, .value = "NAME",
	  .help = "the name of the cluster (made up)", .offset = AT(name) },
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER,
	  .help = "on the machines of that cluster", .offset = AT(cluster) },
	{ .name = "env", .letter = 'e', .kind = OPTION_LIST,
	  .value = "K[=V]", .help = "a variable for the jobs; without =V: ours",
	  .offset = AT(env) },
	{ .name = "directory", .letter = 'C', .kind = OPTION_TEXT,
	  .value = "DIR", .completion = COMPLETE_FILE,
	  .help = "where the jobs run (here)", .offset = AT(dir) },
	{ .name = "collect", .kind = OPTION_LIST, .value = "PATTERN",
	  .help = "copy such files of each machine to ./MACHINE/ at the end",
	  .offset = AT(collect) },
	RUN_FILES(AT),
	{ .name = "log-dir", .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE, .help = "keep the cluster's logs there",
	  .offset = AT(log_dir) },
	{ .name = "quiet", .letter = 'q',
	  .help = "say nothing but what fails", .offset = AT(quiet) },
	RUN_EVENTS(AT),
	RUN_HTTP(AT),
	RUN_KEEPALIVE(AT),
	RUN_EC2(AT)
	RUN_SSH(AT)
	{ 0 },
};

/* The command up to ":::" or the like, and that with what is behind it. */
static void split_argv(struct mapping *m)
{
	char **at = map_sources_find(m->order.argv);
	size_t n = strings_count(at);

	m->argv = m->order.argv;
	if (at == NULL)
		return;
	m->lists = xcalloc(n + 1, sizeof(*m->lists));
	memcpy(m->lists, at, n * sizeof(*at));
	*at = NULL;
}

static int open_input(struct mapping *m, struct bigm_error *err)
{
	const struct map_command *c = m->command;
	const struct map_sources sources = {
		.files = c->file,
		.words = m->lists,
		.delimiter = c->null ? '\0' : '\n',
	};

	m->input_fd = -1;
	if (c->array != NULL && (c->file.n > 0 || m->lists != NULL))
		return bigm_error_set(err, BIGM_EINVALID,
				      "--array: the inputs are its numbers, and no "
				      "words or lines of files");
	m->input = c->array != NULL
			   ? map_input_from_ranges(c->array, err)
			   : map_sources_open(&sources, &m->input_fd, err);
	return m->input == NULL ? err->code : 0;
}

static int make_template(struct mapping *m, struct bigm_error *err)
{
	unsigned wanted;

	m->template = map_template_new(m->argv);
	wanted = map_template_inputs(m->template);
	if (wanted > map_input_width(m->input))
		return bigm_error_set(err, BIGM_EINVALID,
				      "{%u}: a job has only %zu input%s", wanted,
				      map_input_width(m->input),
				      map_input_width(m->input) == 1 ? "" : "s");
	return 0;
}

static int open_journal(struct mapping *m, struct bigm_error *err)
{
	const struct map_command *c = m->command;
	const char *resume = c->resume_failed != NULL ? c->resume_failed
						       : c->resume;
	const struct map_journal_options options = {
		.path = resume != NULL ? resume : c->journal,
		.argv = m->argv,
		.resume = resume != NULL,
		.failed_again = c->resume_failed != NULL,
	};

	if ((c->journal != NULL) + (c->resume != NULL) +
		    (c->resume_failed != NULL) > 1)
		return bigm_error_set(err, BIGM_EINVALID,
				      "--journal, --resume and --resume-failed "
				      "name the same file: say one of them");
	if (options.path == NULL)
		return 0;
	m->journal = map_journal_open(&options, err);
	return m->journal != NULL ? 0 : err->code;
}

/* A cluster of our own, of this host, on which nobody has said how many: one
 * machine that has all processors. */
static void fill_procs(struct run_options *o)
{
	if (o->cluster == NULL && o->machines == 0 && o->procs == 0 &&
	    run_is_local(o))
		o->procs = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int prepare(struct mapping *m, struct bigm_error *err)
{
	const struct map_command *c = m->command;

	split_argv(m);
	if (m->argv[0] == NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "which program? usage: bigm map %s",
				      m->session.in->command->synopsis);
	if (open_input(m, err) != 0 || make_template(m, err) != 0 ||
	    (c->slots != NULL && map_slots_parse(&m->slots, c->slots, err) != 0) ||
	    (c->halt != NULL && halt_parse(&m->halt, c->halt, err) != 0) ||
	    (m->halt.percent && map_input_spool(m->input, err) != 0))
		return err->code;
	fill_procs(&m->order.options);
	m->output = (struct map_output){ .in = m->session.in, .bar = &m->bar,
					 .results = c->results, .tag = c->tag };
	return 0;
}

/* The program, or the bundle, for machines that have to be sent it.  What is not
 * here is theirs, as is what an input names. */
static int find_program(struct mapping *m, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	int code = run_open_bundle(&m->order, err);

	if (code < 0 || run_check_files(&m->order, false, err) != 0)
		return err->code;
	if (code > 0 || !run_may_pack(&m->order) ||
	    !map_template_has_program(m->template))
		return 0;
	code = program_find(m->argv[0], &m->order.path, &why);
	return code == STATUS_NOT_EXECUTABLE && strchr(m->argv[0], '/') != NULL
		       ? error_copy(err, &why) : 0;
}

static void release(struct mapping *m)
{
	map_output_release(&m->output);
	map_journal_free(m->journal);
	map_template_free(m->template);
	map_input_free(m->input);
	if (m->input_fd >= 0)
		close(m->input_fd);
	strings_free(m->env);
	free(m->lists);
	run_order_release(&m->order);
}

static int run(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct mapping m = { .command = in->options, .session.in = in,
			     .input_fd = -1 };
	int status = 0;

	if (run_order_init(&m.order, in, &m.command->run, &err) != 0 ||
	    prepare(&m, &err) != 0)
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	else if (m.command->dry_run)
		status = map_work_print(&m, &err) == 0 ? command_finish_output(in, 0)
			: command_fail(in, STATUS_BIGM, "%s", err.text);
	else if (find_program(&m, &err) != 0 ||
		 open_journal(&m, &err) != 0 ||
		 map_output_init(&m.output, &err) != 0)
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	else
		status = map_work_run(&m);
	release(&m);
	return status;
}

const struct command command_map = {
	.name = "map",
	.synopsis = "[OPTION...] -- PROGRAM [ARGUMENT...] [::: INPUT...]",
	.summary = "Run a job for each of many inputs",
	.details =
"A job for each line of standard input, or each INPUT, over all processors of a\n"
"cluster of its own, or of the one that --cluster names.  {} in the arguments is\n"
"the input, as are {.}, {/}, {//}, {/.}, {#} and {1} what they are for GNU\n"
"parallel; without any it is the last argument.  The output of a job comes when\n"
"it has ended, never mixed with another's.\n"
RUN_SYSTEMS_HELP,
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct map_command),
	.max_words = 1,
	.program = true,
	.completion = COMPLETE_PROGRAM,
	.run = run,
};
