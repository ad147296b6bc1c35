/*
 * machine: one machine, as a client of its cluster sees it (struct
 * bigm_machine of bigm.h).
 *
 * Its facts come from the keeper's Watch stream, or are given when a peer is
 * dialled by its address, which is then watched by pings.  The state only moves forward.  Calls go to its
 * rpc_client, which is parked until the machine is RUNNING and fails with the
 * machine's reason when it is STOPPED.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/json.h"
#include "loop/backoff.h"
#include "rpc/client.h"

/* The index of a machine that was dialled by its address; its name is not
 * known, and any machine of the cluster will do. */
#define MACHINE_DIALLED (-1)

/* Any thread.  UNSTARTED. */
struct bigm_machine *machine_new(struct loop *loop, const char *name,
				 int index);
void machine_free(struct bigm_machine *m);

int machine_index(const struct bigm_machine *m);
struct rpc_client *machine_client(struct bigm_machine *m);
struct loop *machine_loop(const struct bigm_machine *m);
/* 0 while not known. */
int64_t machine_pid(const struct bigm_machine *m);

/* Blocks.  As bigm_call(), at most timeout_ms; 0: as long as it takes. */
int machine_call(struct bigm_machine *m, const char *method,
		 const struct cJSON *arg, uint64_t timeout_ms,
		 struct cJSON **reply, struct bigm_error *err);

/* Blocks.  As bigm_call_retry(), with waits of the caller's. */
int machine_call_retry(struct bigm_machine *m, const char *method,
		       const struct cJSON *arg, uint64_t timeout_ms,
		       struct backoff *backoff, struct cJSON **reply,
		       struct bigm_error *err);

struct ping_times;

/* Any thread, once: from now on it is watched by pings (ping.h); times NULL:
 * the usual ones. */
void machine_ping(struct bigm_machine *m, const struct ping_times *times);

/* fn is told, on the thread that canceled it, once the machine is STOPPED by
 * bigm_machine_cancel().  Set before others know the machine. */
void machine_on_cancel(struct bigm_machine *m,
		       void (*fn)(struct bigm_machine *m, void *data),
		       void *data);

/* What is known of a machine; strings may be NULL, numbers 0, for what is
 * not. */
struct machine_facts {
	enum bigm_state state;
	const char *address;
	int procs;
	int64_t pid;
	struct bigm_error reason; /* when STOPPED; code 0: as asked for */
	struct bigm_notice notice; /* kind 0: none */
	const cJSON *keepalive;	  /* as in member_facts(); NULL: not told */
	const char *phase; /* while STARTING: how far it is */
	bool left;	/* the cluster shall do without it, or does */
	bool replaced;	/* by another, which may still have to come: */
	bool awaits_heir;
	uint64_t shipped, ship_size; /* bytes that are there, of those that are
				      * sent to it just now; 0: nothing is */
};

/* Any thread.  False when nothing is sent to it just now. */
bool machine_shipped(const struct bigm_machine *m, uint64_t *shipped,
		     uint64_t *size);

/* Any thread.  How far one that is STARTING has come, as the keeper calls it
 * ("booting"); "": not known. */
#define MACHINE_PHASE_SIZE 32
void machine_phase(const struct bigm_machine *m,
		   char phase[MACHINE_PHASE_SIZE]);

/* Any thread. */
void machine_keepalive(const struct bigm_machine *m,
		       struct bigm_keepalive_info *info);

/* Reads one line of Keeper.Watch; strings point into json. */
int machine_facts_read(const cJSON *json, struct machine_facts *facts,
		       struct bigm_error *err);

/*
 * Any thread.  Takes new facts and wakes who waits.  A state behind the
 * present one is ignored.  RUNNING opens the client with `tls`, expecting the
 * machine of that name in `cluster`; what prevents that stops the machine
 * with the reason.  Returns true when state or phase have changed, or how much
 * is shipped.
 */
bool machine_update(struct bigm_machine *m, const struct machine_facts *facts,
		    struct tls_context *tls, const char *cluster);

/* Any thread.  Takes a notice (machine/notice.h); whether it is news. */
bool machine_note(struct bigm_machine *m, const struct bigm_notice *notice);

/* Any thread.  The machine's notice; false when there is none. */
bool machine_notice(const struct bigm_machine *m, struct bigm_notice *notice);

/* Any thread.  The cluster shall do without it (bigm scale): it is draining, or
 * STOPPED and no loss.  It has died, or will, and another one of the cluster
 * takes its place, or will. */
bool machine_has_left(const struct bigm_machine *m);
bool machine_is_replaced(const struct bigm_machine *m);
/* The same, as long as that is not there yet. */
bool machine_awaits_heir(const struct bigm_machine *m);

/* Any thread.  Takes what it says of these; whether it is news. */
bool machine_take_line(struct bigm_machine *m,
		       const struct machine_facts *facts);

/* Any thread.  → STOPPED with *why, unless it is already. */
bool machine_stop(struct bigm_machine *m, const struct bigm_error *why);

#endif
