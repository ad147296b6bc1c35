/*
 * The three processes of a cluster's owner: the one that was spawned, which
 * goes when the others are there; the guard, which makes the record; the
 * keeper.  From the record's beginning to its end, two of them live.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "keeper/companion.h"
#include "keeper/core.h"
#include "keeper/keeper.h"
#include "loop/process.h"
#include "rpc/wire.h"

/* getopt's name for the first of KEEPALIVE_NAMES. */
#define FIRST_TIME 256

/* ------------------------------------------------------------------ */
/* Arguments                                                           */

/* The client's descriptors, where they are what they should be. */
static int inherited(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return fd;
}

/* Across exec. */
static void keep_open(const struct keeper_options *o, bool keep)
{
	const int fds[] = { o->hold_fd, o->status_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static int take_option(struct keeper_options *o, int c,
		       struct bigm_error *err)
{
	const struct {
		int c;
		const char **value;
	} texts[] = {
		{ 'n', &o->name },    { 'y', &o->system },
		{ 'v', &o->version }, { 'w', &o->wire },
		{ 'l', &o->log_dir }, { 'e', &o->events },
		{ 'h', &o->http },    { 'H', &o->http_prefix },
	};

	uint64_t *const times[] = {
		&o->keepalive.period_ms, &o->keepalive.timeout_ms,
		&o->keepalive.call_ms,	 &o->keepalive.lease_ms,
		&o->keepalive.first_ms,	 &o->idle_timeout_ms,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].c != c)
			continue;
		*texts[i].value = optarg;
		return 0;
	}
	if (c >= FIRST_TIME)
		return duration_parse(optarg, times[c - FIRST_TIME], err);
	if (c == 'S') {
		o->set = xrealloc(o->set, (o->nset + 1) * sizeof(*o->set));
		o->set[o->nset++] = optarg;
		return 0;
	}
	if (c == '?')
		return bigm_error_set(err, BIGM_EINVALID,
				      "the keeper does not know an option of "
				      "its client");
	o->ship = o->ship || c == 's';
	o->no_http = o->no_http || c == 'N';
	o->http_any_user = o->http_any_user || c == 'A';
	o->debug = o->debug || c == 'd';
	return 0;
}

static int parse_options(int argc, char **argv, struct keeper_options *o,
			 struct bigm_error *err)
{
	static const char *const times[] = { KEEPALIVE_NAMES };
	struct option options[24] = {
		{ "name", required_argument, NULL, 'n' },
		{ "system", required_argument, NULL, 'y' },
		{ "version", required_argument, NULL, 'v' },
		{ "wire", required_argument, NULL, 'w' },
		{ "log-dir", required_argument, NULL, 'l' },
		{ "http", required_argument, NULL, 'h' },
		{ "http-prefix", required_argument, NULL, 'H' },
		{ "no-http", no_argument, NULL, 'N' },
		{ "http-any-user", no_argument, NULL, 'A' },
		{ "events", required_argument, NULL, 'e' },
		{ "ship", no_argument, NULL, 's' },
		{ "debug", no_argument, NULL, 'd' },
		{ "set", required_argument, NULL, 'S' },
	};
	size_t n = 13;
	/* getopt wants a program's name in front. */
	char **args = xcalloc((size_t)argc + 2, sizeof(*args));
	int c, rc = 0;

	for (int i = 0; i < 5; i++)
		options[n++] = (struct option){ times[i], required_argument,
						NULL, FIRST_TIME + i };
	options[n] = (struct option){ "idle-timeout", required_argument, NULL,
				      FIRST_TIME + 5 };
	args[0] = (char *)"bigm";
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	optind = 0;
	opterr = 0;
	while (rc == 0 &&
	       (c = getopt_long(argc + 1, args, "", options, NULL)) != -1)
		rc = take_option(o, c, err);
	if (rc == 0 && optind <= argc)
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "keeper: \"%s\" is no option",
				    args[optind]);
	free(args);
	return rc;
}

