/*
 * system_private: the EC2 system at work, as its files share it.
 *
 *   system.c	 the contract of machine/system.h; what it needs, and its end
 *   errands.c	 what EC2 is asked, on libuv's threads: launching, looking, ending,
 *		 each in batches, one of a kind at a time; and for consoles, each
 *		 by itself
 *   instance.c	 what becomes of one machine, and the way to it by SSH
 *   read.c	 files of instances, by SSH
 *   launcher.c	 instances out of settings; blocks, knows no loop
 *
 * Loop thread, but for what errands.c calls on others: the launcher, and the
 * API, which may be called from any.
 */
#ifndef EC2_SYSTEM_PRIVATE_H
#define EC2_SYSTEM_PRIVATE_H

#include <sys/queue.h>

#include "base/digest.h"
#include "ec2/api_instances.h"
#include "ec2/asker.h"
#include "ec2/bill.h"
#include "ec2/journald.h"
#include "ec2/launcher.h"
#include "ec2/ssh.h"
#include "loop/backoff.h"
#include "machine/system.h"

/* A machine of the system: an instance, or the wish for one. */
struct system_launch {
	struct system *system;
	TAILQ_ENTRY(system_launch) entry;
	struct system_events events;
	void *data;
	char *name, *marker, *program;
	char **argv;
	int procs; /* 0: as many as its type has */

	bool launching; /* an errand has it in its hands */
	bool checking;	/* another one asks for its console's output */
	bool gone, output_over, released;
	struct launched is; /* what it is; id NULL: nothing yet */
	bool suspect; /* EC2 shall be asked how it is */
	bool doubted; /* it was when EC2 was asked last */
	bool announced; /* its address has been told */
	uint64_t launched_ns; /* CLOCK_MONOTONIC */
	struct loop_timer deadline; /* to be announced */
	bool billed; /* it is in the system's bill */
	const char *phase;
	char *host;
	struct bigm_error doom; /* known before its end: why it will come */
	struct bigm_error said; /* by what takes ec2boot there; it may go well */
	struct bigm_error interruption; /* the same, as AWS has announced it */

	struct ssh *ssh;
	struct bigm_error refusal; /* what the last try to log in came to */
	struct backoff retry;
	struct loop_timer timer; /* the next try; or the end of the output */
	bool pushed;
	struct journald_reader journal;
	struct buffer tail; /* of its output: the beginning of a line */
};

/* Where a machine's instance is, also when the machine is gone. */
struct system_host {
	char *machine, *address;
};

struct system_reading;

struct system {
	struct system_keeper keeper;
	struct ec2_asker asker;
	struct cancel *cancel;
	struct ec2_client *client;
	struct launcher *launcher;
	struct ssh_key host_key, login_key;
	char **user_keys; /* lines; NULL-terminated */
	char *note; /* for who made the cluster, at the first launch; or NULL */
	const char *arch; /* of the instances */
	char *worker; /* ec2boot, for that */
	char worker_digest[DIGEST_SIZE];
	TAILQ_HEAD(, system_launch) launches;
	TAILQ_HEAD(, system_reading) readings; /* read.c's */
	struct system_host *hosts;
	size_t nhosts;
	size_t nlaunches;
	struct bill bill; /* of those that are gone */
	uint64_t boot_ms; /* from the launch to where it can be dialled */

	struct loop_task errands; /* those that are due */
	struct loop_timer look_timer;
	uint64_t looked_ns;
	bool launching, looking, ending, closing; /* under way */
	int asking; /* for so many consoles */
	char **doomed; /* ids of instances that are to be terminated */
	size_t ndoomed;

	bool freeing; /* no errand begins any more */
	void (*on_ended)(void *data); /* the cluster ends; NULL: not yet */
	void *ended_data;
};

/* ---- errands.c ---- */

/* Something has changed that EC2 may have to be asked about. */
void errands_wake(struct system *s);
/* The instance shall be terminated, whoever asks. */
void errands_terminate(struct system *s, const char *id);
/* One did not come up for *why: asks for its console, whose last lines are put
 * behind that, and ends it. */
void errands_console(struct system_launch *l, const struct bigm_error *why);

/* ---- read.c ---- */

/* The contract's. */
void system_read_file(struct system *s, const char *machine, const char *path,
		      size_t limit, system_read_fn *done, void *data);
/* Ends what is being read, and forgets where instances are. */
void system_readings_end(struct system *s);
/* l->host is known. */
void instance_note_host(const struct system_launch *l);

/* ---- instance.c ---- */

/* It has been launched; takes over what *is points to. */
void instance_launched(struct system_launch *l, struct launched *is);
/* As EC2 sees it; NULL: EC2 does not know it. */
void instance_seen(struct system_launch *l, const struct ec2_instance *i);
/* Ends it for *why (code 0: in good order): it is terminated, its machine is
 * gone, and its output is over when it has come or `drain_ms` have passed. */
void instance_end(struct system_launch *l, const struct bigm_error *why,
		  uint64_t drain_ms);
/* Adds what it has cost so far. */
void instance_bill(const struct system_launch *l, struct bill *bill);
/* Frees it, unless somebody needs it still. */
void instance_maybe_free(struct system_launch *l);
void instance_set_phase(struct system_launch *l, const char *phase);

#endif
