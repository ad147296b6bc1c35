#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/farewell.h"
#include "keeper/lifeline.h"
#include "keeper/live.h"
#include "keeper/member.h"
#include "keeper/pages.h"
#include "supervisor/bootstrap.h"

/* Machines get this long to shut down, then to die of SIGKILL. */
#define STOP_MS 1300
#define KILL_MS 400
/* Readers of the logs are looked after so often.  The holder waits for those
 * that have got on since; who shuts down a cluster that nobody holds has time,
 * and waits so many looks at most, and for so many in which none got on. */
#define DRAIN_MS 500
#define DRAIN_MOST 20
#define DRAIN_STALLS 4
/* What is on its way to them then has this time, without and with somebody who
 * waits for it. */
#define CLOSE_MS 300
#define CLOSE_AWAITED_MS 2000

/* ------------------------------------------------------------------ */
/* Keys                                                                */

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

/* ------------------------------------------------------------------ */
/* Machines                                                            */

int keeper_sign(void *keeper, const char *request_pem, const char *name,
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

char *keeper_bootstrap(void *keeper, struct bigm_error *err)
{
	struct keeper *k = keeper;
	struct identity *id = authority_bootstrap(k->authority,
						  AUTHORITY_BOOTSTRAP_S, err);
	char *text = id ? bootstrap_text(id, err) : NULL;

	identity_free(id);
	return text;
}

const char *keeper_worker(const struct keeper *k)
{
	return k->ops->worker ? k->ops->worker(k->system) : k->bigm_path;
}

void keeper_member_changed(struct keeper *k, const struct member *m)
{
	AUTO_JSON cJSON *facts = k->watches.first ? member_facts(m) : NULL;

	if (facts)
		watch_send_all(&k->watches, facts);
	loan_member_changed(&k->loan, m);
	crew_changed(k);
	log_debug("%s: %s", m->name, bigm_state_name(m->state));
}

void keeper_member_alive(struct keeper *k, const struct member *m)
{
	AUTO_JSON cJSON *facts = k->watches.first ? member_status(m) : NULL;

	if (facts)
		watch_offer_all(&k->watches, facts);
	loan_member_alive(&k->loan, m);
}

void keeper_warn(void *keeper, const char *text)
{
	struct keeper *k = keeper;
	AUTO_JSON cJSON *warning = bigm_json("{}");

	cJSON_AddStringToObject(warning, "warning", text);
	log_warn("%s", text);
	watch_send_all(&k->watches, warning);
}

/* Members call this from callbacks of theirs, so nothing happens to them
 * before the turn's end. */
void keeper_member_over(struct keeper *k)
{
	crew_changed(k); /* how it booted has been counted */
	loop_defer(k->loop, &k->advance);
}

struct member *keeper_member(const struct keeper *k, const char *name)
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
static bool logs_ended(const struct tail_request *what, void *data)
{
	const struct keeper *k = data;
	char *const *machines = what->machines;

	if (what->use && !loan_is_of(&k->loan, what->use))
		return true;
	if (!machines)
		return k->phase >= KEEPER_DRAINING;
	for (; *machines; machines++) {
		const struct member *m = keeper_member(k, *machines);

		if (m && !m->output_over)
			return false;
	}
	return true;
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
	loop_timer_start(k->loop, &k->timer, KILL_MS + k->ops->kill_ms,
			 on_stop_timer);
}

void keeper_stop(struct keeper *k, bool now, const char *why)
{
	if (k->phase == KEEPER_DRAINING && now) {
		k->hurry = true;
		loop_defer(k->loop, &k->advance);
	}
	if (k->phase > KEEPER_STOPPING || (k->phase == KEEPER_STOPPING && !now))
		return;
	if (k->phase == KEEPER_UP) {
		log_info("cluster %s ends: %s", k->record->name,
			 why ? why : "a client asked for it");
		if (why)
			bigm_error_set(&k->end, BIGM_EUNAVAILABLE,
				       "the cluster has ended: %s", why);
	}
	event_log_tell(k->events, EVENT_CLUSTER_STOP, NULL,
		       EVENT_VALUES({ .text = why ? why : "as asked" },
				    { .number = now }));
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
	bool awaited = !k->held && k->nshutdowns > 0 && !k->hurry;

	k->phase = KEEPER_CLOSING;
	loop_timer_stop(k->loop, &k->timer);
	tail_end_all(&k->tails);
	control_answer_shutdowns(k);
	rpc_server_shutdown(k->server, awaited ? CLOSE_AWAITED_MS : CLOSE_MS,
			    on_server_down, k);
}

/* Readers that get on are waited for, as long as there is somebody to wait
 * for them. */
static bool waits_for_readers(struct keeper *k)
{
	bool got_on = k->tails.sent != k->drained;

	if (k->held || k->nshutdowns == 0)
		return k->held && got_on;
	k->stalls = got_on ? 0 : k->stalls + 1;
	return k->stalls < DRAIN_STALLS && ++k->drains < DRAIN_MOST;
}

static void on_drain_timer(struct loop_timer *timer)
{
	struct keeper *k = loop_container(timer, struct keeper, timer);

	if (!waits_for_readers(k)) {
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
	watch_end_all(&k->farewells);
	reporter_end_all(&k->reporters);
	scale_end_all(&k->scales);
	loan_end(&k->loan);
	k->drained = k->tails.sent;
	loop_timer_start(k->loop, &k->timer, DRAIN_MS, on_drain_timer);
	tail_wake(&k->tails);
}

static void on_system_ended(void *data)
{
	struct keeper *k = data;

	if (k->phase == KEEPER_ENDING)
		drain(k);
}

static void on_end_timer(struct loop_timer *timer)
{
	struct keeper *k = loop_container(timer, struct keeper, timer);

	log_error("the %s system does not end: leaving it", k->ops->name);
	drain(k);
}

static void end_system(struct keeper *k)
{
	k->phase = KEEPER_ENDING;
	loop_timer_stop(k->loop, &k->timer);
	if (!k->ops->end) {
		drain(k);
		return;
	}
	loop_timer_start(k->loop, &k->timer, k->ops->end_ms, on_end_timer);
	k->ops->end(k->system, on_system_ended, k);
}

static void on_advance(struct loop_task *task)
{
	struct keeper *k = loop_container(task, struct keeper, advance);

	if (k->phase == KEEPER_STOPPING && (k->given_up || all_over(k)))
		end_system(k);
	else if (k->phase < KEEPER_DRAINING)
		tail_wake(&k->tails);
	if (k->phase == KEEPER_DRAINING && (!k->tails.first || k->hurry))
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

void keeper_holder_gone(void *data)
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
	if (k->lifeline)
		lifeline_release(k->lifeline);
	idle_touch(&k->idle);
	crew_changed(k);
}

/* ------------------------------------------------------------------ */
/* Beginning and end of all this                                       */

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

static int make_journal(struct keeper *k, const char *path,
			struct bigm_error *err)
{
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

int keeper_init(struct keeper *k, const char *journal, struct bigm_error *err)
{
	const struct rpc_server_options server = { .tls = NULL };

	k->started_ns = clock_wall_ns();
	k->advance.fn = on_advance;
	loan_init(&k->loan, k);
	crew_init(&k->crew, k);
	ship_list_init(&k->shipments, k->loop);
	k->leavings.loop = k->loop;
	farewell_init(k);
	pages_init(k);
	k->end = (struct bigm_error)BIGM_ERROR_INIT;
	if (make_marker(k, err) < 0 || make_authority(k, err) < 0 ||
	    make_journal(k, journal, err) < 0)
		return BIGM_EFAILED;
	k->server = rpc_server_new(k->loop, &server);
	return control_add(k, err);
}

int keeper_hold(struct keeper *k, int fd, struct bigm_error *err)
{
	k->held = true;
	return rpc_server_adopt(k->server, fd, keeper_holder_gone, k, err);
}

static void tell_end(struct keeper *k)
{
	event_log_tell(k->events, EVENT_CLUSTER_END, NULL,
		       EVENT_VALUES({ .number = k->nmembers },
				    { .number = clock_wall_ns() -
						k->started_ns }));
}

/* In reverse; members first, whose connections close on the loop. */
void keeper_dispose(struct keeper *k)
{
	pages_end(k);
	idle_end(&k->idle);
	scale_end_all(&k->scales);
	delivery_free_all(&k->deliveries);
	for (size_t i = 0; i < k->nmembers; i++)
		member_free(k->members[i]);
	for (size_t i = 0; i < k->norders; i++)
		start_request_free(k->orders[i]);
	loan_release(&k->loan);
	free(k->members);
	free(k->orders);
	free(k->shutdowns);
	lifeline_free(k->lifeline);
	rpc_server_free(k->server);
	debug_pages_free(k->pages);
	live_free(k->live);
	tell_end(k);
	event_log_free(k->events);
	journal_free(k->journal);
	if (k->system)
		k->ops->free(k->system);
	if (k->loop) {
		shipment_release_all(&k->shipments);
		leavings_finish(&k->leavings);
		loop_free(k->loop);
	}
	tls_context_free(k->tls);
	identity_free(k->identity);
	authority_free(k->authority);
}
