#include "config.h"

#include "inside/system.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "machine/host_file.h"
#include "machine/notice.h"
#include "machine/provision.h"
#include "supervisor/worker.h"

#define DOWN_MS 10000 /* for the methods of a machine that has ended */
#define STEP_MS 2
#define PACKET_MAX 65536

struct system_launch {
	struct system *system;
	struct system_launch *next;
	struct system_events events;
	void *data;
	char *name, *address;
	int procs;

	struct worker *worker;
	int parent_fd; /* the keeper's end of the boot socket */
	pthread_t thread;
	bool joinable, stuck;
	struct loop_task announce, ended, noticed; /* the keeper's loop */
	struct loop_task abort;		  /* the machine's */
	bool released;			  /* the keeper's loop */

	/* Under the system's lock. */
	bool dead;   /* its transport */
	bool cut;    /* and its keeper is to find out by itself */
	bool ending; /* why is said */
	struct bigm_error why;
	struct bigm_notice notice;
};

struct system {
	struct inside_system_options options;
	struct system_keeper keeper;

	pthread_mutex_t lock; /* for what follows */
	bool over;
	uint64_t random;
	struct system_launch *launches; /* the newest first */
};

/* ------------------------------------------------------------------ */
/* The machine's end                                                   */

/* Locked.  Tells the keeper, once. */
static void end_locked(struct system_launch *l, const struct bigm_error *why)
{
	if (l->ending)
		return;
	l->ending = true;
	error_copy(&l->why, why);
	loop_post(l->system->keeper.loop, &l->ended);
}

static void on_ended(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, ended);

	if (l->released)
		return;
	l->events.output(l->data, NULL, 0);
	l->events.gone(l->data, &l->why);
}

static void abort_server(void *data)
{
	struct system_launch *l = data;

	job_list_kill(&l->worker->jobs);
	rpc_server_abort(l->worker->server);
}

static void on_abort(struct loop_task *task)
{
	abort_server(loop_container(task, struct system_launch, abort));
}

struct look {
	struct system_launch *launch;
	bool down;
};

static void look(void *data)
{
	struct look *look = data;

	look->down = rpc_server_is_down(look->launch->worker->server);
}

/* Until every method has returned. */
static bool wait_down(struct system_launch *l)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000 };
	uint64_t deadline = loop_now_ns() + DOWN_MS * NS_PER_MS;
	struct look at = { .launch = l };

	loop_call(l->worker->loop, abort_server, l);
	for (;;) {
		loop_call(l->worker->loop, look, &at);
		if (at.down || loop_now_ns() >= deadline)
			return at.down;
		nanosleep(&step, NULL);
	}
}

/* What the machine has told over its boot socket, if anything. */
static bool read_failed(const struct system_launch *l, struct bigm_error *why)
{
	AUTO_FREE char *packet = xmalloc(PACKET_MAX);
	ssize_t n = recv(l->parent_fd, packet, PACKET_MAX, MSG_DONTWAIT);
	AUTO_JSON cJSON *json =
		n > 0 ? json_parse(packet, (size_t)n, NULL) : NULL;
	const char *failed;

	if (!json || bigm_json_get_string(json, "failed", &failed, NULL) < 0)
		return false;
	bigm_error_set(why, BIGM_EFAILED, "%s", failed);
	return true;
}

static void *machine_thread(void *data)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (worker_wait(l->worker) == WORKER_LEASE_OVER)
		worker_tell_lease_over(l->worker);
	l->stuck = !wait_down(l);
	if (l->stuck)
		log_warn("%s: has ended, but a method of it does not return",
			 l->name);
	else
		worker_release_services(l->worker);
	if (!read_failed(l, &why) && l->worker->exit_status != 0)
		bigm_error_set(&why, BIGM_EUNAVAILABLE,
			       "exited with status %d",
			       l->worker->exit_status);
	pthread_mutex_lock(&l->system->lock);
	if (!l->cut)
		end_locked(l, &why);
	l->dead = true;
	pthread_mutex_unlock(&l->system->lock);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The machine's beginning                                             */

