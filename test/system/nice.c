/*
 * nice: a system whose machines are processes of low priority, started by
 * nice(1).  HACKING.md walks through it, test/cli/system.bats runs it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "loop/process.h"
#include "machine/host_file.h"
#include "machine/provision.h"
#include "test/system/nice.h"

#define LISTEN_FD 3
#define IDENTITY_FD 4

struct system {
	struct system_keeper keeper;
};

struct system_launch {
	struct system *system;
	struct system_events events;
	void *data;
	char *address;
	pid_t pid; /* 0: reaped, or not there yet */
	struct process_watch *watch;
	uv_pipe_t output;
	char buf[16 << 10];
	struct loop_task announce;
};

static void announce(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, announce);

	if (l->pid > 0)
		l->events.address(l->data, l->address, 1, l->pid);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct system_launch *l = handle->data;

	*buf = uv_buf_init(l->buf, sizeof(l->buf));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct system_launch *l = stream->data;

	if (n < 0)
		uv_read_stop(stream);
	if (n != 0)
		l->events.output(l->data, buf->base, n < 0 ? 0 : (size_t)n);
}

static void on_exit_status(pid_t pid, int status, void *data)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	char how[128];

	kill(-pid, SIGKILL); /* who else would hold the output's pipe */
	process_describe_status(status, how, sizeof(how));
	if (status != 0)
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "ended with %s", how);
	l->pid = 0;
	l->events.gone(l->data, &why);
}

static void nice_kill(struct system_launch *l)
{
	if (l->pid > 0)
		kill(-l->pid, SIGKILL);
}

static void on_closed(uv_handle_t *handle)
{
	struct system_launch *l = handle->data;

	process_watch_free(l->watch);
	free(l->address);
	free(l);
}

static void nice_release(struct system_launch *l)
{
	uv_close((uv_handle_t *)&l->output, on_closed);
}

static int open_output(struct system_launch *l, struct bigm_error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, errno, "output pipe");
	uv_pipe_open(&l->output, ends[0]);
	return ends[1];
}

static int spawn(struct system_launch *l, const struct system_order *order,
		 int listen_fd, int identity_fd, int output_fd,
		 struct bigm_error *err)
{
	char *argv[] = { (char *)"nice", (char *)"-n10",
			 (char *)l->system->keeper.bigm_path, NULL };
	AUTO_FREE char *boot = boot_env(LISTEN_FD, -1, IDENTITY_FD);
	AUTO_FREE char *change = xasprintf(BOOT_ENV "=%s", boot);
	char **env = process_env(order->env, (char *[]){ change, NULL });
	const struct process_fd fds[] = { { output_fd, 1 },
					  { output_fd, 2 },
					  { listen_fd, LISTEN_FD },
					  { identity_fd, IDENTITY_FD } };
	const struct process_options options = {
		.program = argv[0], .argv = argv, .env = env,
		.dir = order->work_dir, .fds = fds, .nfds = 4,
		.session = true, .death_signal = SIGKILL,
	};

	l->pid = process_spawn(&options, err);
	strings_free(env);
	if (l->pid > 0)
		l->watch = process_watch(l->system->keeper.loop, l->pid,
					 on_exit_status, l, err);
	return l->watch ? 0 : BIGM_EFAILED;
}

static struct system_launch *nice_start(struct system *system,
					const struct system_order *order,
					const struct system_events *events,
					void *data, struct bigm_error *err)
{
	struct system_launch *l = xcalloc(1, sizeof(*l));

	l->system = system;
	l->events = *events;
	l->data = data;
	l->announce.fn = announce;
	l->output.data = l;
	uv_pipe_init(loop_uv(system->keeper.loop), &l->output, 0);
	AUTO_CLOSE int listen = provision_listen(&l->address, err);
	AUTO_CLOSE int identity = listen < 0 ? -1 :
		provision_leave(&system->keeper, order, l->address, 1, err);
	AUTO_CLOSE int output = identity < 0 ? -1 : open_output(l, err);
	if (output < 0 || spawn(l, order, listen, identity, output, err) < 0) {
		nice_kill(l);
		nice_release(l);
		return NULL;
	}
	uv_read_start((uv_stream_t *)&l->output, on_alloc, on_output);
	loop_defer(system->keeper.loop, &l->announce);
	return l;
}

static struct system *nice_new(const struct system_keeper *keeper,
			       const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	return s;
}

static bool nice_ships(const struct system *s)
{
	return true;
}

static void nice_read_file(struct system *s, const char *machine,
			   const char *path, size_t limit,
			   system_read_fn *done, void *data)
{
	host_file_read(s->keeper.loop, path, limit, done, data);
}

static void nice_free(struct system *s)
{
	free(s);
}

const struct system_ops system_nice = {
	.name = "nice",
	.new = nice_new,
	.start = nice_start,
	.kill = nice_kill,
	.release = nice_release,
	.ships = nice_ships,
	.read_file = nice_read_file,
	.free = nice_free,
	.keepalive = KEEPALIVE_DEFAULTS,
};
