#include "config.h"

#include "machine/local.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "bundle/preload.h"
#include "loop/process.h"
#include "machine/host_file.h"
#include "machine/oom.h"
#include "machine/orphans.h"
#include "machine/provision.h"
#include "supervisor/boot.h"
#include "supervisor/signing.h"

#define CHILD_LISTEN_FD 3
#define CHILD_PARENT_FD 4

#define PACKET_MAX 65536
#define READ_SIZE 65536
/* What a dead machine's pipe may still give; more comes only from a process
 * that it left and that goes on writing. */
#define DRAIN_MAX (4u << 20)

struct system {
	struct system_keeper keeper;
	struct oom *oom;
	bool ship;
	char *worker; /* what machines begin as that get the program */
};

struct system_launch {
	struct system *system;
	struct system_events events;
	void *data;

	/* For the boot answer. */
	char *name, *dir, *marker, *address;
	int procs;
	uint64_t lease_ms;
	bool answered;
	struct bigm_error failed; /* what the machine said of its end */

	pid_t pid; /* 0 once it is reaped */
	struct process_watch *watch;
	struct loop_task announce;
	int out_fd, boot_fd;
	uv_poll_t out_poll, boot_poll;
	int open_polls;
	bool output_over, gone, released;
};

static void maybe_free(struct system_launch *l)
{
	if (!l->released || l->open_polls > 0 || l->announce.queued)
		return;
	process_watch_free(l->watch);
	free(l->name);
	free(l->dir);
	free(l->marker);
	free(l->address);
	free(l);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct system_launch *l = handle->data;

	l->open_polls--;
	maybe_free(l);
}

/* Ends a poll and closes its descriptor; at most once each. */
static void close_poll(uv_poll_t *poll, int *fd)
{
	if (*fd < 0)
		return;
	uv_poll_stop(poll);
	uv_close((uv_handle_t *)poll, on_poll_closed);
	close(*fd);
	*fd = -1;
}

/* ------------------------------------------------------------------ */
/* Output                                                              */

static void end_output(struct system_launch *l)
{
	if (l->output_over)
		return;
	l->output_over = true;
	close_poll(&l->out_poll, &l->out_fd);
	l->events.output(l->data, NULL, 0);
}

/* Takes one piece; false when there is none now, or no more at all. */
static bool read_output(struct system_launch *l, size_t *total)
{
	char buf[READ_SIZE];
	ssize_t n = read(l->out_fd, buf, sizeof(buf));

	if (n > 0) {
		*total += (size_t)n;
		l->events.output(l->data, buf, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_output(l);
	return false;
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct system_launch *l = poll->data;
	size_t total = 0;

	if (!l->output_over)
		read_output(l, &total);
}

static void drain_output(struct system_launch *l)
{
	size_t total = 0;

	while (!l->output_over && total < DRAIN_MAX && read_output(l, &total))
		;
}

/* ------------------------------------------------------------------ */
/* The boot handshake                                                  */

static int answer_request(struct system_launch *l, const char *request,
			  struct bigm_error *err)
{
	const struct system_keeper *k = &l->system->keeper;
	const struct signing_facts facts = {
		.name = l->name,
		.cluster = k->cluster,
		.address = l->address,
		.dir = l->dir,
		.marker = l->marker,
		.procs = l->procs,
		.lease_ms = l->lease_ms,
		.no_http = k->no_http,
	};
	AUTO_FREE char *certificate = NULL, *authority = NULL, *text = NULL;
	AUTO_JSON cJSON *json = NULL;

	if (k->sign(k->keeper, request, l->name, PROVISION_HOST, &certificate,
		    &authority, err) < 0)
		return error_prefix(err, "signing request");
	json = signing_answer(&facts, certificate, authority);
	text = json_print(json);
	if (send(l->boot_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) <
	    0)
		return error_set_errno(err, errno, "boot socket");
	return 0;
}

static int take_packet(struct system_launch *l, const char *packet, size_t len,
		       struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(packet, len, err);
	const char *request = NULL, *failed = NULL;

	if (!json)
		return BIGM_EPROTOCOL;
	if (json_opt_string(json, "failed", &failed, err) < 0)
		return BIGM_EPROTOCOL;
	if (failed) {
		bigm_error_set(&l->failed, BIGM_EFAILED, "%s", failed);
		return 0;
	}
	if (l->answered)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "asked for a second certificate");
	l->answered = true;
	if (signing_check_request(json, &request, err) < 0)
		return BIGM_EPROTOCOL;
	return answer_request(l, request, err);
}

/* False when there is nothing (more). */
static bool read_packet(struct system_launch *l)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *packet = xmalloc(PACKET_MAX);
	ssize_t n = recv(l->boot_fd, packet, PACKET_MAX,
			 MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		/* It may have closed the socket only; its end is told by its
		 * process. */
		close_poll(&l->boot_poll, &l->boot_fd);
		return false;
	}
	if (n > PACKET_MAX)
		bigm_error_set(&why, BIGM_EPROTOCOL, "a packet of %zd bytes",
			       n);
	else
		take_packet(l, packet, (size_t)n, &why);
	if (why.code == 0)
		return true;
	error_prefix(&why, "boot");
	log_error("%s: %s", l->name, why.text);
	error_copy(&l->failed, &why);
	if (l->pid > 0)
		kill(-l->pid, SIGKILL);
	return false;
}