static void on_noticed(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, noticed);
	struct bigm_notice notice;

	pthread_mutex_lock(&l->system->lock);
	notice = l->notice;
	pthread_mutex_unlock(&l->system->lock);
	if (!l->released)
		l->events.notice(l->data, &notice);
}

static void announce(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, announce);

	if (!l->released)
		l->events.address(l->data, l->address, l->procs, 0);
}

static int start_thread(struct system_launch *l, struct bigm_error *err)
{
	int r = thread_start(&l->thread, NULL, machine_thread, l);

	if (r != 0)
		return error_set_errno(err, r, "a thread for %s", l->name);
	l->joinable = true;
	return 0;
}

static struct boot *make_boot(struct system_launch *l,
			      const struct system_order *order,
			      struct bigm_error *err)
{
	struct system_order ours = *order;
	int listen_fd = provision_listen(&l->address, err);
	struct boot *boot;

	if (listen_fd < 0)
		return NULL;
	ours.dir = NULL; /* there is nothing to be put there */
	boot = provision_boot(&l->system->keeper, &ours, l->address, l->procs,
			      err);
	if (!boot) {
		close(listen_fd);
		return NULL;
	}
	boot->listen_fd = listen_fd;
	boot->incarnation = 1;
	return boot;
}

static int begin(struct system_launch *l, const struct system_order *order,
		 struct bigm_error *err)
{
	struct boot *boot = make_boot(l, order, err);
	int pair[2];

	if (!boot)
		return BIGM_EFAILED;
	l->worker = worker_new(boot, 0, NULL, l->system->options.types,
			       NULL);
	l->worker->guest = true;
	l->worker->faults = l->system->options.faults;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "boot socket");
	l->parent_fd = pair[0];
	boot->parent_fd = pair[1];
	if (worker_begin(l->worker, err) < 0)
		return BIGM_EFAILED;
	return start_thread(l, err);
}

/* Its thread is over, or never was. */
static void launch_free(struct system_launch *l)
{
	if (l->parent_fd >= 0)
		close(l->parent_fd);
	free(l->name);
	free(l->address);
	free(l);
}

static struct system_launch *inside_start(struct system *system,
					  const struct system_order *order,
					  const struct system_events *events,
					  void *data, struct bigm_error *err)
{
	struct system_launch *l = xcalloc(1, sizeof(*l));

	l->system = system;
	l->events = *events;
	l->data = data;
	l->name = xstrdup(order->name);
	l->procs = order->procs > 0 ? order->procs : 1;
	l->parent_fd = -1;
	l->announce.fn = announce;
	l->ended.fn = on_ended;
	l->noticed.fn = on_noticed;
	l->abort.fn = on_abort;
	l->why = (struct bigm_error)BIGM_ERROR_INIT;
	if (begin(l, order, err) < 0) {
		worker_free(l->worker);
		launch_free(l);
		return NULL;
	}
	pthread_mutex_lock(&system->lock);
	l->next = system->launches;
	system->launches = l;
	pthread_mutex_unlock(&system->lock);
	loop_defer(system->keeper.loop, &l->announce);
	return l;
}

/* ------------------------------------------------------------------ */
/* Ending machines                                                     */

/* Its thread need not wait for anything any more. */
static void let_go(struct system_launch *l)
{
	shutdown(l->parent_fd, SHUT_RDWR);
}

static void inside_kill(struct system_launch *l)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EUNAVAILABLE, "killed");
	pthread_mutex_lock(&l->system->lock);
	if (!l->dead)
		loop_post(l->worker->loop, &l->abort);
	l->dead = true;
	end_locked(l, &why);
	pthread_mutex_unlock(&l->system->lock);
	let_go(l);
}

