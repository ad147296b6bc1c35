#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/lifeline.h"
#include "keeper/limits.h"
#include "keeper/member.h"
#include "machine/orphans.h"
#include "rpc/crypto.h"
#include "rpc/wire.h"

/* Machines get this long to shut down, then to die of SIGKILL. */
#define STOP_MS 1300
#define KILL_MS 400
/* A reader of the logs must get on within this time; without a holder all of
 * them together have it. */
#define DRAIN_MS 500
#define CLOSE_MS 300

/* Output, boot socket, pidfd, connection; and what the keeper has besides,
 * with some for clients and for spawning. */
#define FDS_PER_MACHINE 4
#define FDS_BESIDES 80

/* ------------------------------------------------------------------ */
/* What it says of itself                                              */

cJSON *keeper_info(const struct keeper *k)
{
	cJSON *info = cJSON_CreateObject();

	cJSON_AddStringToObject(info, "cluster", k->record->name);
	cJSON_AddStringToObject(info, "id", authority_cluster(k->authority));
	cJSON_AddStringToObject(info, "version", bigm_version());
	cJSON_AddNumberToObject(info, "wire", WIRE_VERSION);
	cJSON_AddNumberToObject(info, "pid", getpid());
	json_add_uint64(info, "started_ns", k->started_ns);
	cJSON_AddStringToObject(info, "record", k->record->dir);
	cJSON_AddStringToObject(info, "socket", k->record->socket_path);
	cJSON_AddStringToObject(info, "system", k->ops->name);
	return info;
}

cJSON *keeper_status(const struct keeper *k)
{
	cJSON *status = keeper_info(k);
	cJSON *machines = cJSON_AddArrayToObject(status, "machines");

	for (size_t i = 0; i < k->nmembers; i++)
		cJSON_AddItemToArray(machines, member_facts(k->members[i]));
	return status;
}

int keeper_issue_driver(struct keeper *k, char **key, char **certificate,
			struct bigm_error *err)
{
	struct identity *id = authority_issue(k->authority, ROLE_DRIVER,
					      "driver", NULL, err);

	*key = id ? identity_key_pem(id, err) : NULL;
	*certificate = *key ? identity_certificate_pem(id, err) : NULL;
	identity_free(id);
	return *certificate ? 0 : BIGM_EFAILED;
}

