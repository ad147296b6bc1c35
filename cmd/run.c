/* bigm run: a cluster for one program, from its start to its end. */
#include "cmd/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/detach.h"
#include "cmd/program.h"
#include "cmd/ranks.h"
#include "machine/settings.h"
#include "ssh/hosts.h"
#include "supervisor/tree_send.h"

static const char *const kinds[] = { "auto", "driver", "job", NULL };
static const char *const inputs[] = { "0", "all", "none", NULL };

#define AT(member) offsetof(struct run_options, member)

static const struct option_spec table[] = {
	{ .name = "machines", .letter = 'n', .kind = OPTION_NUMBER,
	  .value = "N", .min = 1, .max = RUN_MOST_MACHINES,
	  .help = "how many machines (1, or what the driver says)",
	  .offset = offsetof(struct run_options, machines) },
	{ .name = "procs", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = 1024, .help = "processors of a machine (local: 1)",
	  .offset = offsetof(struct run_options, procs) },
	{ .name = "min", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = RUN_MOST_MACHINES, .help = "a job is content with N machines (all)",
	  .offset = offsetof(struct run_options, min) },
	{ .name = "as", .kind = OPTION_CHOICE, .value = "KIND",
	  .choices = kinds,
	  .help = "driver: run it once, here; job: on every machine",
	  .offset = offsetof(struct run_options, as) },
	{ .name = "system", .kind = OPTION_TEXT, .value = "SYSTEM",
	  .help = "what makes the machines (local)",
	  .offset = offsetof(struct run_options, system) },
	{ .name = "ship",
	  .help = "machines begin with nothing, and are sent the program",
	  .offset = offsetof(struct run_options, ship) },
	{ .name = "name", .kind = OPTION_TEXT, .value = "NAME",
	  .help = "the name of the cluster (made up)",
	  .offset = offsetof(struct run_options, name) },
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER,
	  .help = "run it on the machines of that cluster",
	  .offset = offsetof(struct run_options, cluster) },
	{ .name = "env", .letter = 'e', .kind = OPTION_LIST,
	  .value = "K[=V]", .help = "a variable for the program; without =V: ours",
	  .offset = offsetof(struct run_options, env) },
	{ .name = "directory", .letter = 'C', .kind = OPTION_TEXT,
	  .value = "DIR", .completion = COMPLETE_FILE,
	  .help = "where the program runs (here)",
	  .offset = offsetof(struct run_options, dir) },
	{ .name = "collect", .kind = OPTION_LIST, .value = "PATTERN",
	  .help = "copy such files of each machine to ./MACHINE/ at the end",
	  .offset = offsetof(struct run_options, collect) },
	RUN_FILES(AT),
	{ .name = "log-dir", .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE, .help = "keep the cluster's logs there",
	  .offset = offsetof(struct run_options, log_dir) },
	RUN_EVENTS(AT),
	{ .name = "per-proc",
	  .help = "a rank of a job for each processor, not each machine",
	  .offset = offsetof(struct run_options, per_proc) },
	{ .name = "stdin", .kind = OPTION_CHOICE, .value = "WHO",
	  .choices = inputs,
	  .help = "who of a job reads ours: 0, the first rank; all; none",
	  .offset = offsetof(struct run_options, input) },
	{ .name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE,
	  .help = "what rank N of a job prints goes to DIR/N.out and N.err",
	  .offset = offsetof(struct run_options, output) },
	{ .name = "prefix", .letter = 'p',
	  .help = "put the machine's name before each line of a job",
	  .offset = offsetof(struct run_options, prefix) },
	{ .name = "keep-going", .letter = 'k',
	  .help = "let the other ranks of a job go on when one fails",
	  .offset = offsetof(struct run_options, keep_going) },
	{ .name = "detach", .letter = 'd',
	  .help = "print the job's name when it has begun, and let it go on",
	  .offset = offsetof(struct run_options, detach) },
	{ .name = "quiet", .letter = 'q',
	  .help = "say nothing of how the machines come up",
	  .offset = offsetof(struct run_options, quiet) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "end it after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct run_options, timeout_ms) },
	RUN_HTTP(AT),
	RUN_KEEPALIVE(AT),
	RUN_EC2(AT)
	RUN_SSH(AT)
	{ 0 },
};