/* Locked. */
static struct system_launch *find(struct system *system, const char *name)
{
	struct system_launch *l = system->launches;

	while (l && (l->dead || strcmp(l->name, name) != 0))
		l = l->next;
	return l;
}

/* Locked.  Any that lives. */
static struct system_launch *choose(struct system *system)
{
	struct system_launch *l;
	uint64_t n = 0;

	for (l = system->launches; l; l = l->next)
		n += !l->dead;
	if (n == 0)
		return NULL;
	system->random = faults_mix(system->random);
	n = system->random % n;
	for (l = system->launches; l; l = l->next)
		if (!l->dead && n-- == 0)
			break;
	return l;
}

/* name NULL: none is. */
static int not_alive(const char *name, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_ENOTFOUND,
			      name ? "%s: no machine of that name is alive" :
				     "no machine is alive",
			      name);
}

/* Locked, which keeps the machine's loop there. */
static void end_transport(struct system_launch *l, enum inside_end how)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	l->dead = true;
	l->cut = how == INSIDE_CUT;
	loop_call(l->worker->loop, abort_server, l);
	if (l->cut)
		return;
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "killed by the test");
	end_locked(l, &why);
	let_go(l);
}

int inside_system_notice(struct system *system, const char *name,
			 const struct bigm_notice *notice,
			 struct bigm_error *err)
{
	struct system_launch *l;

	pthread_mutex_lock(&system->lock);
	l = system->over ? NULL : find(system, name);
	if (l && notice_take(&l->notice, notice))
		loop_post(system->keeper.loop, &l->noticed);
	pthread_mutex_unlock(&system->lock);
	return l ? 0 : not_alive(name, err);
}

int inside_system_end(struct system *system, const char *name,
		      enum inside_end how, char *name_out,
		      struct bigm_error *err)
{
	struct system_launch *l = NULL;

	pthread_mutex_lock(&system->lock);
	if (!system->over)
		l = name ? find(system, name) : choose(system);
	if (l) {
		snprintf(name_out, 24, "%s", l->name);
		end_transport(l, how);
	}
	pthread_mutex_unlock(&system->lock);
	return l ? 0 : not_alive(name, err);
}

/* ------------------------------------------------------------------ */
/* The system                                                          */

static void inside_release(struct system_launch *l)
{
	l->released = true;
}

static bool inside_ships(const struct system *system)
{
	return false;
}

struct system *inside_system_new(const struct inside_system_options *options)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->options = *options;
	s->random = options->seed;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void inside_system_use(struct system *system,
		       const struct system_keeper *keeper)
{
	system->keeper = *keeper;
}

/* A machine with a method that does not return stays in memory. */
static void finish(struct system_launch *l)
{
	l->released = true;
	let_go(l);
	if (l->joinable)
		pthread_join(l->thread, NULL);
	if (!l->stuck)
		worker_free(l->worker);
	l->worker = NULL;
}

/* The keeper's end of it; what is posted to its loop may come yet. */
static void inside_over(struct system *system)
{
	pthread_mutex_lock(&system->lock);
	system->over = true;
	pthread_mutex_unlock(&system->lock);
	for (struct system_launch *l = system->launches; l; l = l->next)
		finish(l);
}

void inside_system_free(struct system *system)
{
	struct system_launch *l;

	while ((l = system->launches)) {
		system->launches = l->next;
		launch_free(l);
	}
	pthread_mutex_destroy(&system->lock);
	free(system);
}

static void inside_read_file(struct system *system, const char *machine,
			     const char *path, size_t limit,
			     system_read_fn *done, void *data)
{
	host_file_read(system->keeper.loop, path, limit, done, data);
}

const struct system_ops inside_system_ops = {
	.name = "test",
	.start = inside_start,
	.kill = inside_kill,
	.release = inside_release,
	.ships = inside_ships,
	.read_file = inside_read_file,
	.free = inside_over,
	.default_procs = 1,
	.host_processes = 3,
};
