#include "machine/machine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "base/wait.h"
#include "machine/notice.h"
#include "machine/ping.h"
#include "rpc/connection.h"

#define GRACE_MS 500

struct bigm_machine {
	struct loop *loop;
	struct rpc_client *client;
	char *name;
	int index;
	/* Set once, so that they may be given out; the name first. */
	_Atomic(char *) hostname;
	_Atomic(char *) address;
	void (*on_cancel)(struct bigm_machine *m, void *data);
	void *on_cancel_data;
	struct ping *ping; /* of one that is not ours */

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	enum bigm_state state;
	int procs;
	int64_t pid;
	struct bigm_error reason;
	struct bigm_notice notice; /* kind 0: none */
	struct bigm_keepalive_info keepalive;
	uint64_t keepalive_ns; /* when the next was due */
	uint64_t shipped, ship_size;
	bool left, replaced, awaits_heir; /* see machine_has_left() */
	char phase[MACHINE_PHASE_SIZE];
};

static const char *const state_names[] = {
	[BIGM_UNSTARTED] = "UNSTARTED",
	[BIGM_STARTING] = "STARTING",
	[BIGM_RUNNING] = "RUNNING",
	[BIGM_STOPPED] = "STOPPED",
};
#define NSTATES (sizeof(state_names) / sizeof(*state_names))

const char *bigm_state_name(enum bigm_state state)
{
	return (unsigned)state < NSTATES ? state_names[state] : "UNKNOWN";
}

struct bigm_machine *machine_new(struct loop *loop, const char *name,
				 int index)
{
	struct bigm_machine *m = xcalloc(1, sizeof(*m));

	m->loop = loop;
	m->name = xstrdup(name);
	m->index = index;
	m->client = rpc_client_new(loop, name);
	/* The keeper tells why a machine died just after its connections. */
	if (index != MACHINE_DIALLED)
		rpc_client_set_grace(m->client, GRACE_MS);
	m->reason = (struct bigm_error)BIGM_ERROR_INIT;
	pthread_mutex_init(&m->lock, NULL);
	wait_cond_init(&m->changed);
	return m;
}

void machine_free(struct bigm_machine *m)
{
	if (!m)
		return;
	ping_free(m->ping);
	rpc_client_free(m->client);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(atomic_load(&m->hostname));
	free(atomic_load(&m->address));
	free(m->name);
	free(m);
}

int machine_index(const struct bigm_machine *m)
{
	return m->index;
}

struct rpc_client *machine_client(struct bigm_machine *m)
{
	return m->client;
}

struct loop *machine_loop(const struct bigm_machine *m)
{
	return m->loop;
}

void machine_ping(struct bigm_machine *m, const struct ping_times *times)
{
	m->ping = ping_start(m, times);
}

void machine_on_cancel(struct bigm_machine *m,
		       void (*fn)(struct bigm_machine *m, void *data),
		       void *data)
{
	m->on_cancel = fn;
	m->on_cancel_data = data;
}

/* The getters take const machines, whose lock is no part of what they are. */
static pthread_mutex_t *lock_of(const struct bigm_machine *m)
{
	return &((struct bigm_machine *)m)->lock;
}

int64_t machine_pid(const struct bigm_machine *m)
{
	pthread_mutex_lock(lock_of(m));
	int64_t pid = m->pid;
	pthread_mutex_unlock(lock_of(m));
	return pid;
}

/* ------------------------------------------------------------------ */
/* Facts                                                               */

static int read_reason(const cJSON *json, struct bigm_error *reason,
		       struct bigm_error *err)
{
	const char *code, *message;
	bool retriable = false;

	if (!cJSON_IsObject(json))
		return 0;
	if (bigm_json_get_string(json, "code", &code, err) < 0 ||
	    bigm_json_get_string(json, "message", &message, err) < 0 ||
	    json_opt_bool(json, "retriable", &retriable, err) < 0)
		return error_prefix(err, "reason");
	/* As asked for. */
	if (strcmp(code, bigm_code_name(BIGM_OK)) == 0)
		return 0;
	bigm_error_set(reason, error_code_from_name(code), "%s", message);
	reason->retriable = retriable;
	return 0;
}

static int read_notice(const cJSON *json, struct machine_facts *facts,
		       struct bigm_error *err)
{
	return json ? notice_read(json, &facts->notice, err) : 0;
}