static void on_boot(uv_poll_t *poll, int status, int events)
{
	struct system_launch *l = poll->data;

	if (l->boot_fd >= 0)
		read_packet(l);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static void describe_end(struct system_launch *l, pid_t pid, int status,
			 struct bigm_error *why)
{
	char text[128];

	if (l->failed.code != 0) {
		error_copy(why, &l->failed);
	} else if (status == -1) {
		bigm_error_set(why, BIGM_EUNAVAILABLE,
			       "ended, nobody knows how");
	} else if (oom_killed(l->system->oom, pid, status, why)) {
		return;
	} else if (WIFSIGNALED(status)) {
		bigm_error_set(why, BIGM_EUNAVAILABLE, "killed by %s",
			       process_describe_status(status, text,
						       sizeof(text)));
	} else if (status != 0) {
		bigm_error_set(why, BIGM_EUNAVAILABLE,
			       "exited with status %d", WEXITSTATUS(status));
	}
}

/* All that the machine wrote is in its pipe by now, and what it told over the
 * boot socket is there too. */
static void on_exit_status(pid_t pid, int status, void *data)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;

	l->pid = 0;
	orphans_kill_session(pid);
	while (l->boot_fd >= 0 && read_packet(l))
		;
	close_poll(&l->boot_poll, &l->boot_fd);
	describe_end(l, pid, status, &why);
	drain_output(l);
	end_output(l);
	l->gone = true;
	l->events.gone(l->data, &why);
}

static void local_kill(struct system_launch *l)
{
	if (l->pid > 0)
		kill(-l->pid, SIGKILL);
}

static void local_release(struct system_launch *l)
{
	l->released = true;
	maybe_free(l);
}

/* ------------------------------------------------------------------ */
/* The beginning                                                       */

/* The three ends that the machine gets. */
struct child_ends {
	int listen, boot, out;
};

static void close_ends(struct child_ends *ends)
{
	cleanup_close(&ends->listen);
	cleanup_close(&ends->boot);
	cleanup_close(&ends->out);
}
#define AUTO_ENDS __attribute__((cleanup(close_ends)))

static int open_ends(struct system_launch *l, struct child_ends *ends,
		     struct bigm_error *err)
{
	int pair[2], out[2];

