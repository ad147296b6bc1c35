/*
 * worker: the state of a machine, shared by the parts of the Supervisor.
 *
 * Threads: the main thread only waits, for the end of the lease, of the keeper
 * or of the work, so that neither depends on the loop; the loop's thread
 * serves; methods run on the server's threads.
 *
 * States: SERVING → ENDING (the server lets its calls finish, for a bounded
 * time) → on the main thread: stopped, or replaced by the next program.  When
 * the next program cannot be executed, the machine is SERVING again, with the
 * Supervisor alone.
 */
#ifndef SUPERVISOR_WORKER_H
#define SUPERVISOR_WORKER_H

#include <stdatomic.h>

#include "debug/server.h"
#include "loop/loop.h"
#include "rpc/server.h"
#include "supervisor/binary.h"
#include "supervisor/boot.h"
#include "supervisor/job.h"
#include "supervisor/lease.h"
#include "supervisor/leave.h"
#include "supervisor/parcel.h"
#include "supervisor/registry.h"
#include "supervisor/tell.h"

/* How long calls that run may take to end, and connections to close. */
#define WORKER_GRACE_MS 1000

enum worker_end { WORKER_SERVING = 0, WORKER_STOP, WORKER_EXEC };

/* Why the main thread waits no longer. */
enum worker_cause { WORKER_ASKED, WORKER_LEASE_OVER, WORKER_ORPHANED };

struct worker {
	struct boot *boot;
	const struct bigm_service_type *const *types; /* may be NULL */
	int argc;
	char **argv; /* as main() got them */
	bool guest; /* the process is not its own: no Exec */
	bool bare;  /* it is nobody's program */
	struct faults *faults; /* of its server; NULL: none */
	uint64_t started_ns; /* monotonic; anew with each Exec */
	struct loop *loop;
	struct tls_context *tls;
	struct bigm *bigm;
	struct rpc_server *server;
	struct debug_pages *pages;
	struct debug_server *http; /* shows them; NULL: nobody does */
	struct lease lease;
	struct leave leave;
	atomic_bool shown_alive; /* BOOT_ALIVE_ENV's file has been made */
	struct job_list jobs;
	struct registry registry;
	struct binary_store binaries;
	struct tell tell; /* what the program tells the keeper */
	struct parcel_shelf shelf; /* what is on its way here and to others */
	char **env; /* ours, as it was at the start, without BIGM_BOOT */

	/* For the next program.  Loop thread, and main once it has ended. */
	char **next_argv;
	char **next_env;
	struct image *next_image; /* NULL: no Exec is under way */
	int exit_status;
	struct loop_timer delay; /* of a Shutdown */
	uint64_t delay_ms;

	_Atomic int end;	   /* enum worker_end: what was asked for */
	_Atomic uint64_t end_by_ns; /* when the main thread waits no longer */
	atomic_bool ended;	   /* the server has shut down */
	int wake_fd;		   /* eventfd: the main thread has to look */

	pthread_mutex_t lock;
	char *exec_error; /* why the last Exec did not happen; under lock */
};

/* Any thread: makes the main thread look at lease, end and ended. */
void worker_wake(struct worker *worker);

/* Loop thread: SERVING → ENDING.  False when it is ending already. */
bool worker_end(struct worker *worker, enum worker_end end, int exit_status);

/*
 * The parts of worker_main() that do not depend on the process being the
 * machine's own; lib/inside makes machines of them.  The main thread is the one
 * that calls worker_wait().
 */
/* Takes boot over. */
struct worker *worker_new(struct boot *boot, int argc, char **argv,
			  const struct bigm_service_type *const *types,
			  const struct intake *intake);
/* Serves; what fails is left to worker_free(). */
int worker_begin(struct worker *worker, struct bigm_error *err);
enum worker_cause worker_wait(struct worker *worker);
/* Tells the keeper, and logs. */
void worker_tell_lease_over(struct worker *worker);
/* Not those of methods that are still at work. */
void worker_release_services(struct worker *worker);
/* Once its server has shut down, with no method at work. */
void worker_free(struct worker *worker);

#endif