/* The program's name and arguments, which PROGRAM and "--" separate. */
static char **program_argv(const struct option_words *words)
{
	char **argv = xcalloc((size_t)words->nwords + (size_t)words->nrest + 1,
			      sizeof(*argv));
	size_t n = 0;

	if (words->nwords > 0)
		argv[n++] = words->words[0];
	for (int i = 0; i < words->nrest; i++)
		argv[n++] = words->rest[i];
	return argv;
}

/* What no option says, the settings may. */
static int add_settings(struct run_options *o, struct settings *settings,
			struct bigm_error *err)
{
	if (settings_read_files(settings, err) != 0 ||
	    settings_read_env(settings, environ, err) != 0)
		return err->code;
	if (o->machines == 0)
		o->machines = (int)settings->n;
	if (o->procs == 0)
		o->procs = (int)settings->procs;
	if (o->system == NULL)
		o->system = settings->system;
	if (o->name == NULL)
		o->name = settings->cluster;
	if (o->log_dir == NULL)
		o->log_dir = settings->log_dir;
	if (o->http == NULL)
		o->http = settings->http;
	if (o->http_prefix == NULL)
		o->http_prefix = settings->http_prefix;
	o->no_http = o->no_http || settings->no_http;
	o->http_any_user = o->http_any_user || settings->http_any_user;
	if (o->events == NULL)
		o->events = settings->events;
	o->ship = o->ship || settings->ship;
	keepalive_fill(&o->keepalive, &settings->keepalive);
	return 0;
}

char **run_expand_env(const struct option_list *list)
{
	char **env = xcalloc(list->n + 1, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const char *item = list->items[i], *value = getenv(item);

		if (strchr(item, '=') != NULL)
			env[n++] = xstrdup(item);
		else if (value != NULL)
			env[n++] = xasprintf("%s=%s", item, value);
	}
	return env;
}

static int find_dir(struct run_order *order, struct bigm_error *err)
{
	const char *wanted = order->options.dir;
	struct stat st;

	if (wanted != NULL && order->argv[0] != NULL &&
	    bundle_is(order->argv[0])) {
		order->dir = xstrdup(wanted); /* on the machine */
		return 0;
	}
	order->dir = wanted != NULL ? realpath(wanted, NULL)
				    : get_current_dir_name();
	if (wanted != NULL && order->dir == NULL && run_may_pack(order)) {
		order->dir = xstrdup(wanted); /* the machine may have it */
		return 0;
	}
	if (order->dir == NULL || stat(order->dir, &st) != 0)
		return error_set_errno(err, errno, "the folder %s",
				       wanted != NULL ? wanted : ".");
	return S_ISDIR(st.st_mode) ? 0
		: bigm_error_set(err, BIGM_EINVALID, "%s is no folder", wanted);
}

/* "n,procs,system": what options have settled. */
static char *fixed_settings(const struct run_options *o)
{
	AUTO_FREE char *all = xasprintf("%s%s%s", o->machines > 0 ? ",n" : "",
					o->procs > 0 ? ",procs" : "",
					o->system != NULL ? ",system" : "");

	return xstrdup(*all == ',' ? all + 1 : all);
}

/* Machines of the system ssh are on hosts that the user names: as many as he
 * names, unless he wants fewer. */
static int count_hosts(struct run_options *o, struct bigm_error *err)
{
	bool wanted = o->system != NULL && strcmp(o->system, "ssh") == 0;
	struct ssh_settings settings;
	struct ssh_hosts hosts = { 0 };
	int code;

	for (size_t i = 0; !wanted && i < o->set.n; i++)
		if (strncmp(o->set.items[i], "ssh-", 4) == 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "%s: is for machines of --system "
					      "ssh", o->set.items[i]);
	if (!wanted)
		return 0;
	code = ssh_settings_load(&settings, environ, o->set.items, err);
	if (code == 0)
		code = ssh_hosts_load(&hosts, &settings, err);
	if (code == 0 && o->machines > (int)hosts.n)
		code = bigm_error_set(err, BIGM_EINVALID,
				      "-n %d: " SSH_HOSTS_TOO_FEW, o->machines,
				      hosts.n);
	else if (code == 0 && o->machines == 0)
		o->machines = (int)hosts.n;
	ssh_hosts_release(&hosts);
	ssh_settings_release(&settings);
	return code;
}