void keeper_wipe(char *secret)
{
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

static int write_driver(struct keeper *k, struct bigm_error *err)
{
	AUTO_FREE char *certificate = NULL;
	char *key, *both = NULL;
	int rc = keeper_issue_driver(k, &key, &certificate, err);

	if (rc == 0) {
		both = xasprintf("%s%s", key, certificate);
		rc = record_write(k->record, "driver.pem", both, strlen(both),
				  err);
	}
	keeper_wipe(both);
	keeper_wipe(key);
	return rc;
}

static int write_record(struct keeper *k, struct bigm_error *err)
{
	AUTO_JSON cJSON *info = keeper_info(k);
	AUTO_FREE char *text = json_print(info);
	const char *ca = authority_pem(k->authority);

	if (record_write(k->record, "info.json", text, strlen(text), err) < 0 ||
	    record_write(k->record, "authority.pem", ca, strlen(ca), err) < 0)
		return BIGM_EIO;
	return write_driver(k, err);
}

/* ------------------------------------------------------------------ */
/* Machines                                                            */

static int sign(void *keeper, const char *request_pem, const char *name,
		const char *host, char **certificate_pem, char **authority,
		struct bigm_error *err)
{
	struct keeper *k = keeper;
	int rc = authority_sign(k->authority, request_pem, ROLE_MACHINE, name,
				host, certificate_pem, err);

	if (rc == 0)
		*authority = xstrdup(authority_pem(k->authority));
	return rc;
}

void keeper_member_changed(struct keeper *k, const struct member *m)
{
	AUTO_JSON cJSON *facts = k->watches.first ? member_facts(m) : NULL;

	if (facts)
		watch_send_all(&k->watches, facts);
	log_debug("%s: %s", m->name, bigm_state_name(m->state));
}

/* Members call this from callbacks of theirs, so nothing happens to them
 * before the turn's end. */
void keeper_member_over(struct keeper *k)
{
	loop_defer(k->loop, &k->advance);
}

static uint64_t living_after(const struct keeper *k, int n)
{
	uint64_t living = (uint64_t)n;

	for (size_t i = 0; i < k->nmembers; i++)
		living += !member_is_over(k->members[i]);
	return living;
}

static int allow(const struct keeper *k, int n, struct bigm_error *err)
{
	const struct limits_order order = {
		.machines = n,
		.files = FDS_BESIDES + living_after(k, n) * FDS_PER_MACHINE,
		.processes = (uint64_t)n * k->ops->host_processes,
		.memory = (uint64_t)n * k->ops->host_memory,
	};

	return limits_allow(&order, err);
}

int keeper_start(struct keeper *k, struct start_request *request,
		 size_t *first, struct bigm_error *err)
{
	size_t n = (size_t)request->n;
	int rc = k->phase == KEEPER_UP ?
			 allow(k, request->n, err) :
			 bigm_error_set(err, BIGM_EUNAVAILABLE,
					"cluster %s: is shutting down",
					k->record->name);

	if (rc < 0) {
		start_request_free(request);
		return rc;
	}
	k->orders = xrealloc(k->orders,
			     (k->norders + 1) * sizeof(*k->orders));
	k->orders[k->norders++] = request;
	*first = k->nmembers;
	k->members = xrealloc(k->members,
			      (k->nmembers + n) * sizeof(*k->members));
	for (size_t i = 0; i < n; i++) {
		struct member *m = member_new(k, (int)k->nmembers, request);

		k->members[k->nmembers++] = m;
		member_launch(m);
	}
	return 0;
}

static struct member *member_named(const struct keeper *k, const char *name)
{
	for (size_t i = 0; i < k->nmembers; i++)
		if (!strcmp(k->members[i]->name, name))
			return k->members[i];
	return NULL;
}

static bool all_over(const struct keeper *k)
{
	for (size_t i = 0; i < k->nmembers; i++)
		if (!member_is_over(k->members[i]))
			return false;
	return true;
}

/* For tails: those of all machines go on until the cluster ends, since more
 * may be started. */
static bool logs_ended(char *const *machines, void *data)
{
	const struct keeper *k = data;

	if (!machines)
		return k->phase >= KEEPER_DRAINING;
	for (; *machines; machines++) {
		const struct member *m = member_named(k, *machines);

		if (m && !m->output_over)
			return false;
	}
	return true;
}

static int is_watched(pid_t pid, void *data)
{
	const struct keeper *k = data;

	for (size_t i = 0; i < k->nmembers; i++)
		if (k->members[i]->pid == pid && !k->members[i]->gone)
			return 1;
	return 0;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static void on_stop_timer(struct loop_timer *timer)
{
	struct keeper *k = loop_container(timer, struct keeper, timer);

	if (k->killed) {
		/* The guard has the last word. */
		log_error("machines outlive SIGKILL: leaving them");
		k->given_up = true;
		loop_defer(k->loop, &k->advance);
		return;
	}
	for (size_t i = 0; i < k->nmembers; i++)
		member_stop(k->members[i], true);
	k->killed = true;
	loop_timer_start(k->loop, &k->timer, KILL_MS, on_stop_timer);
}

void keeper_stop(struct keeper *k, bool now, const char *why)
{
	if (k->phase > KEEPER_STOPPING || (k->phase == KEEPER_STOPPING && !now))
		return;
	if (k->phase == KEEPER_UP) {
		log_info("cluster %s ends: %s", k->record->name,
			 why ? why : "a client asked for it");
		if (why)
			bigm_error_set(&k->end, BIGM_EUNAVAILABLE,
				       "the cluster has ended: %s", why);
	}
	k->phase = KEEPER_STOPPING;
	if (now) {
		k->killed = false;
		on_stop_timer(&k->timer);
	} else {
		for (size_t i = 0; i < k->nmembers; i++)
			member_stop(k->members[i], false);
		loop_timer_start(k->loop, &k->timer, STOP_MS, on_stop_timer);
	}
	loop_defer(k->loop, &k->advance);
}

static void on_server_down(void *data)
{
	struct keeper *k = data;

	loop_stop(k->loop);
}

static void close_down(struct keeper *k)
{
	k->phase = KEEPER_CLOSING;
	loop_timer_stop(k->loop, &k->timer);
	tail_end_all(&k->tails);
	control_answer_shutdowns(k);
	rpc_server_shutdown(k->server, CLOSE_MS, on_server_down, k);
}

/* Readers that get on are waited for, as long as there is somebody to wait
 * for them. */
static void on_drain_timer(struct loop_timer *timer)
{
	struct keeper *k = loop_container(timer, struct keeper, timer);

	if (!k->held || k->tails.sent == k->drained) {
		close_down(k);
		return;
	}
	k->drained = k->tails.sent;
	loop_timer_start(k->loop, &k->timer, DRAIN_MS, on_drain_timer);
}

static void drain(struct keeper *k)
{
	k->phase = KEEPER_DRAINING;
	journal_flush(k->journal);
	watch_end_all(&k->watches);
	watch_end_all(&k->users);
	k->drained = k->tails.sent;
	loop_timer_start(k->loop, &k->timer, DRAIN_MS, on_drain_timer);
	tail_wake(&k->tails);
}

static void on_advance(struct loop_task *task)
{
	struct keeper *k = loop_container(task, struct keeper, advance);

	if (k->phase == KEEPER_STOPPING && (k->given_up || all_over(k)))
		drain(k);
	else if (k->phase < KEEPER_DRAINING)
		tail_wake(&k->tails);
	if (k->phase == KEEPER_DRAINING && !k->tails.first)
		close_down(k);
}

static void on_tails_empty(void *data)
{
	struct keeper *k = data;

	loop_defer(k->loop, &k->advance);
}

static void on_written(void *data)
{
	struct keeper *k = data;

	tail_wake(&k->tails);
}

/* ------------------------------------------------------------------ */
/* What its life hangs on                                              */

static void on_holder_gone(void *data)
{
	struct keeper *k = data;

	if (!k->held)
		return;
	k->held = false;
	keeper_stop(k, false, "its client has gone");
}

void keeper_release(struct keeper *k)
{
	k->held = false;
	lifeline_release(k->lifeline);
}

static void on_guard_gone(void *data)
{
	log_error("the guard has died");
	keeper_stop(data, false, "its guard has died");
}

static void on_terminate(void *data)
{
	keeper_stop(data, false, "signal 15 (Terminated)");
}

static void on_child(void *data)
{
	orphans_reap(is_watched, data);
}

static const struct lifeline_events lifeline_events = {
	.holder_gone = on_holder_gone,
	.guard_gone = on_guard_gone,
	.terminate = on_terminate,
	.child = on_child,
};

/* ------------------------------------------------------------------ */
/* The beginning                                                       */

static char *own_program(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	/* A program that was replaced meanwhile is still to be had there. */
	if (n <= 0 || (path[n] = '\0', access(path, X_OK) < 0))
		return xstrdup("/proc/self/exe");
	return xstrdup(path);
}

static int make_marker(struct keeper *k, struct bigm_error *err)
{
	uint64_t r[2];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return error_set_errno(err, errno, "random numbers");
	snprintf(k->marker, sizeof(k->marker),
		 "bigm-end-%016" PRIx64 "%016" PRIx64, r[0], r[1]);
	return 0;
}

static int make_authority(struct keeper *k, struct bigm_error *err)
{
	k->authority = authority_new(NULL, err);
	if (!k->authority)
		return BIGM_EFAILED;
	k->identity = authority_issue(k->authority, ROLE_KEEPER, "keeper",
				      NULL, err);
	if (!k->identity)
		return BIGM_EFAILED;
	k->tls = tls_context_new(k->identity, err);
	return k->tls ? 0 : BIGM_EFAILED;
}

static int make_system(struct keeper *k, struct bigm_error *err)
{
	const char *name = k->options->system ? k->options->system : "local";
	AUTO_JSON cJSON *settings = cJSON_CreateObject();
	struct system_keeper us = {
		.loop = k->loop,
		.cluster = authority_cluster(k->authority),
		.bigm_path = k->bigm_path,
		.sign = sign,
		.keeper = k,
	};

	cJSON_AddBoolToObject(settings, "ship", k->options->ship);
	k->ops = system_find(name, err);
	if (!k->ops)
		return BIGM_ENOTFOUND;
	k->system = k->ops->new(&us, settings, err);
	return k->system ? 0 : BIGM_EFAILED;
}

static int make_journal(struct keeper *k, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/output", k->record->dir);

	k->journal = journal_new(k->loop, path, err);
	if (!k->journal)
		return BIGM_EIO;
	journal_on_written(k->journal, on_written, k);
	k->tails = (struct tail_list){
		.loop = k->loop,
		.journal = k->journal,
		.ended = logs_ended,
		.on_empty = on_tails_empty,
		.data = k,
	};
	return 0;
}

static int serve(struct keeper *k, int guard_fd, struct bigm_error *err)
{
	const struct rpc_server_options server = { .tls = NULL };
	int listen_fd = k->record->listen_fd, hold_fd = k->options->hold_fd;

	k->server = rpc_server_new(k->loop, &server);
	k->lifeline = lifeline_new(k->loop, hold_fd, guard_fd,
				   &lifeline_events, k, err);
	if (!k->lifeline || control_add(k, err) < 0)
		return BIGM_EIO;
	k->record->listen_fd = -1;
	if (rpc_server_listen(k->server, listen_fd, err) < 0)
		return BIGM_EIO;
	k->held = hold_fd >= 0;
	if (!k->held)
		return 0;
	return rpc_server_adopt(k->server, hold_fd, on_holder_gone, k,
				err);
}

static int begin(struct keeper *k, int guard_fd, struct bigm_error *err)
{
	struct timespec now;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	clock_gettime(CLOCK_REALTIME, &now);
	k->started_ns = (uint64_t)now.tv_sec * 1000000000u +
			(uint64_t)now.tv_nsec;
	k->advance.fn = on_advance;
	k->bigm_path = own_program();
	k->loop = loop_new(err);
	if (!k->loop || make_marker(k, err) < 0 || make_authority(k, err) < 0 ||
	    make_system(k, err) < 0 || make_journal(k, err) < 0 ||
	    write_record(k, err) < 0)
		return BIGM_EFAILED;
	return serve(k, guard_fd, err);
}

/* In reverse; members first, whose connections close on the loop. */
static void release(struct keeper *k)
{
	for (size_t i = 0; i < k->nmembers; i++)
		member_free(k->members[i]);
	for (size_t i = 0; i < k->norders; i++)
		start_request_free(k->orders[i]);
	free(k->members);
	free(k->orders);
	free(k->shutdowns);
	lifeline_free(k->lifeline);
	rpc_server_free(k->server);
	journal_free(k->journal);
	if (k->system)
		k->ops->free(k->system);
	if (k->loop)
		loop_free(k->loop);
	tls_context_free(k->tls);
	identity_free(k->identity);
	authority_free(k->authority);
	free(k->bigm_path);
}

int keeper_run(struct record *record, const struct keeper_options *options,
	       int guard_fd)
{
	struct keeper k = {
		.record = record,
		.options = options,
		.end = BIGM_ERROR_INIT,
	};
	struct bigm_error why = BIGM_ERROR_INIT;

	if (begin(&k, guard_fd, &why) == 0)
		loop_run(k.loop);
	else
		keeper_report(options, &why);
	if (!k.given_up)
		release(&k);
	return why.code;
}
