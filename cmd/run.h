/*
 * run: what the two halves of `bigm run`, and `bigm start`, share.
 */
#ifndef CMD_RUN_H
#define CMD_RUN_H

#include "bundle/bundle.h"
#include "cmd/command.h"
#include "ec2/settings_table.h"
#include "machine/settings.h"
#include "ssh/settings_table.h"

/* As many as a keeper starts at once. */
#define RUN_MOST_MACHINES 4096

/* Of run, start and exec; none has all of them. */
struct run_options {
	int machines; /* 0: not said */
	int min;      /* so many are enough; 0: all */
	int procs;    /* per machine; 0: the system's default */
	int as;	      /* enum run_kind */
	const char *system;
	const char *name;
	const char *cluster; /* one that is there; NULL: a new one (exec: any) */
	const char *log_dir;
	const char *http, *http_prefix; /* of debug pages; NULL: not said */
	bool no_http, http_any_user;
	const char *events; /* a file; NULL: none */
	const char *dir; /* NULL: where we are */
	struct option_list env;
	struct option_list collect; /* patterns */
	struct option_list files;   /* that go with the program: "SRC[:DST]" */
	bool no_libs; /* the program goes without its libraries and loader */
	bool ship; /* machines begin as the bare worker, whatever the system */
	bool per_proc; /* of a job: a rank for each processor */
	int input;     /* of a job: enum ranks_input */
	const char *output; /* of a job: a folder for what ranks print */
	bool prefix;
	bool terminal; /* of exec */
	bool quiet; /* no word of how the machines come up */
	bool keep_going; /* when one of many fails */
	bool detach; /* of run: go on without the terminal */
	uint64_t timeout_ms; /* 0: none */
	bool replace;		  /* machines that die */
	uint64_t idle_timeout_ms; /* the cluster ends; 0: it does not */
	struct keepalive keepalive; /* of the new cluster; 0: not said */
	struct option_list set; /* settings of systems: "ec2-type=m5.large" */
};

/* The options that say what keepalive.h is about; `at` gives a member's
 * offset. */
#define RUN_KEEPALIVE(at)                                                      \
	{ .name = "keepalive-period", .kind = OPTION_DURATION,                 \
	  .value = "TIME", .help = "ask machines twice in TIME (local: 1m)",   \
	  .offset = at(keepalive.period_ms) },                                 \
	{ .name = "keepalive-timeout", .kind = OPTION_DURATION,                \
	  .value = "TIME", .help = "give a silent one up after TIME (local: 2m)", \
	  .offset = at(keepalive.timeout_ms) },                                \
	{ .name = "keepalive-call", .kind = OPTION_DURATION,                   \
	  .value = "TIME", .help = "how long it may take to answer (local: 10s)", \
	  .offset = at(keepalive.call_ms) },                                   \
	{ .name = "lease", .kind = OPTION_DURATION, .value = "TIME",           \
	  .help = "machines end that were not asked for TIME (5m)",            \
	  .offset = at(keepalive.lease_ms) },                                  \
	{ .name = "lease-first", .kind = OPTION_DURATION, .value = "TIME",     \
	  .help = "the same, until they are asked at first (2m)",              \
	  .offset = at(keepalive.first_ms) }

/* What goes with a program to machines that have none of our files. */
#define RUN_FILES(at)                                                          \
	{ .name = "file", .letter = 'f', .kind = OPTION_LIST,                  \
	  .value = "SRC[:DST]", .completion = COMPLETE_FILE,                   \
	  .help = "a file or folder to be sent with the program",              \
	  .offset = at(files) },                                               \
	{ .name = "no-libs",                                                   \
	  .help = "send the program without its shared libraries",             \
	  .offset = at(no_libs) }

/* Those for the debug pages. */
#define RUN_HTTP(at)                                                           \
	{ .name = "http", .kind = OPTION_TEXT, .value = "ADDR",                \
	  .help = "debug pages there (127.0.0.1:3333, or the next port)",      \
	  .offset = at(http) },                                                \
	{ .name = "http-prefix", .kind = OPTION_TEXT, .value = "PATH",         \
	  .help = "debug pages below that path", .offset = at(http_prefix) },  \
	{ .name = "no-http", .help = "no debug pages",                         \
	  .offset = at(no_http) },                                             \
	{ .name = "http-any-user",                                             \
	  .help = "debug pages for every user of this host",                   \
	  .offset = at(http_any_user) }

/* What happens in the cluster. */
#define RUN_EVENTS(at)                                                         \
	{ .name = "events", .kind = OPTION_TEXT, .value = "FILE",              \
	  .completion = COMPLETE_FILE,                                         \
	  .help = "tell what happens there, as lines of JSON",                 \
	  .offset = at(events) }

/* The options for settings of systems: --ec2-NAME each, of which --help only
 * says where to find them, and short names for those that one wants often. */
#define RUN_SETTING_KIND_SWITCH OPTION_SWITCH
#define RUN_SETTING_KIND_TEXT OPTION_SETTING
#define RUN_SETTING_KIND_LIST OPTION_SETTING
#define RUN_SETTING_KIND_ITEMS OPTION_SETTING
#define RUN_SETTING_KIND_NUMBER OPTION_SETTING
#define RUN_SETTING_KIND_MONEY OPTION_SETTING
#define RUN_SETTING_KIND_DURATION OPTION_SETTING
#define RUN_SETTING_ROW(at, name_, kind_, value_, help_)                       \
	{ .name = name_, .kind = RUN_SETTING_KIND_##kind_,                     \
	  .value = value_, .help = help_, .offset = at(set),                   \
	  .setting = name_, .unlisted = true },