int run_order_init(struct run_order *order, const struct invocation *in,
		   const struct run_options *options, struct bigm_error *err)
{
	char **more = run_expand_env(&options->env);
	int code;

	*order = (struct run_order){ .in = in, .options = *options,
				     .argv = program_argv(&in->words),
				     .fixed = fixed_settings(options) };
	code = add_settings(&order->options, &order->settings, err);
	if (code == 0) {
		order->env = settings_env(&order->settings, environ,
					  (const char *const *)more);
		order->wanted_env = settings_wanted_env(
			&order->settings, environ, (const char *const *)more);
		code = find_dir(order, err);
	}
	if (code == 0 && options->cluster == NULL)
		code = count_hosts(&order->options, err);
	strings_free(more);
	return code;
}

void run_order_release(struct run_order *order)
{
	free(order->argv);
	free(order->path);
	bundle_release(&order->bundle);
	free(order->dir);
	free(order->fixed);
	strings_free(order->env);
	strings_free(order->wanted_env);
	settings_release(&order->settings);
}

int run_open_bundle(struct run_order *order, struct bigm_error *err)
{
	AUTO_FREE char *path = NULL;
	int code;

	if (!bundle_is(order->argv[0]))
		return 0;
	path = realpath(order->argv[0], NULL);
	code = path != NULL ? bundle_open(&order->bundle, path, err)
			    : error_set_errno(err, errno, "%s", order->argv[0]);
	if (code != 0)
		return code;
	order->argv[0] = order->bundle.parts[0].program;
	return 1;
}

static bool times_are_set(const struct keepalive *k)
{
	return k->period_ms != 0 || k->timeout_ms != 0 || k->call_ms != 0 ||
	       k->lease_ms != 0 || k->first_ms != 0;
}

/* What a driver decides itself, and what a cluster that is there has decided
 * already; what the settings say of it does not count. */
static int check_options(const struct run_order *order, int as,
			 struct bigm_error *err)
{
	const struct run_options *o = order->in->options;

	if (o->cluster != NULL &&
	    ((o->machines != 0 && as == RUN_JOB) || o->min != 0 ||
	     o->procs != 0 || o->system != NULL || o->ship ||
	     (o->name != NULL && !o->detach) || o->log_dir != NULL || o->events != NULL || o->set.n > 0 ||
	     o->http != NULL || o->http_prefix != NULL || o->no_http ||
	     o->http_any_user ||
	     times_are_set(&o->keepalive)))
		return bigm_error_set(err, BIGM_EINVALID,
				      "--cluster %s: it is there, with its "
				      "machines: leave out %s--min, --procs, "
				      "--system, --ship, --name, --log-dir, "
				      "--events, --http, --http-prefix, --no-http, "
				      "--http-any-user, settings of systems and "
				      "the times of "
				      "keepalive", o->cluster,
				      as == RUN_JOB ? "-n, " : "");
	if (o->detach && o->input == RANKS_INPUT_ALL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "--stdin all: a detached run reads nothing");
	if (as == RUN_DRIVER && (o->min != 0 || o->keep_going || o->per_proc ||
				 o->input != RANKS_INPUT_FIRST || o->output != NULL))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is a driver: --min, --keep-going, "
				      "--per-proc, --stdin and --output are for "
				      "jobs", order->argv[0]);
	if (o->min > (order->options.machines > 0 ? order->options.machines : 1))
		return bigm_error_set(err, BIGM_EINVALID,
				      "--min %d: more than the %d of -n", o->min,
				      order->options.machines > 0
					      ? order->options.machines : 1);
	return 0;
}

int run_check_files(const struct run_order *order, bool driver,
		    struct bigm_error *err)
{
	const struct run_options *o = &order->options;
	bool bundled = order->bundle.path != NULL;