/* A client that is older or newer than the program it found. */
static int check_client(const struct keeper_options *o, struct bigm_error *err)
{
	if ((!o->version || !strcmp(o->version, bigm_version())) &&
	    (!o->wire || !strcmp(o->wire, WIRE_VERSION_TEXT)))
		return 0;
	return bigm_error_set(err, BIGM_EPROTOCOL,
			      "the program's libbigm is %s (wire %s), the bigm "
			      "it found is %s (wire %s): they must be the same",
			      o->version ? o->version : "?",
			      o->wire ? o->wire : "?", bigm_version(),
			      WIRE_VERSION_TEXT);
}

/* ------------------------------------------------------------------ */
/* Words to the client, and to the log                                 */

void keeper_report(const struct keeper_options *o,
		   const struct bigm_error *why)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *text = NULL, *line = NULL;
	ssize_t n;

	if (o->status_fd < 0) {
		log_error("%s", why->text);
		return;
	}
	cJSON_AddStringToObject(json, "code", bigm_code_name(why->code));
	cJSON_AddStringToObject(json, "message", why->text);
	cJSON_AddBoolToObject(json, "retriable", why->retriable);
	text = json_print(json);
	line = xasprintf("%s\n", text);
	n = write(o->status_fd, line, strlen(line));
	(void)n; /* nobody listens any more */
}

static void log_with_time(enum log_level level, const char *line, void *data)
{
	static const char letters[] = "EWID";
	struct timespec now;
	struct tm tm;
	char when[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	dprintf(STDERR_FILENO, "%s.%03ldZ %c %s\n", when, now.tv_nsec / 1000000,
		letters[level], line);
}

/* From here on the log is the record's. */
static int settle_stdio(const struct record *record, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/keeper.log", record->dir);
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int log = open(path, O_WRONLY | O_CREAT | O_APPEND |
					O_CLOEXEC, 0600);

	if (null < 0 || log < 0)
		return error_set_errno(err, errno, "cannot create %s", path);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return error_set_errno(err, errno, "cannot write to %s", path);
	log_set_sink(log_with_time, NULL);
	return 0;
}

static void clean_up(struct record *record,
		     const struct keeper_options *options)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (options->log_dir && record_is_there(record) &&
	    record_keep_logs(record, options->log_dir, &why) < 0)
		keeper_report(options, &why);
	if (record_remove(record, &why) < 0)
		log_error("%s", why.text);
}

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static int keeper_process(struct record *record,
			  const struct keeper_options *options, int alive,
			  int ready_fd)
{
	ssize_t n = write(ready_fd, "", 1);
	int rc;

	(void)n; /* nobody needs to know any more */
	close(ready_fd);
	prctl(PR_SET_NAME, "bigm-keeper");
	rc = keeper_run(record, options, alive);
	/* The guard does this too, but may die any moment. */
	process_kill_descendants(PROCESS_GONE_MS);
	clean_up(record, options);
	record_free(record);
	return rc < 0;
}

/* ------------------------------------------------------------------ */
/* The guard                                                           */

static void wait_for(pid_t keeper, const sigset_t *signals, int *status)
{
	for (;;) {
		int sig = sigwaitinfo(signals, NULL);
		pid_t pid = waitpid(keeper, status, WNOHANG);

		if (pid == keeper || (pid < 0 && errno != EINTR))
			return;
		if (sig == SIGTERM)
			kill(keeper, SIGTERM);
	}
}

static void report_death(const struct keeper_options *options,
			 const char *who, int status)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	char text[128];

	/* 1: it has said why itself. */
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return;
	process_describe_status(status, text, sizeof(text));
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the %s was ended by %s", who,
		       text);
	keeper_report(options, &why);
}

