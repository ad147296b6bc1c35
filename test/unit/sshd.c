#include "config.h"

#include "test/unit/sshd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "loop/process.h"

#define PROGRAM "/usr/sbin/sshd"
/* As root it insists on this one, which its package's service makes. */
#define EMPTY "/run/sshd"
#define MOST_CONNECTIONS 16

struct sshd {
	struct loop *loop;
	char dir[64];
	struct ssh_key host, client;
	int fd, port;
	uv_poll_t poll;
	bool made_empty, silent;
	pid_t pids[MOST_CONNECTIONS];
	int fds[MOST_CONNECTIONS]; /* of those that are not served */
	size_t n;
};

static void write_file(const struct sshd *s, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", s->dir, name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

/* SHLVL: bash then does not read what the user's .bashrc says. */
static void write_files(const struct sshd *s)
{
	AUTO_FREE char *config = xasprintf("HostKey %s/host\n"
					   "AuthorizedKeysFile %s/keys\n"
					   "PermitRootLogin yes\n"
					   "StrictModes no\n"
					   "UsePAM no\n"
					   "PasswordAuthentication no\n"
					   "SetEnv SHLVL=1\n"
					   "PidFile none\n",
					   s->dir, s->dir);

	write_file(s, "config", config);
	write_file(s, "host", s->host.private_text);
	write_file(s, "keys", s->client.public_text);
}

/* sshd speaks on its standard input and output, as under inetd. */
static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct sshd *s = poll->data;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	AUTO_FREE char *config = xasprintf("%s/config", s->dir);
	AUTO_FREE char *log = xasprintf("%s/log", s->dir);
	char *argv[] = { (char *)PROGRAM, (char *)"-i", (char *)"-f", config,
			 (char *)"-E", log, NULL };
	const struct process_fd fds[] = { { fd, 0 }, { fd, 1 } };
	const struct process_options options = {
		.program = PROGRAM, .argv = argv, .fds = fds, .nfds = 2,
		.death_signal = SIGKILL,
	};

	if (fd < 0 || s->n == MOST_CONNECTIONS)
		abort();
	s->fds[s->n] = fd;
	s->pids[s->n] = s->silent ? 0 : process_spawn(&options, NULL);
	if (!s->silent) {
		close(fd);
		s->fds[s->n] = -1;
	}
	s->n++;
}

static int listen_somewhere(struct sshd *s)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&addr, len) < 0 ||
	    listen(s->fd, 16) < 0 ||
	    getsockname(s->fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	s->port = ntohs(addr.sin_port);
	uv_poll_init(loop_uv(s->loop), &s->poll, s->fd);
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_connection);
	return 0;
}

struct sshd *sshd_start(struct loop *loop)
{
	struct sshd *s;

	if (access(PROGRAM, X_OK) < 0)
		return NULL;
	/* What it starts has a session of its own, and an environment in which
	 * nobody would find the test's mark. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->made_empty = geteuid() == 0 && mkdir(EMPTY, 0755) == 0;
	snprintf(s->dir, sizeof(s->dir), "%s/sshd-XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(s->dir) || ssh_key_new(&s->host, "host", NULL) < 0 ||
	    ssh_key_new(&s->client, "test", NULL) < 0 ||
	    listen_somewhere(s) < 0)
		abort();
	write_files(s);
	return s;
}

void sshd_be_silent(struct sshd *s)
{
	s->silent = true;
}

void sshd_cut(struct sshd *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->pids[i] > 0) {
			kill(s->pids[i], SIGKILL);
			waitpid(s->pids[i], NULL, 0);
		}
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	}
	s->n = 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void sshd_stop(struct sshd *s)
{
	static const char *const files[] = { "config", "host", "keys", "log" };

	sshd_cut(s);
	process_kill_descendants(10000);
	close(s->fd);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", s->dir, files[i]);

		unlink(path);
	}
	rmdir(s->dir);
	if (s->made_empty)
		rmdir(EMPTY);
	ssh_key_release(&s->host);
	ssh_key_release(&s->client);
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

struct ssh_target sshd_target(const struct sshd *s)
{
	return (struct ssh_target){
		.host = "127.0.0.1",
		.port = s->port,
		.user = getpwuid(geteuid())->pw_name,
		.key = &s->client,
		.host_key = s->host.public_text,
		.connect_ms = 20000,
		.timeout_ms = 20000,
	};
}