	if ((o->files.n == 0 && !o->no_libs) || (!bundled && !driver))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s is a %s: --file and --no-libs are for plain "
			      "programs; bigm bundle has them, too",
			      bundled ? order->bundle.path : order->argv[0],
			      bundled ? "bundle" : "driver");
}

static int check_patterns(const struct option_list *patterns,
			  struct bigm_error *err)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (tree_check_pattern(patterns->items[i], err) != 0)
			return error_prefix(err, "--collect");
	return 0;
}

/* With -C the program shall be found from another folder. */
static void make_absolute(struct run_order *order)
{
	AUTO_FREE char *here = get_current_dir_name();
	char *path = order->path;

	if (order->options.dir == NULL || *path == '/' || here == NULL)
		return;
	order->path = xasprintf("%s/%s", here, path);
	free(path);
	if (strchr(order->argv[0], '/') != NULL)
		order->argv[0] = order->path;
}

static bool is_driver(const struct run_order *order)
{
	return order->bundle.path != NULL ? order->bundle.parts[0].driver
					  : program_is_driver(order->path);
}

/* Finds what is to be run.  The exit status, when there is none such. */
static int find(struct run_order *order, int *as, struct bigm_error *err)
{
	int code = run_open_bundle(order, err);

	if (code < 0)
		return STATUS_NOT_EXECUTABLE;
	code = code > 0 ? 0 : program_find(order->argv[0], &order->path, err);
	if (code != 0)
		return code;
	if (*as == RUN_GUESS)
		*as = is_driver(order) ? RUN_DRIVER : RUN_JOB;
	return order->bundle.path != NULL ||
			       (*as == RUN_JOB && run_may_pack(order))
		       ? 0 : program_check_machine(order->path, err);
}

static int work(struct run_order *order, int as)
{
	return as == RUN_DRIVER ? run_driver(order) : run_ranks(order);
}

/* A cluster of its own has the job's name. */
static int work_detached(struct run_order *order, int as)
{
	const struct run_options *said = order->in->options;
	const char *cluster = order->options.cluster;
	const struct detach_order job = {
		.name = cluster == NULL ? order->options.name : said->name,
		.cluster = cluster,
		.argv = order->argv,
		.dir = order->dir,
	};
	struct detach detach_;
	int status = detach(&detach_, order->in, &job);

	if (status >= 0)
		return status;
	if (cluster == NULL)
		order->options.name = detach_.record.name;
	order->detach = &detach_;
	status = work(order, as);
	detach_end(&detach_, status);
	detach_release(&detach_);
	return status;
}

static int start(struct run_order *order)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int as = order->options.as;
	int status = find(order, &as, &err);

	if (status != 0)
		return command_fail(order->in, status, "%s", err.text);
	if (check_options(order, as, &err) != 0 ||
	    run_check_files(order, as == RUN_DRIVER, &err) != 0 ||
	    check_patterns(&order->options.collect, &err) != 0)
		return command_fail(order->in, STATUS_USAGE, "%s", err.text);
	if (order->bundle.path == NULL)
		make_absolute(order);
	return order->options.detach ? work_detached(order, as) : work(order, as);
}

static int run(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct run_order order;
	int status;

	if (in->words.nwords + in->words.nrest == 0)
		return command_fail(in, STATUS_USAGE,
				    "which program? usage: bigm run %s",
				    in->command->synopsis);
	if (run_order_init(&order, in, in->options, &err) != 0)
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	else
		status = start(&order);
	run_order_release(&order);
	return status;
}

const struct command command_run = {
	.name = "run",
	.synopsis = "PROGRAM [-n N] [-- ARGUMENT...]",
	.summary = "Run a program on machines of its own",
	.details =
"A program that is linked with libbigm runs once, here, and makes calls to its\n"
"machines; any other program runs on every machine.  The machines go when it\n"
"ends, whatever way it ends, and bigm exits with its status.  With --cluster the\n"
"machines are those of a cluster that is there, and are then what they were.\n"
RUN_SYSTEMS_HELP,
	.table = table,
	.size = sizeof(struct run_options),
	.max_words = 1,
	.program = true,
	.completion = COMPLETE_PROGRAM,
	.run = run,
};