static int read_ship(const cJSON *json, struct machine_facts *facts,
		     struct bigm_error *err)
{
	if (json &&
	    (bigm_json_get_uint64(json, "have", &facts->shipped, err) < 0 ||
	     bigm_json_get_uint64(json, "size", &facts->ship_size, err) < 0))
		return error_prefix(err, "ship");
	return 0;
}

int machine_facts_read(const cJSON *json, struct machine_facts *facts,
		       struct bigm_error *err)
{
	const char *state;
	int64_t procs = 0;
	size_t i = 0;
	int r;

	*facts = (struct machine_facts){ .reason = BIGM_ERROR_INIT };
	if ((r = bigm_json_get_string(json, "state", &state, err)) < 0 ||
	    (r = json_opt_string(json, "address", &facts->address, err)) < 0 ||
	    (r = json_opt_string(json, "phase", &facts->phase, err)) < 0 ||
	    (r = json_opt_int64(json, "procs", &procs, err)) < 0 ||
	    (r = json_opt_int64(json, "pid", &facts->pid, err)) < 0 ||
	    (r = json_opt_bool(json, "leaving", &facts->left, err)) < 0)
		return r;
	/* A name, or null as long as there is none. */
	facts->replaced = cJSON_HasObjectItem(json, "replaced_by");
	facts->awaits_heir = cJSON_IsNull(
		cJSON_GetObjectItemCaseSensitive(json, "replaced_by"));
	while (i < NSTATES && strcmp(state, state_names[i]) != 0)
		i++;
	if (i == NSTATES)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "state: \"%s\" is no state", state);
	if (procs < 0 || procs > INT32_MAX)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "procs: %lld is out of range",
				      (long long)procs);
	facts->state = (enum bigm_state)i;
	facts->procs = (int)procs;
	facts->keepalive = cJSON_GetObjectItemCaseSensitive(json, "keepalive");
	r = read_ship(cJSON_GetObjectItemCaseSensitive(json, "ship"), facts,
		      err);
	if (r == 0)
		r = read_notice(cJSON_GetObjectItemCaseSensitive(json, "notice"),
				facts, err);
	if (r < 0)
		return r;
	return read_reason(cJSON_GetObjectItemCaseSensitive(json, "reason"),
			   &facts->reason, err);
}

/* Locked.  {"times": [ns…], "next": seconds, absent: none}. */
static void learn_keepalive(struct bigm_machine *m, const cJSON *json)
{
	struct bigm_keepalive_info *info = &m->keepalive;
	const int most = sizeof(info->times_ns) / sizeof(*info->times_ns);
	const cJSON *item;
	double next = -1;

	info->ntimes = 0;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "times"))
		if (info->ntimes < most &&
		    bigm_json_get_uint64(item, NULL,
					 &info->times_ns[info->ntimes],
					 NULL) == 0)
			info->ntimes++;
	bigm_json_get_double(json, "next", &next, NULL);
	m->keepalive_ns = next >= 0 && next < 1e9
				  ? loop_now_ns() + (uint64_t)(next * 1e9)
				  : 0;
}

void machine_keepalive(const struct bigm_machine *m,
		       struct bigm_keepalive_info *info)
{
	uint64_t now = loop_now_ns();

	pthread_mutex_lock(lock_of(m));
	*info = m->keepalive;
	if (!m->keepalive_ns || m->state == BIGM_STOPPED)
		info->next_ms = -1;
	else if (m->keepalive_ns > now)
		info->next_ms = (int64_t)((m->keepalive_ns - now) / 1000000);
	pthread_mutex_unlock(lock_of(m));
}

bool machine_shipped(const struct bigm_machine *m, uint64_t *shipped,
		     uint64_t *size)
{
	pthread_mutex_lock(lock_of(m));
	*shipped = m->shipped;
	*size = m->ship_size;
	pthread_mutex_unlock(lock_of(m));
	return *size > 0;
}

void machine_phase(const struct bigm_machine *m, char phase[MACHINE_PHASE_SIZE])
{
	pthread_mutex_lock(lock_of(m));
	memcpy(phase, m->phase, MACHINE_PHASE_SIZE);
	pthread_mutex_unlock(lock_of(m));
}

/* Locked.  True when it is in another phase. */
static bool learn_phase(struct bigm_machine *m, const char *phase)
{
	char before[MACHINE_PHASE_SIZE];

	memcpy(before, m->phase, sizeof(before));
	snprintf(m->phase, sizeof(m->phase), "%s", phase ? phase : "");
	return strcmp(before, m->phase) != 0;
}

