#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/process.h"
#include "machine/event_queue.h"
#include "machine/handle.h"
#include "supervisor/exec.h"
#include "supervisor/pages.h"
#include "supervisor/service.h"
#include "supervisor/supervisor.h"

#define SLACK_MS 500	/* on top of the grace, for a loop that hangs */
#define RELEASE_S 30	/* for the services to be released */
#define KILL_MS 1000	/* for what they have forked to be gone */
#define LAST_S 2	/* for the last words */

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t n = write(worker->wake_fd, &one, sizeof(one));

	(void)n; /* a counter that is full wakes as well */
}

static void server_ended(void *data)
{
	struct worker *worker = data;

	atomic_store(&worker->ended, true);
	worker_wake(worker);
}

bool worker_end(struct worker *worker, enum worker_end end, int exit_status)
{
	int serving = WORKER_SERVING;

	if (!atomic_compare_exchange_strong(&worker->end, &serving, (int)end))
		return false;
	worker->exit_status = exit_status;
	loop_timer_stop(worker->loop, &worker->delay);
	tell_end(worker);
	atomic_store(&worker->end_by_ns,
		     loop_now_ns() + (WORKER_GRACE_MS + SLACK_MS) * NS_PER_MS);
	worker_wake(worker);
	rpc_server_shutdown(worker->server, WORKER_GRACE_MS, server_ended,
			    worker);
	return true;
}

/* ------------------------------------------------------------------ */
/* Ends                                                                */

/* Whatever the main thread does from now on, it is over in so many seconds:
 * a full pipe, a lock or a user's release may hold it. */
static void end_within(unsigned seconds)
{
	sigset_t set;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(seconds);
}

/* What services have forked is of our group, unless the keeper did not give
 * us one of our own. */
static void signal_own_group(int sig)
{
	if (getpgrp() == getpid())
		kill(0, sig);
}

static void __attribute__((noreturn)) end_orphaned(struct worker *worker)
{
	job_list_kill(&worker->jobs);
	signal_own_group(SIGKILL);
	_exit(1);
}

static void __attribute__((noreturn)) leave(int status)
{
	signal(SIGTERM, SIG_IGN);
	signal_own_group(SIGTERM);
	_exit(status);
}

void worker_tell_lease_over(struct worker *worker)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE,
		       "the lease is over: no Keepalive from the keeper for "
		       "%llu ms; the machine ends itself",
		       (unsigned long long)atomic_load(&worker->lease.ms));
	boot_tell_failed(worker->boot->parent_fd, &why);
}

static void __attribute__((noreturn)) end_of_lease(struct worker *worker)
{
	job_list_kill(&worker->jobs);
	end_within(LAST_S);
	worker_tell_lease_over(worker);
	leave(1);
}

/* Nobody knows the machine's words where it was given no marker. */
static void write_words(const struct worker *worker, const char *words)
{
	const char *marker = worker->boot->marker;
	AUTO_FREE char *line = xasprintf("%s%s\n", marker, words);
	size_t len = strlen(line), done = 0;

	while (*marker && done < len) {
		ssize_t n = write(STDOUT_FILENO, line + done, len - done);

		if (n < 0 && errno != EINTR)
			return;
		done += n < 0 ? 0 : (size_t)n;
	}
}

/* The services' threads must be out of them. */
void worker_release_services(struct worker *worker)
{
	if (rpc_server_busy(worker->server))
		log_warn("methods are still at work: their services are not "
			 "released");
	else
		registry_release(&worker->registry);
}

static void __attribute__((noreturn)) stop(struct worker *worker)
{
	end_within(RELEASE_S);
	job_list_kill(&worker->jobs);
	worker_release_services(worker);
	end_within(LAST_S);
	fflush(NULL);
	write_words(worker, "");
	leave(worker->exit_status);
}

/* ------------------------------------------------------------------ */
/* Waiting                                                             */

