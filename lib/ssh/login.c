#include "config.h"

#include "ssh/login.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "loop/process.h"
#include "ssh/advice.h"

#define WORDS_MOST 4096
/* What a dead ssh has left in its pipes comes at once; they may be held by
 * somebody whom it has started. */
#define DRAIN_MS 1000

enum { INPUT, OUTPUT, WORDS, NPIPES };

struct ssh_login {
	struct loop *loop;
	struct ssh_login_events events;
	void *data;
	uv_pipe_t pipes[NPIPES];
	bool closed[NPIPES]; /* or closing */
	int open;	     /* their handles */
	pid_t pid;	     /* 0: reaped */
	struct process_watch *watch;
	int status;
	bool output_over, ended, freed;
	struct loop_timer drain;
	struct buffer words;
	char chunk[32 << 10];
};

struct piece {
	uv_write_t req;
	char *own; /* NULL: the caller's */
	size_t len;
};

static void maybe_free(struct ssh_login *l)
{
	if (!l->freed || l->open > 0)
		return;
	process_watch_free(l->watch);
	buffer_release(&l->words);
	free(l);
}

static void on_closed(uv_handle_t *handle)
{
	struct ssh_login *l = handle->data;

	l->open--;
	maybe_free(l);
}

static void close_pipe(struct ssh_login *l, int which)
{
	if (l->closed[which])
		return;
	l->closed[which] = true;
	uv_close((uv_handle_t *)&l->pipes[which], on_closed);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static void end_output(struct ssh_login *l)
{
	close_pipe(l, OUTPUT);
	if (l->output_over)
		return;
	l->output_over = true;
	l->events.output(l->data, NULL, 0);
}

static void finish(struct ssh_login *l)
{
	if (l->ended)
		return;
	l->ended = true;
	loop_timer_stop(l->loop, &l->drain);
	for (int i = 0; i < NPIPES; i++)
		if (i != OUTPUT)
			close_pipe(l, i);
	end_output(l);
	l->events.ended(l->data, l->status);
}

static void maybe_finish(struct ssh_login *l)
{
	if (l->pid == 0 && l->closed[OUTPUT] && l->closed[WORDS])
		finish(l);
}

static void on_drained(struct loop_timer *timer)
{
	finish(loop_container(timer, struct ssh_login, drain));
}

static void on_exit_status(pid_t pid, int status, void *data)
{
	struct ssh_login *l = data;

	l->pid = 0;
	l->status = status;
	loop_timer_start(l->loop, &l->drain, DRAIN_MS, on_drained);
	maybe_finish(l);
}

/* ------------------------------------------------------------------ */
/* What comes                                                          */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct ssh_login *l = handle->data;

	*buf = uv_buf_init(l->chunk, sizeof(l->chunk));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ssh_login *l = stream->data;

	if (n > 0)
		l->events.output(l->data, buf->base, (size_t)n);
	if (n >= 0)
		return;
	end_output(l);
	maybe_finish(l);
}

static void on_words(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ssh_login *l = stream->data;
	size_t more = n > 0 ? (size_t)n : 0, skip;

	if (n < 0) {
		close_pipe(l, WORDS);
		maybe_finish(l);
		return;
	}
	skip = more > WORDS_MOST ? more - WORDS_MOST : 0;
	more -= skip;
	if (l->words.len + more > WORDS_MOST)
		buffer_consume(&l->words, l->words.len + more - WORDS_MOST);
	buffer_append(&l->words, buf->base + skip, more, NULL);
}

char *ssh_login_words(const struct ssh_login *l)
{
	return ssh_one_line(l->words.len ? buffer_data(&l->words) : NULL,
			    l->words.len);
}

/* ------------------------------------------------------------------ */
/* What goes                                                           */

static void on_written(uv_write_t *req, int status)
{
	struct piece *piece = loop_container(req, struct piece, req);

	if (piece->own)
		OPENSSL_cleanse(piece->own, piece->len);
	free(piece->own);
	free(piece);
	/* Who does not read any more says why in another way. */
}

void ssh_login_write(struct ssh_login *l, const void *bytes, size_t len,
		     bool own)
{
	struct piece *piece = xcalloc(1, sizeof(*piece));
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);

	piece->own = own ? buf.base : NULL;
	piece->len = len;
	if (l->closed[INPUT] ||
	    uv_write(&piece->req, (uv_stream_t *)&l->pipes[INPUT], &buf, 1,
		     on_written) < 0)
		on_written(&piece->req, -1);
}

void ssh_login_close_input(struct ssh_login *l)
{
	close_pipe(l, INPUT);
}

void ssh_login_kill(struct ssh_login *l)
{
	if (l->pid > 0)
		kill(-l->pid, SIGKILL); /* what it goes over, too */
}