#define RUN_EC2_ROW(at, name_, kind_, field, least, most, fallback, value_,    \
		    help_)                                                     \
	RUN_SETTING_ROW(at, "ec2-" name_, kind_, value_, help_)
#define RUN_SSH_ROW(at, name_, kind_, field, least, most, fallback, value_,    \
		    help_)                                                     \
	RUN_SETTING_ROW(at, "ssh-" name_, kind_, value_, help_)

/* For the command's details. */
#define RUN_SYSTEMS_HELP                                                       \
	"Settings of EC2 and of ssh are options, too, --ec2-NAME VALUE: see bigm-ec2(5)\n" \
	"and bigm-ssh(5).\n"

#define RUN_SHORT(at, system_, name_, kind_, value_, help_)                    \
	{ .name = name_, .kind = kind_, .value = value_, .help = help_,        \
	  .offset = at(set), .setting = system_ name_ }

#define RUN_EC2(at)                                                            \
	RUN_SHORT(at, "ec2-", "on-demand", OPTION_SWITCH, NULL,                \
		  "EC2: buy instances on demand, not spot"),                   \
	RUN_SHORT(at, "ec2-", "on-demand-fallback", OPTION_SWITCH, NULL,       \
		  "EC2: buy on demand what spot does not have"),               \
	RUN_SHORT(at, "ec2-", "max-cost", OPTION_SETTING, "USD",               \
		  "EC2: at most USD an hour for all (10)"),                    \
	RUN_SHORT(at, "ec2-", "price-unknown-ok", OPTION_SWITCH, NULL,         \
		  "EC2: take types whose price is not known"),                 \
	RUN_SHORT(at, "ec2-", "allow", OPTION_SETTING, "CIDR",                 \
		  "EC2: who may connect to the instances"),                    \
	RUN_SHORT(at, "ec2-", "private", OPTION_SWITCH, NULL,                  \
		  "EC2: reach instances by their private addresses"),          \
	EC2_SETTINGS(RUN_EC2_ROW, at)

/* The same of hosts that one owns. */
#define RUN_SSH(at)                                                            \
	RUN_SHORT(at, "ssh-", "host", OPTION_SETTING,                          \
		  "HOST[:PROCS][,...]", "ssh: the hosts, a machine each"),     \
	{ .name = "hosts", .kind = OPTION_SETTING, .value = "FILE",            \
	  .help = "ssh: the hosts are in FILE, a line each",                   \
	  .offset = at(set), .setting = "ssh-hosts",                           \
	  .completion = COMPLETE_FILE },                                       \
	SSH_SETTINGS(RUN_SSH_ROW, at)

enum run_kind { RUN_GUESS, RUN_DRIVER, RUN_JOB };

/* What is to be run, with what options and settings say together. */
struct run_order {
	const struct invocation *in;
	struct run_options options;
	struct settings settings; /* what options have from them points here */
	char **argv; /* argv[0] is the program as the user wrote it, */
	char *path;  /* and this is where it is; NULL: not looked for yet */
	struct bundle bundle; /* or it is that, by its whole path; path NULL:
			       * it is none; or run_pack() has made it */
	bool packed; /* that, and it is nobody else's */
	bool for_more; /* machines that come later get it, too, from who calls
			* run_unpack() himself */
	char **env;  /* whole, for machines */
	char **wanted_env; /* what of it those of other hosts get */
	char *dir;   /* of the program */
	char *fixed; /* settings that options have settled: "n,procs,system" */
	struct detach *detach; /* NULL: it is not */
};

/* Puts options and settings together.  To be released, also after an error. */
int run_order_init(struct run_order *order, const struct invocation *in,
		   const struct run_options *options, struct bigm_error *err);
void run_order_release(struct run_order *order);

/* "K=V" for each: "K" takes our value, and drops out when there is none.  To
 * be freed by strings_free(). */
char **run_expand_env(const struct option_list *list);

/* argv[0] is a bundle: opens it, and argv[0] becomes its program's name.  1,
 * 0 when it is none, or a code. */
int run_open_bundle(struct run_order *order, struct bigm_error *err);

/* --file and --no-libs say how a bundle is made of a plain program. */
int run_check_files(const struct run_order *order, bool driver,
		    struct bigm_error *err);

/* Machines of a new cluster would be processes of this host. */
bool run_is_local(const struct run_options *options);

/* Machines may have to be sent the program, a plain one: they may not be this
 * host's, or somebody wants it. */
bool run_may_pack(const struct run_order *order);

/* In a thread; may block.  Makes a bundle of the program for the machines of the
 * session's cluster, if they have to be sent it, and opens that, or the one that
 * the user has made for them.  The error says so of a program that is not for
 * them; nothing has been bought then.  Nothing where there is a bundle already,
 * or no program: then its name is the machines' matter. */
struct session;
int run_pack(struct run_order *order, struct session *session,
	     struct bigm_error *err);
/* No machine will be sent any more what it has made. */
void run_unpack(struct run_order *order);

/* In a thread; may block.  Starts the machines for a job, or takes those of the
 * cluster that the session visits, and brings them the program, if need be:
 * then there is order->bundle.  *machines is malloc'ed.  Returns their number or
 * a code. */
int run_find_machines(struct session *session, struct run_order *run,
		      struct bigm_machine ***machines, struct bigm_error *err);

/* Once they are found: where the job runs there; NULL: in the folder of the
 * machine, or, with a bundle, of that. */
const char *run_job_dir(const struct run_order *order,
			const struct session *session);

/* Both return the exit status. */
int run_driver(const struct run_order *order);
int run_ranks(struct run_order *order);

#endif
