/*
 * core: the keeper itself, as its parts see it.
 *
 * keeper.c is the cluster's side of it: machines, phases, what clients are
 * told; it needs no process of its own, and lib/inside runs it in a user's
 * unit test.  process.c is the rest: record, lifeline, beginning and end of the
 * process.
 *
 * Phases: UP → STOPPING (machines are ending) → ENDING (all are gone; the system
 * puts away the rest) → DRAINING (readers of the logs get the rest) → CLOSING
 * (the control server ends) → the loop ends, and so does the process.
 *
 * Loop thread only.
 */
#ifndef KEEPER_CORE_H
#define KEEPER_CORE_H

#include "keeper/authority.h"
#include "keeper/boots.h"
#include "keeper/crew.h"
#include "keeper/delivery.h"
#include "keeper/events.h"
#include "keeper/idle.h"
#include "keeper/journal.h"
#include "keeper/leavings.h"
#include "keeper/loan.h"
#include "keeper/pprof.h"
#include "keeper/record.h"
#include "keeper/reporter.h"
#include "keeper/request.h"
#include "keeper/scale.h"
#include "keeper/ship.h"
#include "keeper/tail.h"
#include "keeper/watch.h"
#include "machine/system.h"
#include "rpc/server.h"

struct live;
struct member;
struct lifeline;

/* keeper_main()'s arguments. */
struct keeper_options {
	const char *name, *system, *log_dir, *events; /* NULL: not given */
	const char *version, *wire;	     /* the client's */
	struct keepalive keepalive;	     /* 0: the system's */
	uint64_t idle_timeout_ms;	     /* 0: it stays, see idle.h */
	const char *http, *http_prefix;	     /* of the debug pages; NULL */
	bool no_http;			     /* there are none */
	bool http_any_user; /* every user of this host may read them */
	int hold_fd;   /* -1: none */
	int status_fd; /* -1: stderr */
	const char **set; /* settings of systems, "ec2-type=m5.large" */
	size_t nset;
	bool ship;
	bool debug;
};

enum keeper_phase {
	KEEPER_UP,
	KEEPER_STOPPING,
	KEEPER_ENDING,
	KEEPER_DRAINING,
	KEEPER_CLOSING,
};

struct keeper {
	const struct keeper_options *options;
	struct record *record; /* at least a name and a folder */
	struct loop *loop;
	struct authority *authority;
	struct identity *identity;
	struct tls_context *tls; /* for calls to the machines */
	const struct system_ops *ops;
	struct system *system;
	cargo_find_fn *find_cargo; /* NULL: it cannot ship bundles */
	/* preload_variable(); NULL: nothing is preloaded. */
	char *(*preload)(const char *program, char *const *env);
	struct delivery_list deliveries;
	struct shipment_list shipments;
	struct leavings leavings;
	struct keepalive keepalive; /* 0: the system's, from keeper_start() on */
	struct rpc_server *server;
	struct journal *journal;
	struct event_log *events; /* NULL: none is wanted */
	struct tail_list tails;
	struct boots boots;
	struct watch_list watches;
	struct debug_pages *pages;
	struct surveyor *surveyor;
	struct reporter_list reporters;
	struct debug_server *http; /* NULL: nobody shows them */
	struct pprof_list pprof;
	/* pprof_dump(); NULL: it has no profiles. */
	void (*dump_profiles)(struct keeper *k, const char *machine,
			      const char *stamp);
	struct live *live;
	struct loan loan; /* to bigm run --cluster */
	struct crew crew;
	struct scale_list scales;
	struct idle idle;
	struct watch_list farewells; /* see farewell.h */
	bool parting; /* a Shutdown waits for them */
	struct loop_timer reaping; /* of orphans */
	struct lifeline *lifeline; /* NULL: its life hangs on nothing else */

	struct member **members;
	size_t nmembers;
	struct start_request **orders; /* what they were started with */
	size_t norders;

	enum keeper_phase phase;
	bool held; /* the client's end is ours */
	bool killed;	/* SIGKILL was sent to what is left */
	bool given_up;	/* and did not help */
	struct loop_task advance; /* looks whether a phase is over */
	struct loop_timer timer;  /* of the phase */
	uint64_t drained;	 /* tails.sent when last looked at */
	int drains, stalls;	 /* looks after readers, without a holder */
	bool hurry;		 /* wait for no reader */
	struct bigm_request **shutdowns; /* waiting for the end */
	size_t nshutdowns;

