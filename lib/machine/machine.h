/*
 * machine: one machine, as a client of its cluster sees it (struct
 * bigm_machine of bigm.h).
 *
 * Its facts come from the keeper's Watch stream, or are given when a peer is
 * dialled by its address.  The state only moves forward.  Calls go to its
 * rpc_client, which is parked until the machine is RUNNING and fails with the
 * machine's reason when it is STOPPED.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/json.h"
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
/* 0 while not known. */
int64_t machine_pid(const struct bigm_machine *m);

/* What is known of a machine; strings may be NULL, numbers 0, for what is
 * not. */
struct machine_facts {
	enum bigm_state state;
	const char *address;
	int procs;
	int64_t pid;
	struct bigm_error reason; /* when STOPPED; code 0: as asked for */
};

/* Reads one line of Keeper.Watch; strings point into json. */
int machine_facts_read(const cJSON *json, struct machine_facts *facts,
		       struct bigm_error *err);

/*
 * Any thread.  Takes new facts and wakes who waits.  A state behind the
 * present one is ignored.  RUNNING opens the client with `tls`, expecting the
 * machine of that name in `cluster`; what prevents that stops the machine
 * with the reason.  Returns true when the state has changed.
 */
bool machine_update(struct bigm_machine *m, const struct machine_facts *facts,
		    struct tls_context *tls, const char *cluster);

/* Any thread.  → STOPPED with *why, unless it is already. */
bool machine_stop(struct bigm_machine *m, const struct bigm_error *why);

#endif
