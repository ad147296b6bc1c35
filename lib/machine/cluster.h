/*
 * cluster: a cluster as its client sees it: the driver's library, and bigm's
 * commands.
 *
 * A client either spawns a keeper, and holds it: when the client goes away
 * without a word, the keeper tears the cluster down; or it attaches to a
 * living one by the path of its control socket, and then holds nothing.
 *
 * Everything here works over one connection to the keeper, on a loop that has
 * a thread of its own (loop_start_thread).  Functions that block refuse with
 * BIGM_EDEADLOCK on that thread.  Callbacks run on it unless said otherwise.
 *
 * Lifecycle: cluster_spawn or cluster_attach → … → cluster_shutdown or
 * cluster_release → cluster_free.  When the keeper goes away first, the
 * cluster is LOST: its machines become STOPPED with the reason, calls to it
 * and to them fail, and nothing else happens to the client's process.
 */
#ifndef MACHINE_CLUSTER_H
#define MACHINE_CLUSTER_H

#include "base/json.h"
#include "keeper/output.h"
#include "loop/loop.h"
#include "machine/keepalive.h"
#include "rpc/client.h"

struct cluster;

/*
 * The path of the `bigm` program, malloc'ed: $BIGM when set, else the first
 * of: beside the running program, beside libbigm.so (or ../bin of its
 * folder), the configured bindir, PATH.  NULL with BIGM_ENOTFOUND and every
 * place that was looked at.  A $BIGM that is no executable file is an error;
 * nothing else is tried then.
 */
char *cluster_find_program(struct bigm_error *err);

struct cluster_options {
	const char *program; /* bigm; NULL: cluster_find_program() */
	const char *name;    /* of the cluster; NULL: the keeper makes one up */
	const char *system;  /* NULL: "local" */
	const char *log_dir; /* where the logs shall stay; NULL: nowhere */
	const char *http;    /* where debug pages are; NULL: on 127.0.0.1:3333, or at
			      * the next port that is free */
	const char *http_prefix; /* the path that they are below; NULL: none */
	bool no_http;	     /* there are none */
	bool http_any_user;  /* every user of this host may read them */
	const char *events;  /* a file that is told what happens; NULL: none */
	char *const *set;    /* settings of systems, "ec2-type=m5.large", the
			      * later of one name winning; ends with NULL; NULL:
			      * none */
	struct keepalive keepalive; /* 0: the system's defaults */
	uint64_t idle_timeout_ms; /* it ends when nobody has used it for so
				   * long; 0: it stays */
	bool ship;	     /* machines begin as the bare worker, whatever the
			      * system */
	bool debug;	     /* the keeper logs debug lines */
};

/* Any thread but the loop's.  Spawns a keeper, and waits until it serves or
 * says why it cannot.  options may be NULL. */
struct cluster *cluster_spawn(struct loop *loop,
			      const struct cluster_options *options,
			      struct bigm_error *err);

/* Any thread but the loop's.  Connects to the control socket of a living
 * keeper.  A keeper of another version is refused with both versions. */
struct cluster *cluster_attach(struct loop *loop, const char *socket_path,
			       struct bigm_error *err);

/* Any thread but the loop's.  The same with a connected socket, which is taken
 * over, and which the keeper may take for a hold. */
struct cluster *cluster_adopt(struct loop *loop, int fd,
			      struct bigm_error *err);

/* Before anything is watched or started: the cluster is one that is lent to us
 * under that token (Keeper.Use).  Machines are only those that we have taken,
 * by cluster_start(), of those that it has; and cluster_shutdown() gives them
 * back, whereupon they are STOPPED for us. */
void cluster_borrow(struct cluster *cluster, const char *token);

/* Lets the connection go and frees all, machines too.  A spawned keeper that
 * was neither released nor shut down takes this as its client's end. */
void cluster_free(struct cluster *cluster);

/* What the keeper said of itself; lives as long as the cluster. */
struct cluster_info {
	const char *name;
	const char *id;		 /* as in certificates */
	const char *record;	 /* folder */
	const char *socket_path; /* for BIGM_CONTROL, and cluster_attach() */
	const char *system;
	const char *arch; /* of its machines, which are other hosts: what they
			   * shall run has to be for that ("linux/amd64"), and
			   * to be sent; NULL: they are processes of this one,
			   * and share its files */
	int64_t pid; /* of the keeper */
	int64_t end_ms; /* its end may take so much longer than that of a
			 * cluster on this host */
};
const struct cluster_info *cluster_info(const struct cluster *cluster);

/* Runs fn once, when the keeper is gone though nobody asked for its end here
 * (at once if it is gone already): it died, or somebody else shut the cluster
 * down, which *why says (BIGM_ECANCELED); then machines are STOPPED without a
 * reason, and calls say the same.  Set it once, before anything else. */
void cluster_on_lost(struct cluster *cluster,
		     void (*fn)(const struct bigm_error *why, void *data),
		     void *data);

/* Blocks.  Calls a method of the keeper: cluster_call(c, "Status", NULL,
 * &reply, err).  reply may be NULL. */
int cluster_call(struct cluster *cluster, const char *method, const cJSON *arg,
		 cJSON **reply, struct bigm_error *err);

/* Before anything is watched or started: what the driver tells of itself when
 * the keeper asks, as malloc'ed JSON text; report() runs on the loop's thread. */
void cluster_on_report(struct cluster *cluster, char *(*report)(void *data),
		       void *data);

/* The client of the keeper's service, for calls that do not block. */
struct rpc_client *cluster_client(struct cluster *cluster);

/* ------------------------------------------------------------------ */
/* Machines                                                            */