/* True when there is news of a ship, or a phase. */
static bool learn(struct bigm_machine *m, const struct machine_facts *facts)
{
	bool news;

	if (facts->address && *facts->address && !atomic_load(&m->address)) {
		struct connection_target target = { 0 };

		/* What is wrong with it is told when it is opened. */
		connection_parse_address(facts->address, &target, NULL);
		atomic_store(&m->hostname,
			     xstrdup(target.host ? target.host : ""));
		connection_target_release(&target);
		atomic_store(&m->address, xstrdup(facts->address));
	}
	pthread_mutex_lock(&m->lock);
	if (facts->procs > 0)
		m->procs = facts->procs;
	if (facts->pid > 0)
		m->pid = facts->pid;
	if (cJSON_IsObject(facts->keepalive))
		learn_keepalive(m, facts->keepalive);
	news = m->shipped != facts->shipped || m->ship_size != facts->ship_size;
	m->shipped = facts->shipped;
	m->ship_size = facts->ship_size;
	news = learn_phase(m, facts->phase) || news;
	pthread_mutex_unlock(&m->lock);
	return news;
}

/* False when it is in that state already, or past it. */
static bool advance(struct bigm_machine *m, enum bigm_state state,
		    const struct bigm_error *reason)
{
	pthread_mutex_lock(&m->lock);
	bool moved = state > m->state;
	if (moved) {
		m->state = state;
		if (reason)
			error_copy(&m->reason, reason);
		if (state >= BIGM_RUNNING && m->procs < 1)
			m->procs = 1;
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
	return moved;
}

bool machine_note(struct bigm_machine *m, const struct bigm_notice *notice)
{
	pthread_mutex_lock(&m->lock);
	bool news = notice_take(&m->notice, notice);
	pthread_mutex_unlock(&m->lock);
	return news;
}

bool machine_take_line(struct bigm_machine *m,
		       const struct machine_facts *facts)
{
	pthread_mutex_lock(&m->lock);
	bool news = m->left != facts->left ||
		    m->replaced != facts->replaced ||
		    m->awaits_heir != facts->awaits_heir;
	m->left = facts->left;
	m->replaced = facts->replaced;
	m->awaits_heir = facts->awaits_heir;
	pthread_mutex_unlock(&m->lock);
	return news;
}

static bool read_flag(const struct bigm_machine *m, const bool *flag)
{
	pthread_mutex_lock(lock_of(m));
	bool set = *flag;
	pthread_mutex_unlock(lock_of(m));
	return set;
}

bool machine_awaits_heir(const struct bigm_machine *m)
{
	return read_flag(m, &m->awaits_heir);
}

bool machine_has_left(const struct bigm_machine *m)
{
	return read_flag(m, &m->left);
}

bool machine_is_replaced(const struct bigm_machine *m)
{
	return read_flag(m, &m->replaced);
}

bool machine_notice(const struct bigm_machine *m, struct bigm_notice *notice)
{
	pthread_mutex_lock(lock_of(m));
	*notice = m->notice;
	pthread_mutex_unlock(lock_of(m));
	return notice->kind != 0;
}

/* What calls to a stopped machine fail with. */
static void fail_calls(struct bigm_machine *m, const struct bigm_error *reason)
{
	struct bigm_error why = *reason;
	size_t len = strlen(m->name);

	/* Whatever may be tried again, not on this machine. */
	why.retriable = false;
	if (why.code == BIGM_OK)
		bigm_error_set(&why, BIGM_EUNAVAILABLE,
			       "the machine has been shut down");
	/* The keeper's reason begins with the machine's name, as every error
	 * of a call does. */
	if (strncmp(why.text, m->name, len) == 0 &&
	    strncmp(why.text + len, ": ", 2) == 0)
		text_format(why.text, sizeof(why.text), "%s",
			    reason->text + len + 2);
	rpc_client_fail(m->client, &why);
}

bool machine_stop(struct bigm_machine *m, const struct bigm_error *why)
{
	bool moved = advance(m, BIGM_STOPPED, why);

	/* Unlocked: the calls' callbacks may ask the machine for its reason. */
	if (moved)
		fail_calls(m, why);
	return moved;
}

void bigm_machine_cancel(struct bigm_machine *m)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_ECANCELED, "%s: canceled", m->name);
	if (machine_stop(m, &why) && m->on_cancel)
		m->on_cancel(m, m->on_cancel_data);
}