/* ------------------------------------------------------------------ */
/* The beginning                                                       */

static pid_t spawn(const char *host, const char *config, const char *command,
		   const int ends[NPIPES], struct bigm_error *err)
{
	const char *argv[] = {
		"ssh", "-T", "-x", "-a",
		/* These are not in OpenSSH before 8.7. */
		"-oIgnoreUnknown=ForkAfterAuthentication,StdinNull,SessionType",
		"-oBatchMode=yes", "-oStrictHostKeyChecking=yes",
		"-oUpdateHostKeys=no", "-oControlMaster=no",
		"-oControlPath=none", "-oClearAllForwardings=yes",
		"-oPermitLocalCommand=no", "-oRemoteCommand=none",
		"-oRequestTTY=no", "-oForkAfterAuthentication=no",
		"-oStdinNull=no", "-oSessionType=default", "-oEscapeChar=none",
		"-oLogLevel=ERROR", "-oConnectTimeout=20",
		"-oServerAliveInterval=30", "-oServerAliveCountMax=4",
		"--", host, command, NULL, NULL, NULL,
	};
	enum { OPTIONS = 4 };
	const struct process_fd fds[] = {
		{ ends[INPUT], 0 }, { ends[OUTPUT], 1 }, { ends[WORDS], 2 },
	};
	const struct process_options options = {
		.program = argv[0],
		.argv = (char *const *)(uintptr_t)argv,
		.fds = fds,
		.nfds = 3,
		.session = true,
		.death_signal = SIGKILL,
	};
	pid_t pid;

	if (config) {
		memmove(&argv[OPTIONS + 2], &argv[OPTIONS],
			sizeof(argv) - (OPTIONS + 2) * sizeof(*argv));
		argv[OPTIONS] = "-F";
		argv[OPTIONS + 1] = config;
	}
	pid = process_spawn(&options, err);
	/* That something is not found would be taken for the job's program. */
	if (pid < 0 && err && err->code == BIGM_ENOTFOUND)
		bigm_error_set(err, BIGM_EFAILED,
			       "ssh, which takes us to %s, is not in PATH "
			       "(install openssh-client)", host);
	return pid;
}

/* ours[i] becomes the pipe's; theirs[i] is closed by the caller. */
static int open_pipes(struct ssh_login *l, int theirs[NPIPES],
		      struct bigm_error *err)
{
	int ends[2];

	for (int i = 0; i < NPIPES; i++) {
		uv_pipe_init(loop_uv(l->loop), &l->pipes[i], 0);
		l->pipes[i].data = l;
		l->closed[i] = false;
		l->open++;
		if (pipe2(ends, O_CLOEXEC) < 0)
			return error_set_errno(err, errno, "pipes for ssh");
		theirs[i] = ends[i == INPUT ? 0 : 1];
		uv_pipe_open(&l->pipes[i], ends[i == INPUT ? 1 : 0]);
	}
	return 0;
}

static void abandon(struct ssh_login *l)
{
	ssh_login_kill(l);
	for (int i = 0; i < NPIPES; i++)
		close_pipe(l, i);
	l->freed = true;
	maybe_free(l);
}

struct ssh_login *ssh_login_start(struct loop *loop, const char *host,
				  const char *config, const char *command,
				  const struct ssh_login_events *events,
				  void *data, struct bigm_error *err)
{
	struct ssh_login *l = xcalloc(1, sizeof(*l));
	int theirs[NPIPES] = { -1, -1, -1 };
	pid_t pid = -1;

	l->loop = loop;
	l->events = *events;
	l->data = data;
	buffer_init(&l->words, WORDS_MOST);
	for (int i = 0; i < NPIPES; i++)
		l->closed[i] = true;
	if (open_pipes(l, theirs, err) == 0)
		pid = spawn(host, config, command, theirs, err);
	for (int i = 0; i < NPIPES; i++)
		cleanup_close(&theirs[i]);
	if (pid > 0) {
		l->pid = pid;
		l->watch = process_watch(loop, pid, on_exit_status, l, err);
	}
	if (!l->watch) {
		abandon(l);
		return NULL;
	}
	uv_read_start((uv_stream_t *)&l->pipes[OUTPUT], on_alloc, on_output);
	uv_read_start((uv_stream_t *)&l->pipes[WORDS], on_alloc, on_words);
	return l;
}

void ssh_login_free(struct ssh_login *l)
{
	if (!l)
		return;
	loop_timer_stop(l->loop, &l->drain);
	ssh_login_kill(l);
	for (int i = 0; i < NPIPES; i++)
		close_pipe(l, i);
	l->freed = true;
	maybe_free(l);
}