	struct bigm_error end; /* why the machines end; code 0: as asked */
	uint64_t started_ns;   /* wall clock */
	char marker[48];     /* ends each machine's log */
	char *bigm_path;
};

/*
 * Runs the keeper in this process until its cluster has ended.  guard_fd: a
 * pipe that closes when the guard dies.  Returns 0, or a code when it could
 * not come up, which it has reported.
 */
int keeper_run(struct record *record, const struct keeper_options *options,
	       int guard_fd);

/* Makes authority, journal (in that file), and control server of a keeper that
 * has its record and its loop; ops and system must be there before the loop
 * runs.  What fails is left to keeper_dispose(). */
int keeper_init(struct keeper *k, const char *journal, struct bigm_error *err);

/* A holder: one end of a socketpair, taken over.  keeper_holder_gone() is also
 * for others who learn of its end. */
int keeper_hold(struct keeper *k, int fd, struct bigm_error *err);
void keeper_holder_gone(void *data);

/* Frees what it is made of, the loop too, which must not run any more; record
 * and options stay. */
void keeper_dispose(struct keeper *k);

/* struct system_keeper's sign. */
int keeper_sign(void *keeper, const char *request_pem, const char *name,
		const char *host, char **certificate_pem, char **authority,
		struct bigm_error *err);

/* Its warn: told by Keeper.Watch, to all but borrowers, as {"warning": TEXT}. */
void keeper_warn(void *keeper, const char *text);

/* Its bootstrap, as find_ec2boot is ec2boot_find(). */
char *keeper_bootstrap(void *keeper, struct bigm_error *err);

/* Says on the status pipe why the keeper does not come up, or ends. */
void keeper_report(const struct keeper_options *options,
		   const struct bigm_error *why);

/* Keeper.Start: takes over the request; the new machines begin at
 * k->members[*first]. */
int keeper_start(struct keeper *k, struct start_request *request,
		 size_t *first, struct bigm_error *err);

/* Whether this host can hold n more; and begins them, of an order of the
 * keeper's: what goes wrong is told by their states. */
int keeper_allow(const struct keeper *k, int n, struct bigm_error *err);
void keeper_launch(struct keeper *k, const struct start_request *order, int n);

/* What is sent to the order's machines is known before one is begun. */
int keeper_find_cargo(struct keeper *k, struct start_request *request,
		      struct bigm_error *err);

/* The program of the bare worker that its machines begin as. */
const char *keeper_worker(const struct keeper *k);

/* NULL: no machine has that name. */
struct member *keeper_member(const struct keeper *k, const char *name);

/* Ends the cluster; `now` kills, also when it is ending already.  why is the
 * reason with which its machines stop; NULL: a client asked for it. */
void keeper_stop(struct keeper *k, bool now, const char *why);

/* The holder lets go. */
void keeper_release(struct keeper *k);

/* Told by members: their facts have changed; only those of their Keepalive
 * have; they are over. */
void keeper_member_changed(struct keeper *k, const struct member *m);
void keeper_member_alive(struct keeper *k, const struct member *m);
void keeper_member_over(struct keeper *k);

/* A driver's identity, as PEM texts; the key is to be given to
 * keeper_wipe(), also on error. */
int keeper_issue_driver(struct keeper *k, char **key, char **certificate,
			struct bigm_error *err);
void keeper_wipe(char *secret);

/* As Keeper.Info; and the same with the machines. */
cJSON *keeper_info(const struct keeper *k);
cJSON *keeper_status(const struct keeper *k, const char *use);
/* And for who looks at it again and again: what the machines have said of load,
 * memory and calls, for which they are asked for a while (live.h). */
void keeper_add_figures(struct keeper *k, cJSON *status);

/* Adds the service "Keeper" to k->server. */
int control_add(struct keeper *k, struct bigm_error *err);
/* The cluster has ended: tells those who asked for it. */
void control_answer_shutdowns(struct keeper *k);

#endif
