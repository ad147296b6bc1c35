/*
 * process: the keeper as a process of its own: the record that it keeps, what
 * its life hangs on, its beginning and its end.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "bundle/cargo.h"
#include "bundle/preload.h"
#include "keeper/core.h"
#include "keeper/ec2boot.h"
#include "keeper/lifeline.h"
#include "keeper/member.h"
#include "keeper/pages.h"
#include "keeper/pprof.h"
#include "keeper/pprof_pages.h"
#include "machine/orphans.h"

#define REAP_MS 1000

/* ------------------------------------------------------------------ */
/* The record                                                          */

static int write_driver(struct keeper *k, struct bigm_error *err)
{
	AUTO_FREE char *certificate = NULL;
	char *key, *both = NULL;
	int rc = keeper_issue_driver(k, &key, &certificate, err);

	if (rc == 0) {
		/* xasprintf() would leave halves of it where it grew. */
		both = xmalloc(strlen(key) + strlen(certificate) + 1);
		stpcpy(stpcpy(both, key), certificate);
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
/* What its life hangs on                                              */

static void on_guard_gone(void *data)
{
	log_error("the guard has died");
	keeper_stop(data, false, "its guard has died");
}

static void on_terminate(void *data)
{
	keeper_stop(data, false, "signal 15 (Terminated)");
}

static int is_watched(pid_t pid, void *data)
{
	const struct keeper *k = data;

	for (size_t i = 0; i < k->nmembers; i++)
		if (k->members[i]->pid == pid && !k->members[i]->gone)
			return 1;
	return pprof_is_run(&k->pprof, pid);
}

static void on_child(void *data);

static void on_reap(struct loop_timer *timer)
{
	struct keeper *k = loop_container(timer, struct keeper, reaping);

	if (!orphans_reap(is_watched, k))
		on_child(k);
}

/* Children of our own that are not listed (an ssh, a program that has AWS
 * credentials, a machine that is just being begun) are somebody's who waits for
 * them, and takes them at once.  Who is left after a while is nobody's. */
static void on_child(void *data)
{
	struct keeper *k = data;

	if (!loop_timer_active(&k->reaping))
		loop_timer_start(k->loop, &k->reaping, REAP_MS, on_reap);
}

/* Somebody wants to know what goes on. */
static void on_quit(void *data)
{
	struct keeper *k = data;
	char stamp[CLOCK_STAMP_SIZE];

	log_info("signal 3 (Quit): what the machines do goes to %s",
		 k->record->dir);
	clock_stamp(stamp);
	for (size_t i = 0; i < k->nmembers; i++)
		if (k->members[i]->state == BIGM_RUNNING)
			health_dump(&k->members[i]->health, stamp);
	pprof_dump(k, NULL, stamp);
}

static const struct lifeline_events lifeline_events = {
	.holder_gone = keeper_holder_gone,
	.guard_gone = on_guard_gone,
	.terminate = on_terminate,
	.child = on_child,
	.quit = on_quit,
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

static cJSON *system_settings(const struct keeper_options *options)
{
	cJSON *settings = cJSON_CreateObject();
	cJSON *set = cJSON_AddArrayToObject(settings, "set");

	cJSON_AddBoolToObject(settings, "ship", options->ship);
	for (size_t i = 0; i < options->nset; i++)
		cJSON_AddItemToArray(set, cJSON_CreateString(options->set[i]));
	return settings;
}

static char *find_ec2boot(void *keeper, const char *arch,
			  struct bigm_error *err)
{
	const struct keeper *k = keeper;

	return ec2boot_find(k->bigm_path, arch, err);
}

static int make_system(struct keeper *k, struct bigm_error *err)
{
	const char *name = k->options->system ? k->options->system : "local";
	AUTO_JSON cJSON *settings = system_settings(k->options);
	struct system_keeper us = {
		.loop = k->loop,
		.cluster = authority_cluster(k->authority),
		.bigm_path = k->bigm_path,
		.files = files_limit(),
		.no_http = k->options->no_http,
		.sign = keeper_sign,
		.bootstrap = keeper_bootstrap,
		.find_ec2boot = find_ec2boot,
		.warn = keeper_warn,
		.keeper = k,
	};

	k->ops = system_find(name, err);
	if (!k->ops)
		return BIGM_ENOTFOUND;
	k->keepalive = k->options->keepalive;
	keepalive_fill(&k->keepalive, &k->ops->keepalive);
	if (keepalive_check(&k->keepalive, err) < 0)
		return BIGM_EINVALID;
	k->system = k->ops->new(&us, settings, err);
	return k->system ? 0 : BIGM_EFAILED;
}

static int serve(struct keeper *k, int guard_fd, struct bigm_error *err)
{
	int listen_fd = k->record->listen_fd, hold_fd = k->options->hold_fd;

	k->lifeline = lifeline_new(k->loop, hold_fd, guard_fd,
				   &lifeline_events, k, err);
	if (!k->lifeline)
		return BIGM_EIO;
	k->record->listen_fd = -1;
	if (rpc_server_listen(k->server, listen_fd, err) < 0)
		return BIGM_EIO;
	return hold_fd >= 0 ? keeper_hold(k, hold_fd, err) : 0;
}

static int open_events(struct keeper *k, struct bigm_error *err)
{
	const char *path = k->options->events;

	if (!path)
		return 0;
	k->events = event_log_new(k->loop, path, k->record->name, err);
	if (!k->events)
		return BIGM_EIO;
	event_log_tell(k->events, EVENT_CLUSTER_START, NULL,
		       EVENT_VALUES({ .text = authority_cluster(k->authority) },
				    { .text = k->ops->name },
				    { .text = bigm_version() },
				    { .number = (uint64_t)getpid() }));
	return 0;
}

static int begin(struct keeper *k, int guard_fd, struct bigm_error *err)
{
	AUTO_FREE char *output = xasprintf("%s/output", k->record->dir);

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->bigm_path = own_program();
	k->loop = loop_new(err);
	if (!k->loop || keeper_init(k, output, err) < 0 ||
	    make_system(k, err) < 0 || open_events(k, err) < 0)
		return BIGM_EFAILED;
	idle_begin(&k->idle, k, k->options->idle_timeout_ms);
	debug_pages_add(k->pages, pprof_routes, k);
	if (pages_serve(k, err) < 0 || write_record(k, err) < 0)
		return BIGM_EFAILED;
	return serve(k, guard_fd, err);
}

int keeper_run(struct record *record, const struct keeper_options *options,
	       int guard_fd)
{
	struct keeper k = {
		.record = record,
		.options = options,
		.find_cargo = bundle_find_cargo,
		.preload = preload_variable,
		.dump_profiles = pprof_dump,
	};
	struct bigm_error why = BIGM_ERROR_INIT;

	if (begin(&k, guard_fd, &why) == 0)
		loop_run(k.loop);
	else
		keeper_report(options, &why);
	pprof_release(&k.pprof);
	if (k.loop)
		loop_timer_stop(k.loop, &k.reaping);
	if (!k.given_up)
		keeper_dispose(&k);
	free(k.bigm_path);
	return why.code;
}
