/*
 * shaped: a system whose machines live in network namespaces of their own, which
 * test/bench/ship has made: m0 in "bigm-ship-0" with the address 10.77.0.10, and
 * so on.  The keeper opens a machine's socket there, and the machine runs there,
 * so that all it sends to the keeper and to others goes through its own link.
 * What it prints is dropped.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "loop/process.h"
#include "machine/local.h"
#include "machine/provision.h"

#define LISTEN_FD 3
#define IDENTITY_FD 4
#define PORT 4433
#define FIRST 10 /* the last number of m0's address */

struct system {
	struct system_keeper keeper;
};

struct system_launch {
	struct system *system;
	struct system_events events;
	void *data;
	char *address, *space; /* the namespace's path */
	pid_t pid;	       /* 0: reaped, or not there yet */
	struct process_watch *watch;
	struct loop_task announce;
};

static void announce(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, announce);

	l->events.address(l->data, l->address, 1, l->pid);
}

static void on_exit_status(pid_t pid, int status, void *data)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (status != 0)
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "ended with %#x",
			       (unsigned)status);
	l->pid = 0;
	l->events.output(l->data, NULL, 0);
	l->events.gone(l->data, &why);
}

static void shaped_kill(struct system_launch *l)
{
	if (l->pid > 0)
		kill(-l->pid, SIGKILL);
}

static void shaped_release(struct system_launch *l)
{
	process_watch_free(l->watch);
	free(l->address);
	free(l->space);
	free(l);
}

static int listen_here(unsigned index, char **address, struct bigm_error *err)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	/* Connections of a cluster before may still be there. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	in.sin_addr.s_addr = htonl((10u << 24 | 77u << 16 | FIRST) + index);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    listen(fd, SOMAXCONN) < 0) {
		error_set_errno(err, errno, "machine %u's socket", index);
		cleanup_close(&fd);
		return BIGM_EIO;
	}
	*address = xasprintf("https://%s:%d/", inet_ntoa(in.sin_addr), PORT);
	return fd;
}

/* This thread goes there and comes back; the socket stays. */
static int listen_there(struct system_launch *l, unsigned index,
			struct bigm_error *err)
{
	AUTO_CLOSE int here = open("/proc/thread-self/ns/net",
				   O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int there = open(l->space, O_RDONLY | O_CLOEXEC);
	int fd;

	if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		return error_set_errno(err, errno, "%s", l->space);
	fd = listen_here(index, &l->address, err);
	if (setns(here, CLONE_NEWNET) < 0)
		abort();
	return fd;
}

static int spawn(struct system_launch *l, const struct system_order *order,
		 int listen_fd, int identity_fd, struct bigm_error *err)
{
	AUTO_FREE char *space = xasprintf("--net=%s", l->space);
	char *argv[] = { (char *)"nsenter", space,
			 (char *)l->system->keeper.bigm_path, NULL };
	AUTO_FREE char *boot = boot_env(LISTEN_FD, -1, IDENTITY_FD);
	AUTO_FREE char *change = xasprintf(BOOT_ENV "=%s", boot);
	char **env = process_env(order->env, (char *[]){ change, NULL });
	const struct process_fd fds[] = { { listen_fd, LISTEN_FD },
					  { identity_fd, IDENTITY_FD } };
	const struct process_options options = {
		.program = argv[0], .argv = argv, .env = env, .fds = fds,
		.nfds = 2, .session = true, .death_signal = SIGKILL,
	};

	l->pid = process_spawn(&options, err);
	strings_free(env);
	if (l->pid > 0)
		l->watch = process_watch(l->system->keeper.loop, l->pid,
					 on_exit_status, l, err);
	return l->watch ? 0 : BIGM_EFAILED;
}

static struct system_launch *shaped_start(struct system *system,
					  const struct system_order *order,
					  const struct system_events *events,
					  void *data, struct bigm_error *err)
{
	struct system_launch *l = xcalloc(1, sizeof(*l));
	unsigned index = (unsigned)strtoul(order->name + 1, NULL, 10);
	AUTO_CLOSE int listen = -1, identity = -1;

	l->system = system;
	l->events = *events;
	l->data = data;
	l->announce.fn = announce;
	l->space = xasprintf("/run/netns/bigm-ship-%u", index);
	listen = listen_there(l, index, err);
	identity = listen < 0 ? -1 :
				provision_leave(&system->keeper, order,
						l->address, 1, err);
	if (identity < 0 || spawn(l, order, listen, identity, err) < 0) {
		shaped_kill(l);
		shaped_release(l);
		return NULL;
	}
	loop_defer(system->keeper.loop, &l->announce);
	return l;
}

static struct system *shaped_new(const struct system_keeper *keeper,
				 const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	return s;
}

static bool shaped_ships(const struct system *s)
{
	return true;
}

static void shaped_free(struct system *s)
{
	free(s);
}

static const struct system_ops system_shaped = {
	.name = "shaped",
	.new = shaped_new,
	.start = shaped_start,
	.kill = shaped_kill,
	.release = shaped_release,
	.ships = shaped_ships,
	.free = shaped_free,
	.keepalive = KEEPALIVE_DEFAULTS,
};

const struct system_ops *const system_table[] = {
	&system_local,
	&system_shaped,
	NULL,
};