/* Signals are blocked from before the keeper is forked, so none is missed. */
static int guard_record(struct record *record,
			const struct keeper_options *options, int ready_fd)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	sigset_t signals, before;
	int alive[2], status = 0;
	pid_t keeper;

	sigfillset(&signals);
	pthread_sigmask(SIG_SETMASK, &signals, &before);
	if (pipe2(alive, O_CLOEXEC) < 0 || (keeper = fork()) < 0) {
		error_set_errno(&why, errno, "cannot start the keeper");
		keeper_report(options, &why);
		record_remove(record, NULL);
		return 1;
	}
	if (keeper == 0) {
		close(alive[1]);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		return keeper_process(record, options, alive[0], ready_fd);
	}
	close(ready_fd);
	close(alive[0]);
	close(record->listen_fd);
	record->listen_fd = -1;
	wait_for(keeper, &signals, &status);
	report_death(options, "keeper", status);
	process_kill_descendants(PROCESS_GONE_MS);
	clean_up(record, options);
	record_free(record);
	return status != 0;
}

static int guard_process(const struct keeper_options *options, int ready_fd)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct record *record;

	prctl(PR_SET_NAME, "cluster-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	record = record_create(options->name, &why);
	if (record && settle_stdio(record, &why) == 0)
		return guard_record(record, options, ready_fd);
	keeper_report(options, &why);
	if (record)
		record_remove(record, NULL);
	record_free(record);
	return 1;
}

/* ------------------------------------------------------------------ */
/* The one that was spawned                                            */

/* Until there is a keeper, we are the one who outlives the guard.  We do not
 * hold the lock of its record: a dead one's is free. */
static int await_keeper(const struct keeper_options *options, pid_t guard,
			int ready_fd)
{
	int status = 0;
	char byte;
	ssize_t n;

	do
		n = read(ready_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	while (waitpid(guard, &status, 0) < 0 && errno == EINTR)
		;
	report_death(options, "keeper's guard", status);
	strings_free(record_list(NULL));
	return 1;
}

static int start_guard(const struct keeper_options *options,
		       struct bigm_error *err)
{
	int ready[2];
	pid_t guard;

	if (pipe2(ready, O_CLOEXEC) < 0 || (guard = fork()) < 0) {
		error_set_errno(err, errno, "cannot start the keeper's guard");
		return 1;
	}
	if (guard == 0) {
		close(ready[0]);
		return guard_process(options, ready[1]);
	}
	close(ready[1]);
	return await_keeper(options, guard, ready[0]);
}

/* Goes on with the same descriptors. */
static int become_companion(const struct keeper_options *o, int argc,
			    char **argv, struct bigm_error *err)
{
	char **args;
	int rc;

	if (!o->system)
		return 0;
	args = xcalloc((size_t)argc + 3, sizeof(*args));
	args[0] = (char *)"bigm";
	args[1] = (char *)KEEPER_ROLE;
	for (int i = 0; i < argc; i++)
		args[i + 2] = argv[i];
	keep_open(o, true);
	rc = companion_become(o->system, args, err);
	keep_open(o, false);
	free(args);
	return rc;
}

/* The authority's key, machines' bootstrap identities, AWS credentials: no core
 * file has them, and nobody's debugger but root's.  Programs that are started
 * from here are what they would be otherwise: it ends with exec. */
static void keep_secrets(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

int keeper_main(int argc, char **argv)
{
	struct keeper_options options = {
		.hold_fd = inherited(KEEPER_HOLD_FD, S_IFSOCK),
		.status_fd = inherited(KEEPER_STATUS_FD, S_IFIFO),
	};
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = 1;

	signal(SIGPIPE, SIG_IGN);
	keep_secrets();
	if (parse_options(argc, argv, &options, &why) == 0 &&
	    check_client(&options, &why) == 0 &&
	    become_companion(&options, argc, argv, &why) == 0) {
		if (options.debug)
			log_set_level(LOG_LEVEL_DEBUG);
		setsid();
		rc = start_guard(&options, &why);
	}
	if (why.code)
		keeper_report(&options, &why);
	free(options.set);
	return rc;
}
