/*
 * The three processes of a cluster's owner: the one that was spawned, which
 * makes the record and goes; the guard; the keeper.
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
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/keeper.h"
#include "loop/process.h"
#include "rpc/wire.h"

#define KILL_MS 1500

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

static int take_option(struct keeper_options *o, int c,
		       struct bigm_error *err)
{
	const struct {
		int c;
		const char **value;
	} texts[] = {
		{ 'n', &o->name },    { 'y', &o->system },
		{ 'v', &o->version }, { 'w', &o->wire },
		{ 'l', &o->log_dir },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].c != c)
			continue;
		*texts[i].value = optarg;
		return 0;
	}
	if (c == '?')
		return bigm_error_set(err, BIGM_EINVALID,
				      "the keeper does not know an option of "
				      "its client");
	o->ship = o->ship || c == 's';
	o->debug = o->debug || c == 'd';
	return 0;
}

static int parse_options(int argc, char **argv, struct keeper_options *o,
			 struct bigm_error *err)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "system", required_argument, NULL, 'y' },
		{ "version", required_argument, NULL, 'v' },
		{ "wire", required_argument, NULL, 'w' },
		{ "log-dir", required_argument, NULL, 'l' },
		{ "ship", no_argument, NULL, 's' },
		{ "debug", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	/* getopt wants a program's name in front. */
	char **args = xcalloc((size_t)argc + 2, sizeof(*args));
	int c, rc = 0;

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
	AUTO_FREE char *text = NULL;
	ssize_t n;

	if (o->status_fd < 0) {
		log_error("%s", why->text);
		return;
	}
	cJSON_AddStringToObject(json, "code", bigm_code_name(why->code));
	cJSON_AddStringToObject(json, "message", why->text);
	cJSON_AddBoolToObject(json, "retriable", why->retriable);
	text = json_print(json);
	n = write(o->status_fd, text, strlen(text));
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
			  pid_t guard)
{
	int rc;

	prctl(PR_SET_NAME, "bigm-keeper");
	rc = keeper_run(record, options, alive);
	/* The guard does this too, but may be dead, or dying this moment. */
	if (getppid() != guard)
		process_kill_descendants(KILL_MS);
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

static void report_death(const struct keeper_options *options, int status)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	char text[128];

	/* 1: it has said why itself. */
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return;
	process_describe_status(status, text, sizeof(text));
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the keeper was ended by %s",
		       text);
	keeper_report(options, &why);
}

/* Signals are blocked from before the keeper is forked, so none is missed. */
static int guard_process(struct record *record,
			 const struct keeper_options *options)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	sigset_t signals, before;
	int alive[2], status = 0;
	pid_t keeper, self = getpid();

	prctl(PR_SET_NAME, "bigm-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&signals);
	sigprocmask(SIG_SETMASK, &signals, &before);
	if (pipe2(alive, O_CLOEXEC) < 0 || (keeper = fork()) < 0) {
		error_set_errno(&why, errno, "cannot start the keeper");
		keeper_report(options, &why);
		record_remove(record, NULL);
		return 1;
	}
	if (keeper == 0) {
		close(alive[1]);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return keeper_process(record, options, alive[0], self);
	}
	close(alive[0]);
	close(record->listen_fd);
	record->listen_fd = -1;
	wait_for(keeper, &signals, &status);
	report_death(options, status);
	process_kill_descendants(KILL_MS);
	clean_up(record, options);
	record_free(record);
	return status != 0;
}

int keeper_main(int argc, char **argv)
{
	struct keeper_options options = {
		.hold_fd = inherited(KEEPER_HOLD_FD, S_IFSOCK),
		.status_fd = inherited(KEEPER_STATUS_FD, S_IFIFO),
	};
	struct bigm_error why = BIGM_ERROR_INIT;
	struct record *record = NULL;
	pid_t guard;

	signal(SIGPIPE, SIG_IGN);
	if (parse_options(argc, argv, &options, &why) < 0 ||
	    check_client(&options, &why) < 0)
		goto failed;
	if (options.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	setsid();
	record = record_create(options.name, &why);
	if (!record || settle_stdio(record, &why) < 0)
		goto failed;
	guard = fork();
	if (guard == 0)
		return guard_process(record, &options);
	if (guard > 0) {
		record_free(record);
		return 0;
	}
	error_set_errno(&why, errno, "cannot start the keeper's guard");
failed:
	keeper_report(&options, &why);
	if (record)
		record_remove(record, NULL);
	record_free(record);
	return 1;
}