	ends->listen = provision_listen(&l->address, err);
	if (ends->listen < 0)
		return ends->listen;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "boot socket");
	l->boot_fd = pair[0];
	ends->boot = pair[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set_errno(err, errno, "output pipe");
	l->out_fd = out[0];
	ends->out = out[1];
	if (fcntl(l->out_fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set_errno(err, errno, "output pipe");
	return 0;
}

/* What the machine begins as, and how it learns who it is. */
struct beginning {
	const char *program;
	char *const *argv;
	char *boot;  /* for the environment; NULL: */
	int identity; /* its standard input; -1: nothing */
	char *preload; /* for the environment besides boot; NULL: nothing */
};

static int spawn_as(struct system_launch *l, const struct system_order *order,
		    const struct child_ends *ends,
		    const struct beginning *as, struct bigm_error *err)
{
	char *const changes[] = { as->boot, as->preload, NULL };
	char **env = process_env(order->env, changes);
	const struct process_fd fds[] = {
		{ ends->out, 1 },
		{ ends->out, 2 },
		{ ends->listen, CHILD_LISTEN_FD },
		{ ends->boot, CHILD_PARENT_FD },
		{ as->identity, 0 },
	};
	const struct process_options options = {
		.program = as->program,
		.argv = as->argv,
		.env = env,
		.dir = order->work_dir,
		.fds = fds,
		.nfds = as->identity < 0 ? 4 : 5,
		.session = true,
		.death_signal = SIGKILL,
		.files = l->system->keeper.files,
	};
	pid_t pid = process_spawn(&options, err);

	strings_free(env);
	if (pid < 0)
		return (int)pid;
	l->pid = pid;
	oom_begin(l->system->oom, pid);
	return 0;
}

/* A machine that is sent its program begins as those of other hosts do. */
static int spawn_worker(struct system_launch *l,
			const struct system_order *order,
			const struct child_ends *ends, struct bigm_error *err)
{
	const struct system_keeper *k = &l->system->keeper;
	AUTO_FREE char *listen = xasprintf("%d", CHILD_LISTEN_FD);
	AUTO_FREE char *parent = xasprintf("%d", CHILD_PARENT_FD);
	const char *const argv[] = {
		"ec2boot", "--identity", "-", "--dir", l->dir,
		"--listen-fd", listen, "--parent-fd", parent, NULL,
	};
	char *text = k->bootstrap(k->keeper, err);
	AUTO_CLOSE int identity = text ? boot_leave_text(text, err) : -1;
	const struct beginning as = {
		.program = l->system->worker,
		.argv = (char *const *)(uintptr_t)argv,
		.identity = identity,
	};

	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	return identity < 0 ? BIGM_EFAILED :
			      spawn_as(l, order, ends, &as, err);
}

static int spawn(struct system_launch *l, const struct system_order *order,
		 const struct child_ends *ends, struct bigm_error *err)
{
	AUTO_FREE char *boot = xasprintf(BOOT_ENV "=listen:%d,parent:%d",
					 CHILD_LISTEN_FD, CHILD_PARENT_FD);
	char *bare[] = { (char *)"bigm", NULL };
	bool own = order->program != NULL;
	AUTO_FREE char *preload = own ? preload_variable(order->program,
							 order->env) : NULL;
	const struct beginning as = {
		.program = own ? order->program : l->system->worker,
		.argv = own ? order->argv : bare,
		.boot = boot,
		.identity = -1,
		.preload = preload,
	};

	if (l->system->ship)
		return spawn_worker(l, order, ends, err);
	return spawn_as(l, order, ends, &as, err);
}

static int start_poll(struct system_launch *l, uv_poll_t *poll, int fd,
		      uv_poll_cb fn, struct bigm_error *err)
{
	int rc = uv_poll_init(loop_uv(l->system->keeper.loop), poll, fd);

	if (rc < 0)
		return error_set_errno(err, -rc, "poll");
	poll->data = l;
	l->open_polls++;
	uv_poll_start(poll, UV_READABLE, fn);
	return 0;
}

static void announce(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, announce);

	if (l->released)
		maybe_free(l);
	else if (!l->gone)
		l->events.address(l->data, l->address, l->procs, l->pid);
}

/* Descriptors become the polls' as soon as those exist; before that, they
 * are closed here. */
static void abandon(struct system_launch *l)
{
	int status;

	if (l->pid > 0) {
		kill(-l->pid, SIGKILL);
		kill(l->pid, SIGKILL);
		waitpid(l->pid, &status, 0);
	}
	if (l->out_poll.data)
		close_poll(&l->out_poll, &l->out_fd);
	if (l->boot_poll.data)
		close_poll(&l->boot_poll, &l->boot_fd);
	cleanup_close(&l->out_fd);
	cleanup_close(&l->boot_fd);
	l->released = true;
	maybe_free(l);
}

static int begin(struct system_launch *l, const struct system_order *order,
		 struct bigm_error *err)
{
	struct loop *loop = l->system->keeper.loop;
	AUTO_ENDS struct child_ends ends = { -1, -1, -1 };

	if (mkdir(l->dir, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, errno, "cannot create %s", l->dir);
	if (open_ends(l, &ends, err) < 0 || spawn(l, order, &ends, err) < 0 ||
	    start_poll(l, &l->boot_poll, l->boot_fd, on_boot, err) < 0 ||
	    start_poll(l, &l->out_poll, l->out_fd, on_output, err) < 0)
		return BIGM_EIO;
	l->watch = process_watch(loop, l->pid, on_exit_status, l, err);
	return l->watch ? 0 : BIGM_EIO;
}

static struct system_launch *local_start(struct system *system,
					 const struct system_order *order,
					 const struct system_events *events,
					 void *data, struct bigm_error *err)
{
	struct system_launch *l = xcalloc(1, sizeof(*l));
	struct bigm_error why = BIGM_ERROR_INIT;

	l->system = system;
	l->events = *events;
	l->data = data;
	l->name = xstrdup(order->name);
	l->dir = xstrdup(order->dir);
	l->marker = xstrdup(order->marker);
	l->procs = order->procs > 0 ? order->procs : system_local.default_procs;
	l->lease_ms = order->lease_ms > 0 ? order->lease_ms :
					    system_local.keepalive.first_ms;
	l->failed = why;
	l->announce.fn = announce;
	l->out_fd = l->boot_fd = -1;
	if (begin(l, order, &why) < 0) {
		error_copy(err, &why);
		abandon(l);
		return NULL;
	}
	loop_defer(system->keeper.loop, &l->announce);
	return l;
}

static struct system *local_new(const struct system_keeper *keeper,
				const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	if (settings && json_opt_bool(settings, "ship", &s->ship, err) < 0) {
		free(s);
		return NULL;
	}
	s->worker = s->ship ? keeper->find_ec2boot(keeper->keeper, NULL, err) :
			      xstrdup(keeper->bigm_path);
	if (!s->worker) {
		free(s);
		return NULL;
	}
	s->oom = oom_new("");
	return s;
}

static void local_read_file(struct system *system, const char *machine,
			    const char *path, size_t limit,
			    system_read_fn *done, void *data)
{
	host_file_read(system->keeper.loop, path, limit, done, data);
}

static void local_keepalive_failed(struct system_launch *l,
				   struct bigm_error *why)
{
	char state = l->pid > 0 ? process_state(l->pid) : 0;
	char text[sizeof(why->text)];

	memcpy(text, why->text, sizeof(text));
	if (state == 'T' || state == 't')
		bigm_error_set(why, why->code,
			       "%s; its process %d has been stopped", text,
			       (int)l->pid);
}

static bool local_ships(const struct system *s)
{
	return s->ship;
}

static bool local_bootstraps(const struct system *s)
{
	return s->ship;
}

static const char *local_worker(const struct system *s)
{
	return s->worker;
}

static void local_free(struct system *s)
{
	oom_free(s->oom);
	free(s->worker);
	free(s);
}

const struct system_ops system_local = {
	.name = "local",
	.new = local_new,
	.start = local_start,
	.kill = local_kill,
	.keepalive_failed = local_keepalive_failed,
	.release = local_release,
	.ships = local_ships,
	.bootstraps = local_bootstraps,
	.worker = local_worker,
	.read_file = local_read_file,
	.free = local_free,
	/* On one host only a stopped or a hanging machine misses these. */
	.keepalive = KEEPALIVE_DEFAULTS,
	.default_procs = 1,
	.host_files = 3, /* output, boot socket, pidfd */
	.host_processes = 3,
	.host_memory = 2 << 20,
};
