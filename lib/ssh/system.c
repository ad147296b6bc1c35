#include "config.h"

#include "ssh/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/elf_file.h"
#include "ssh/system_private.h"

/* At once: sshd refuses some from its tenth on (MaxStartups), and each is an
 * ssh of ours, which computes. */
#define LOGINS_OF_ONE 4
#define LOGINS 32
#define KILL_MS 5000
/* Of this host: an ssh, with its three pipes. */
#define HOST_FILES 4
#define HOST_PROCESSES 1
#define HOST_MEMORY (4u << 20)

/* ------------------------------------------------------------------ */
/* What it needs                                                       */

static int load_settings(struct system *s, const cJSON *settings,
			 struct bigm_error *err)
{
	char **set = json_get_strings(settings, "set", "set", err);
	int rc = set ? ssh_settings_load(&s->settings, environ,
					 (const char *const *)set, err)
		     : BIGM_EINVALID;

	strings_free(set);
	if (rc == 0)
		rc = ssh_hosts_load(&s->hosts, &s->settings, err);
	s->arch = s->settings.arch ? s->settings.arch : elf_own_arch();
	return rc;
}

static int find_worker(struct system *s, struct bigm_error *err)
{
	struct stat st;

	s->worker = s->keeper.find_ec2boot(s->keeper.keeper, s->arch, err);
	if (!s->worker)
		return BIGM_ENOTFOUND;
	AUTO_CLOSE int fd = open(s->worker, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot read %s", s->worker);
	s->bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (s->bytes == MAP_FAILED) {
		s->bytes = NULL;
		return error_set_errno(err, errno, "cannot read %s", s->worker);
	}
	s->size = (size_t)st.st_size;
	return 0;
}

/* ------------------------------------------------------------------ */
/* Whose turn it is                                                    */

static bool may_connect(const struct system *s, const struct system_launch *l)
{
	const struct system_launch *other;
	int of_one = 0, all = 0;

	TAILQ_FOREACH(other, &s->launches, entry) {
		if (!launch_is_connecting(other))
			continue;
		all++;
		of_one += strcmp(other->host->name, l->host->name) == 0;
	}
	return all < LOGINS && of_one < LOGINS_OF_ONE;
}

static void on_turn(struct loop_task *task)
{
	struct system *s = loop_container(task, struct system, turn);
	struct system_launch *l;

	if (s->freeing)
		return;
	TAILQ_FOREACH(l, &s->launches, entry)
		if (l->step == LAUNCH_WAITING && !l->killed && !l->give_up.queued &&
		    may_connect(s, l))
			launch_connect(l);
}

void ssh_system_wake(struct system *s)
{
	loop_defer(s->keeper.loop, &s->turn);
}

/* ------------------------------------------------------------------ */
/* The contract                                                        */

/* What is queued is in s, or in a launch. */
static bool is_busy(const struct system *s)
{
	const struct system_launch *l;

	TAILQ_FOREACH(l, &s->launches, entry)
		if (l->give_up.queued)
			return true;
	return s->turn.queued;
}

/* The loop does not run any more, and no machine is left but those whose end
 * nobody has waited for. */
static void system_free(struct system *s)
{
	struct system_launch *l, *next;

	s->freeing = true;
	while (is_busy(s))
		uv_run(loop_uv(s->keeper.loop), UV_RUN_NOWAIT);
	for (l = TAILQ_FIRST(&s->launches); l; l = next) {
		next = TAILQ_NEXT(l, entry);
		ssh_login_free(l->login);
		l->login = NULL;
		l->released = true;
		launch_maybe_free(l);
	}
	if (s->bytes)
		munmap((void *)(uintptr_t)s->bytes, s->size);
	ssh_hosts_release(&s->hosts);
	ssh_settings_release(&s->settings);
	free(s->worker);
	free(s);
}

static struct system *system_new(const struct system_keeper *keeper,
				 const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	s->turn.fn = on_turn;
	TAILQ_INIT(&s->launches);
	if (load_settings(s, settings, err) == 0 && find_worker(s, err) == 0)
		return s;
	system_free(s);
	return NULL;
}

static struct system_launch *system_start(struct system *s,
					  const struct system_order *order,
					  const struct system_events *events,
					  void *data, struct bigm_error *err)
{
	struct ssh_host *host = ssh_hosts_take(&s->hosts);
	struct system_launch *l;

	if (!host) {
		bigm_error_set(err, BIGM_EEXHAUSTED,
			       SSH_HOSTS_TOO_FEW, s->hosts.n);
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->system = s;
	l->events = *events;
	l->data = data;
	l->name = xstrdup(order->name);
	l->host = host;
	l->procs = host->procs ? host->procs : order->procs;
	l->give_up.fn = launch_give_up;
	buffer_init(&l->lines, 64u << 10);
	TAILQ_INSERT_TAIL(&s->launches, l, entry);
	ssh_system_wake(s);
	return l;
}

static void system_release(struct system_launch *l)
{
	l->released = true;
	launch_maybe_free(l);
}

static void system_describe(const struct system_launch *l, cJSON *facts)
{
	cJSON_AddStringToObject(facts, "host", l->host->name);
}

static bool system_ships(const struct system *s)
{
	return true;
}

static const char *system_worker(const struct system *s)
{
	return s->worker;
}

static const char *system_arch(const struct system *s)
{
	return s->arch;
}

const struct system_ops system_ssh = {
	.name = "ssh",
	.new = system_new,
	.start = system_start,
	.kill = launch_kill,
	.describe = system_describe,
	.release = system_release,
	.ships = system_ships,
	.elsewhere = true,
	.bootstraps = system_ships,
	.worker = system_worker,
	.arch = system_arch,
	.free = system_free,
	.kill_ms = KILL_MS,
	.keepalive = KEEPALIVE_DEFAULTS,
	.host_files = HOST_FILES,
	.host_processes = HOST_PROCESSES,
	.host_memory = HOST_MEMORY,
};