static bool keeper_is_gone(const struct worker *worker)
{
	char byte;
	ssize_t n = recv(worker->boot->parent_fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds until there is something to be decided; 0: now. */
static uint64_t time_left(const struct worker *worker)
{
	uint64_t left = lease_left_ms(&worker->lease);
	uint64_t end_by = atomic_load(&worker->end_by_ns), now = loop_now_ns();

	if (end_by == 0)
		return left;
	return smaller(left, end_by <= now ? 0 : (end_by - now) / NS_PER_MS);
}

enum worker_cause worker_wait(struct worker *worker)
{
	struct pollfd fds[2] = {
		{ .fd = worker->boot->parent_fd, .events = POLLIN },
		{ .fd = worker->wake_fd, .events = POLLIN },
	};
	uint64_t left, count;

	while (!atomic_load(&worker->ended)) {
		if (lease_left_ms(&worker->lease) == 0)
			return WORKER_LEASE_OVER;
		if ((left = time_left(worker)) == 0)
			break;
		if (poll(fds, 2, (int)smaller(left, INT_MAX)) <= 0)
			continue;
		if (fds[0].revents && keeper_is_gone(worker))
			return WORKER_ORPHANED;
		if (fds[1].revents &&
		    read(worker->wake_fd, &count, sizeof(count)) < 0)
			continue;
	}
	return WORKER_ASKED;
}

/* ------------------------------------------------------------------ */
/* Beginning                                                           */

/* Makes a server with the Supervisor on boot's socket.  On the loop's thread,
 * or before it runs. */
static int serve(struct worker *worker, struct bigm_error *err)
{
	const struct rpc_server_options options = {
		.bigm = worker->bigm,
		.tls = worker->tls,
		.faults = worker->faults,
		.name = worker->boot->name,
	};
	struct rpc_service service = supervisor_service(worker);
	/* The server closes its own when it ends; ours outlives an Exec. */
	int fd = fcntl(worker->boot->listen_fd, F_DUPFD_CLOEXEC, 3);

	worker->server = rpc_server_new(worker->loop, &options);
	leave_init(&worker->leave, worker->loop, worker->server, supervisor_stop,
		   worker);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot listen");
	if (rpc_server_add(worker->server, &service, err) < 0 ||
	    rpc_server_listen(worker->server, fd, err) < 0)
		return BIGM_EIO;
	return 0;
}

static char **copy_strings(char *const *strings, size_t n)
{
	char **copy = xcalloc(n + 1, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(strings[i]);
	return copy;
}

int worker_begin(struct worker *worker, struct bigm_error *err)
{
	worker->loop = loop_new(err);
	worker->tls = tls_context_new(worker->boot->identity, err);
	if (!worker->loop || !worker->tls)
		return BIGM_EFAILED;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		return error_set_errno(err, errno, "eventfd");
	worker->bigm = handle_new_machine(&(struct handle_machine){
		.loop = worker->loop,
		.tls = worker->tls,
		.binaries = &worker->binaries,
		.cluster = worker->boot->cluster,
		.address = worker->boot->address,
		.incarnation = worker->boot->incarnation,
		.argc = worker->argc,
		.argv = worker->argv,
	});
	job_list_init(&worker->jobs, worker->loop, worker->env,
		      &worker->binaries);
	registry_init(&worker->registry, worker->types, worker->bigm);
	lease_grant(&worker->lease, worker->boot->lease_ms);
	if (serve(worker, err) < 0)
		return BIGM_EIO;
	worker_pages_init(worker);
	return loop_start_thread(worker->loop, "bigm-io", err);
}

/* ------------------------------------------------------------------ */
/* Exec                                                                */

static void serve_again(void *data)
{
	struct worker *worker = data;
	struct bigm_error err = BIGM_ERROR_INIT;

	/* It would wait for a method that does not end. */
	if (!rpc_server_busy(worker->server))
		rpc_server_free(worker->server);
	if (serve(worker, &err) == 0)
		return;
	log_error("%s", err.text);
	_exit(1);
}

/* The program cannot be executed, although it looked so: the machine goes on
 * as it is, so that its caller can learn why. */
static void go_on(struct worker *worker, const struct bigm_error *why)
{
	log_error("Exec: %s; going on with the old program", why->text);
	pthread_mutex_lock(&worker->lock);
	free(worker->exec_error);
	worker->exec_error = xstrdup(why->text);
	pthread_mutex_unlock(&worker->lock);
	image_free(worker->next_image);
	worker->next_image = NULL;
	atomic_store(&worker->end_by_ns, 0);
	atomic_store(&worker->ended, false);
	atomic_store(&worker->end, WORKER_SERVING);
	loop_call(worker->loop, serve_again, worker);
}

static void replace(struct worker *worker)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	end_within(RELEASE_S);
	job_list_kill(&worker->jobs);
	worker_release_services(worker);
	/* What they have forked is of no use to the next image. */
	process_kill_descendants(KILL_MS);
	fflush(NULL);
	alarm(0); /* the next image would inherit it */
	exec_replace(worker->boot, worker->next_image, worker->next_argv,
		     worker->next_env, &err);
	go_on(worker, &err);
}

/* The kernel names a program after its file, which is a digest. */
static void set_name(const struct worker *worker)
{
	const char *name = strrchr(worker->next_argv[0], '/');

	if (worker->boot->incarnation > 1)
		prctl(PR_SET_NAME, name ? name + 1 : worker->next_argv[0]);
}

struct worker *worker_new(struct boot *boot, int argc, char **argv,
			  const struct bigm_service_type *const *types,
			  const struct intake *intake)
{
	struct worker *worker = xcalloc(1, sizeof(*worker));
	char *own_argv[] = { boot->name };

	worker->boot = boot;
	worker->env = process_env(NULL, NULL);
	worker->next_env = process_env(worker->env, NULL);
	worker->next_argv = argc > 0 ? copy_strings(argv, (size_t)argc) :
				       copy_strings(own_argv, 1);
	pthread_mutex_init(&worker->lock, NULL);
	buffer_init(&worker->tell.out, EVENT_QUEUE_MAX + 64);
	binary_store_init(&worker->binaries, boot->dir, intake, boot->image);
	shelf_init(&worker->shelf, boot->dir);
	worker->bare = intake != NULL;
	worker->types = types;
	worker->argc = argc;
	worker->argv = argv;
	worker->started_ns = loop_now_ns();
	return worker;
}

static void free_server(void *data)
{
	struct worker *worker = data;

	loop_timer_stop(worker->loop, &worker->delay);
	worker_pages_release(worker);
	rpc_server_free(worker->server);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	/* What was posted before runs before this. */
	if (worker->bigm)
		event_queue_attend(handle_events(worker->bigm), NULL, NULL, NULL);
	if (worker->loop)
		loop_call(worker->loop, free_server, worker);
	buffer_release(&worker->tell.out);
	bigm_free(worker->bigm);
	debug_pages_free(worker->pages);
	if (worker->loop)
		loop_free(worker->loop);
	if (worker->wake_fd > 0)
		close(worker->wake_fd);
	tls_context_free(worker->tls);
	binary_store_release(&worker->binaries);
	shelf_release(&worker->shelf);
	strings_free(worker->env);
	strings_free(worker->next_env);
	strings_free(worker->next_argv);
	pthread_mutex_destroy(&worker->lock);
	boot_free(worker->boot);
	image_free(worker->next_image);
	free(worker->exec_error);
	free(worker);
}

/* What the program has printed so far, which may still be in its buffer, is
 * boot output. */
static void write_beginning(const struct worker *worker)
{
	AUTO_FREE char *words = xasprintf(
		BOOT_BEGINS "%llu",
		(unsigned long long)worker->boot->incarnation);

	fflush(stdout);
	write_words(worker, words);
}

void worker_main(struct boot *boot, int argc, char **argv,
		 const struct bigm_service_type *const *types,
		 const struct intake *intake)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct worker *worker = worker_new(boot, argc, argv, types, intake);

	set_name(worker);
	write_beginning(worker);
	if (worker_begin(worker, &err) < 0) {
		error_prefix(&err, "the machine cannot begin");
		boot_tell_failed(boot->parent_fd, &err);
		_exit(1);
	}
	for (;;) {
		enum worker_cause cause = worker_wait(worker);

		if (cause == WORKER_ORPHANED)
			end_orphaned(worker);
		if (cause == WORKER_LEASE_OVER)
			end_of_lease(worker);
		if (atomic_load(&worker->end) == WORKER_STOP)
			stop(worker);
		replace(worker);
	}
}
