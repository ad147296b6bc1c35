#include "machine/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "keeper/keeper.h"
#include "loop/process.h"
#include "rpc/wire.h"

/* ------------------------------------------------------------------ */
/* The keeper's arguments                                              */

/* Room for what argv points to. */
struct keeper_times {
	char options[5][32];
	char texts[5][DURATION_TEXT];
	char idle[DURATION_TEXT];
};

static int add_times(const char **argv, struct keeper_times *times,
		     const struct keepalive *k)
{
	static const char *const names[] = { KEEPALIVE_NAMES };
	const uint64_t all[] = { k->period_ms, k->timeout_ms, k->call_ms,
				 k->lease_ms, k->first_ms };
	int n = 0;

	for (int i = 0; i < 5; i++) {
		if (all[i] == 0)
			continue;
		snprintf(times->options[i], sizeof(times->options[i]), "--%s",
			 names[i]);
		argv[n++] = times->options[i];
		argv[n++] = duration_text(all[i], times->texts[i]);
	}
	return n;
}

static int add_texts(const char **argv, const struct cluster_options *o)
{
	const char *const texts[][2] = {
		{ "--name", o->name },
		{ "--system", o->system },
		{ "--log-dir", o->log_dir },
		{ "--events", o->events },
		{ "--http", o->http },
		{ "--http-prefix", o->http_prefix },
	};
	int n = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!texts[i][1])
			continue;
		argv[n++] = texts[i][0];
		argv[n++] = texts[i][1];
	}
	return n;
}

/* The keeper's arguments, malloc'ed; they point to the options and times. */
static const char **keeper_argv(const struct cluster_options *o,
				struct keeper_times *times)
{
	size_t nset = strings_count(o->set);
	const char **argv = xcalloc(40 + 2 * nset, sizeof(*argv));
	int n = 0;

	argv[n++] = "bigm";
	argv[n++] = KEEPER_ROLE;
	argv[n++] = "--version";
	argv[n++] = bigm_version();
	argv[n++] = "--wire";
	argv[n++] = WIRE_VERSION_TEXT;
	n += add_texts(argv + n, o);
	n += add_times(argv + n, times, &o->keepalive);
	if (o->http_any_user)
		argv[n++] = "--http-any-user";
	if (o->idle_timeout_ms > 0) {
		argv[n++] = "--idle-timeout";
		argv[n++] = duration_text(o->idle_timeout_ms, times->idle);
	}
	if (o->no_http)
		argv[n++] = "--no-http";
	if (o->ship)
		argv[n++] = "--ship";
	if (o->debug)
		argv[n++] = "--debug";
	for (size_t i = 0; i < nset; i++) {
		argv[n++] = "--set";
		argv[n++] = o->set[i];
	}
	return argv;
}

/* ------------------------------------------------------------------ */
/* Both ends                                                           */

/* What the keeper gets. */
struct ends {
	int socket, status;
};

static void close_ends(struct ends *ends)
{
	cleanup_close(&ends->socket);
	cleanup_close(&ends->status);
}
#define AUTO_ENDS __attribute__((cleanup(close_ends)))

static int open_both(struct hold *h, struct ends *theirs, struct bigm_error *err)
{
	int pair[2], pipe[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "a socket for the keeper");
	h->socket = pair[0];
	theirs->socket = pair[1];
	if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set_errno(err, errno, "a pipe for the keeper");
	h->status = pipe[0];
	theirs->status = pipe[1];
	return 0;
}

static pid_t spawn(const char *program, const struct cluster_options *o,
		   const struct ends *theirs, struct bigm_error *err)
{
	const struct process_fd fds[] = {
		{ theirs->socket, KEEPER_HOLD_FD },
		{ theirs->status, KEEPER_STATUS_FD },
	};
	struct keeper_times times;
	AUTO_FREE const char **argv = keeper_argv(o, &times);
	const struct process_options options = {
		.program = program,
		.argv = (char *const *)argv,
		.fds = fds,
		.nfds = sizeof(fds) / sizeof(*fds),
		.session = true,
	};

	return process_spawn(&options, err);
}

int hold_begin(struct hold *h, const char *program,
	       const struct cluster_options *options, struct bigm_error *err)
{
	AUTO_ENDS struct ends theirs = { -1, -1 };
	int r;

	*h = (struct hold){ .socket = -1, .status = -1 };
	r = open_both(h, &theirs, err);
	if (r == 0) {
		h->pid = spawn(program, options, &theirs, err);
		r = h->pid < 0 ? (int)h->pid : 0;
	}
	if (r < 0) {
		cleanup_close(&h->socket);
		cleanup_close(&h->status);
	}
	return r;
}

/* A program that ignores SIGCHLD, or waits for any child, may have reaped it
 * before us.  Where `bigm` is something else, it may do anything. */
void hold_reap(const struct hold *h, bool failed, const char *program,
	       struct bigm_error *err)
{
	char text[80];
	int status = 0;
	pid_t r;

	if (failed && waitpid(h->pid, &status, WNOHANG) == 0)
		kill(h->pid, SIGKILL);
	do
		r = waitpid(h->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (!failed)
		return;
	process_describe_status(status, text, sizeof(text));
	error_prefix(err, "%s, started as the keeper, ended with %s", program,
		     text);
}

bool hold_read_status(int status, struct bigm_error *why)
{
	char text[4096];
	const char *code, *message, *end;
	ssize_t len = status < 0 ? -1 : read(status, text, sizeof(text));

	/* The first line tells the cause, others what went wrong then. */
	end = len > 0 ? memchr(text, '\n', (size_t)len) : NULL;
	AUTO_JSON cJSON *json =
		end ? json_parse(text, (size_t)(end - text), NULL) : NULL;

	if (!json || bigm_json_get_string(json, "code", &code, NULL) < 0 ||
	    bigm_json_get_string(json, "message", &message, NULL) < 0)
		return false;
	bigm_error_set(why, error_code_from_name(code), "%s", message);
	json_opt_bool(json, "retriable", &why->retriable, NULL);
	return true;
}