static int open_client(struct bigm_machine *m, struct tls_context *tls,
		       const char *cluster, struct bigm_error *err)
{
	struct rpc_target target = {
		.address = bigm_machine_address(m),
		.fd = -1,
		.tls = tls,
		.expect = { .role = ROLE_MACHINE },
		/* Whether it lives is for the keeper to say, later. */
		.dials = RPC_DIALS,
	};

	const char *name = m->index == MACHINE_DIALLED ? "" : m->name;

	if (strlen(cluster) >= sizeof(target.expect.cluster) ||
	    strlen(name) >= sizeof(target.expect.name))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the name of a machine or its cluster "
				      "is too long");
	strcpy(target.expect.cluster, cluster);
	strcpy(target.expect.name, name);
	return rpc_client_open(m->client, &target, err);
}

bool machine_update(struct bigm_machine *m, const struct machine_facts *facts,
		    struct tls_context *tls, const char *cluster)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	bool news = learn(m, facts);

	if (facts->state == BIGM_STOPPED)
		return machine_stop(m, &facts->reason);
	/* Opened first: who sees RUNNING finds the client open. */
	if (facts->state == BIGM_RUNNING &&
	    bigm_machine_state(m) < BIGM_RUNNING &&
	    open_client(m, tls, cluster, &err) < 0) {
		error_prefix(&err, "%s", m->name);
		return machine_stop(m, &err);
	}
	return advance(m, facts->state, NULL) || news;
}

/* ------------------------------------------------------------------ */
/* What a program asks                                                 */

const char *bigm_machine_name(const struct bigm_machine *m)
{
	return m->name;
}

const char *bigm_machine_address(const struct bigm_machine *m)
{
	const char *address = atomic_load(&m->address);

	return address ? address : "";
}

const char *bigm_machine_hostname(const struct bigm_machine *m)
{
	const char *hostname = atomic_load(&m->hostname);

	return hostname ? hostname : "";
}

bool bigm_machine_owned(const struct bigm_machine *m)
{
	return m->index != MACHINE_DIALLED;
}

int bigm_machine_maxprocs(const struct bigm_machine *m)
{
	pthread_mutex_lock(lock_of(m));
	int procs = m->procs;
	pthread_mutex_unlock(lock_of(m));
	return procs;
}

enum bigm_state bigm_machine_state(const struct bigm_machine *m)
{
	pthread_mutex_lock(lock_of(m));
	enum bigm_state state = m->state;
	pthread_mutex_unlock(lock_of(m));
	return state;
}

bool bigm_machine_draining(const struct bigm_machine *m)
{
	struct bigm_notice notice;

	return machine_notice(m, &notice);
}

int bigm_machine_error(const struct bigm_machine *m, struct bigm_error *err)
{
	pthread_mutex_lock(lock_of(m));
	error_copy(err, &m->reason);
	int code = m->reason.code;
	pthread_mutex_unlock(lock_of(m));
	return code;
}

/* Locked.  False when the time is up first. */
static bool wait_locked(struct bigm_machine *m, enum bigm_state state,
			int64_t timeout_ms)
{
	int64_t deadline = wait_deadline(timeout_ms);

	while (m->state < state)
		if (wait_cond(&m->changed, &m->lock, deadline) != 0)
			break;
	return m->state >= state;
}

int bigm_machine_wait(struct bigm_machine *m, enum bigm_state state,
		      int64_t timeout_ms, struct bigm_error *err)
{
	int r = 0;

	pthread_mutex_lock(&m->lock);
	if (m->state < state && loop_on_thread(m->loop))
		r = bigm_error_set(err, BIGM_EDEADLOCK,
				   "%s: waiting for a machine on the I/O "
				   "thread would block it for ever", m->name);
	else if (!wait_locked(m, state, timeout_ms))
		r = bigm_error_set(err, BIGM_EDEADLINE,
				   "%s: still %s after %lld ms, not %s",
				   m->name, bigm_state_name(m->state),
				   (long long)timeout_ms,
				   bigm_state_name(state));
	else if (state == BIGM_RUNNING && m->state == BIGM_STOPPED)
		r = m->reason.code != BIGM_OK
			    ? error_copy(err, &m->reason)
			    : bigm_error_set(err, BIGM_EUNAVAILABLE,
					     "%s: the machine has been shut "
					     "down", m->name);
	pthread_mutex_unlock(&m->lock);
	return r;
}