/* The context for calls to machines, with the identity that the keeper gave
 * us; NULL before cluster_watch() or cluster_start().  The cluster's. */
struct tls_context *cluster_tls(struct cluster *cluster);

/* What to start; as Keeper.Start.  Everything is copied. */
struct cluster_order {
	int n;		       /* ≥ 1 */
	int min;	       /* so many will do; 0: all n, and one that cannot
				* even begin is told by its state */
	const char *program;   /* NULL: the bare worker, Supervisor only */
	const char *bundle;    /* what machines get that cannot run program, or
				* without one all; NULL: none */
	bool keep;	       /* machines to which something is sent stay
				* bare: they have a bundle ready for Run, a
				* program is not even sent */
	char *const *argv;     /* NULL: none */
	char *const *env;      /* the whole environment; NULL: ours */
	char *const *wanted_env; /* what of it somebody wants them to have: all
				  * that machines of other hosts get; NULL:
				  * nothing */
	const char *dir;       /* NULL: our working folder */
	int procs;	       /* 0: the system's default */
	const struct bigm_service *services; /* NULL: none */
	bool all_services;     /* instead: one of each of the program's types */
	const char *label;     /* NULL: none */
	bool replace;	       /* a machine that dies is replaced */
};

/* Blocks until the keeper has taken the order, not until the machines run.
 * *machines (may be NULL) is set to a malloc'ed array of them; the machines
 * are the cluster's.  Returns their number or a code. */
int cluster_start(struct cluster *cluster, const struct cluster_order *order,
		  struct bigm_machine ***machines, struct bigm_error *err);

/* Blocks until every machine that the cluster has now is known here (watched,
 * with an identity for calls to it), and mirrors them from then on; machines
 * that are started later, by whomever, appear too.  cluster_start() does
 * this; commands that attach call it first. */
int cluster_watch(struct cluster *cluster, struct bigm_error *err);

/* Runs fn for every machine there is, and then whenever its state changes, how
 * far it has come while STARTING, or how much of what is shipped it has, but for
 * bigm_machine_cancel(), whose caller knows.  Set it once, before
 * cluster_watch() and cluster_start(). */
void cluster_on_machine(struct cluster *cluster,
			void (*fn)(struct bigm_machine *machine, void *data),
			void *data);

/* Runs fn whenever there may be another machine, or one that is there has
 * changed in any way, leaving and being replaced among them: for who looks at
 * all of them then.  On the loop's thread; set it any time, from any other. */
void cluster_on_crew(struct cluster *cluster, void (*fn)(void *data),
		     void *data);

/* As bigm_on_notice(): any thread but the loop's, any time. */
void cluster_on_notice(struct cluster *cluster, bigm_notice_fn *fn,
		       void *data);

/* Any thread.  The machines known now, in order of their index, as a
 * malloc'ed array; returns their number. */
size_t cluster_machines(struct cluster *cluster,
			struct bigm_machine ***machines);

/* Any thread.  By index ("0"), name ("m0") or address; BIGM_ENOTFOUND says
 * which there are. */
struct bigm_machine *cluster_machine(struct cluster *cluster,
				     const char *which,
				     struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* Output                                                              */

struct cluster_tail_options {
	const char *const *machines; /* names; NULL: all */
	bool follow;		     /* go on until the logs end */
	int64_t lines;		     /* begin with the last so many; -1: all */
	enum output_show show;
	int (*flush)(void *data);    /* what has arrived has been given, and it
				      * may be long until there is more; as the
				      * line's fn.  NULL: no matter */
};

/* Takes one line; a code other than 0 ends the tail with that code. */
typedef int cluster_line_fn(const struct output_line *line, void *data);

/* Blocks, and runs fn in this thread for each line, at fn's own pace, until
 * the logs have ended (0) or the connection has.  options NULL: all machines,
 * from the start, following. */
int cluster_tail(struct cluster *cluster,
		 const struct cluster_tail_options *options,
		 cluster_line_fn *fn, void *data, struct bigm_error *err);

struct cluster_printing {
	enum output_show show;
	int fd; /* a duplicate is used */
	/* If not NULL, takes whole lines instead, in the thread; may block,
	 * and is then waited for at the end. */
	void (*write)(void *data, const char *lines, size_t len);
	void *data;
};

/* Prints all machines' output from the start on, as "m0: TEXT" lines,
 * from a thread of its own, which nobody waits for but
 * cluster_print_wait(). Once per cluster.  Of one that is lent to us: from now
 * on, until the machines are given back. */
int cluster_print_start(struct cluster *cluster,
			const struct cluster_printing *printing,
			struct bigm_error *err);

/* Blocks until all has been printed, for which the machines must be gone, or
 * timeout_ms have passed (< 0: for ever; BIGM_EDEADLINE).  0 when nothing was
 * started. */
int cluster_print_wait(struct cluster *cluster, int64_t timeout_ms,
		       struct bigm_error *err);

/* Ends the printing, wherever it is, and gives back what it holds; also again
 * or when there is none.  cluster_free() does it. */
void cluster_print_end(struct cluster *cluster);

/* ------------------------------------------------------------------ */
/* The end                                                             */

/* Blocks.  The keeper goes on without us (bigm start). */
int cluster_release(struct cluster *cluster, struct bigm_error *err);

/* Blocks until all machines, the keeper, its record and its socket are gone.
 * `now` skips the graceful part.  Doing it again, or on a lost cluster, waits
 * for what is left and returns 0.  A second thread may call it with `now`
 * while the first one is waiting. */
int cluster_shutdown(struct cluster *cluster, bool now,
		     struct bigm_error *err);

#endif
