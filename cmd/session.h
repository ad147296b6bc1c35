/*
 * session: a cluster from its first to its last moment, around one piece of
 * work, for `bigm run` and `bigm start`; or a guest's stay in one that is
 * there, for `bigm exec` and `bigm run --cluster`.
 *
 *	LAUNCHING	the keeper is being spawned, the work being begun
 *	WORKING		until the work says that it is over, or
 *	  a signal, or the time is up: the work is told so; a second later
 *	STOPPING	the work is stopped, files are collected, machines end and
 *			logs are drained;
 *			another signal stops all of this at once
 *	GONE		nothing is left, or (`bigm start`, and a guest, who
 *			has nothing to stop) all of it goes on without us
 *
 * The exit status is decided once, by the first who has a say: the work, a
 * signal, the time, a failure of bigm's own.
 */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "cmd/collect.h"
#include "cmd/command.h"
#include "cmd/events.h"
#include "cmd/run.h"
#include "machine/cluster.h"

struct session;

/* What is run on the cluster. */
struct session_work {
	/* In a thread of its own, once the keeper serves; may block. */
	int (*launch)(struct session *session, struct bigm_error *err);
	/* Main thread, for an event of the work's own kind, or of its fd. */
	void (*event)(struct session *session, const struct event *event);
	/* Main thread: a signal for everything that runs. */
	void (*signal)(struct session *session, int signal);
	/* Main thread: end everything that runs; bounded.  Also when nothing
	 * has been launched, and again. */
	void (*stop)(struct session *session);
	/* Main thread: there is a notice (bigm_on_notice()) of the machine with
	 * that index, which the work tells people; also before it is launched.
	 * NULL: the session tells it. */
	void (*notice)(struct session *session, int machine);
	/* Main thread: nobody has read for so long what it prints.  NULL: it is
	 * not asked. */
	bool (*unread)(struct session *session, uint64_t ns);
	/* Main thread: the process is about to end, as it is.  NULL: nothing. */
	void (*leave)(struct session *session);
	/* After all: false while threads of the work still run. */
	bool (*idle)(struct session *session);
	/* It goes on when its cluster has been shut down: a driver may do that
	 * itself, and have more to do. */
	bool outlives_cluster;
	/* It says itself which machines were lost, and why. */
	bool names_the_lost;
};

enum session_phase {
	SESSION_LAUNCHING,
	SESSION_WORKING,
	SESSION_STOPPING,
	SESSION_GONE,
};

struct session {
	/* To be set before session_run(). */
	const struct invocation *in;
	const struct run_options *options;
	const struct session_work *work;
	void *data; /* the work's */
	int fd;	    /* the work's; -1: none */
	bool print; /* the machines' own output to stderr, as far as that: */
	enum output_show show; /* with -v it is all */
	bool keep;  /* work that ends with 0 leaves the cluster to itself */
	int expected; /* so many machines will come; 0: not known */
	bool shared;  /* the work writes to our terminal, whenever it likes */
	bool attach;	/* the cluster is there, and stays (options->cluster) */
	bool ships;	/* something is sent to its machines, which shows */
	bool exclusive; /* nobody else may do so with it meanwhile */
	bool borrow;	/* and the work may take its machines (lib/keeper/loan.h) */
	bool patient;	/* after the first signal the work has all its time,
			 * unless it waits for who reads what it prints */

	struct detach *detach; /* whom to tell that it has begun, and how it ends;
				* NULL: nobody */
	struct collect_options collect; /* from the machines before they go */

	struct events events;
	struct progress *progress; /* of the machines; NULL: not shown */
	struct invocation with_progress; /* what `in` is from then on */
	struct loop *loop;
	struct cluster *cluster;  /* NULL until spawned, or attached to */
	struct bigm_call *use;	  /* makes it ours alone; NULL: nothing does */
	char *token;		  /* of that loan */
	struct collect *collecting; /* NULL: nothing is, or not yet */
	enum session_phase phase;
	int status;		  /* -1: not decided */
	bool doubtful;		  /* the work's status: is it the cluster's? */
	int signals;		  /* got so far */
	int pending_signal;	  /* what shall end the work; 0: nothing */
	uint64_t timeout_ns;	  /* when the time is up; 0: never */
	uint64_t grace_ns;	  /* when patience ends; 0: not begun */
	bool unhurried;		  /* then it begins anew, unless nobody reads */
	pthread_t threads[3];	  /* launch, shutdown, shutdown at once */
	int nthreads;
	atomic_bool stopping;	  /* nobody wonders any more who dies */
	atomic_bool explained;	  /* why the cluster is lost has been said */
	bool drained;		  /* the logs have been printed */
	struct bigm_error launch_error, lost_error;
};

/* Does it all; returns the exit status. */
int session_run(struct session *session);

/* Any thread but the loop's: the work has begun, or the machines that the work needs are there; what
 * it prints may come. */
void session_ready(struct session *session);

/* Main thread: the work is over with that exit status. */
void session_finish(struct session *session, int status);

/* Main thread: the work shall be over, with that exit status: it is sent the
 * signal, and is stopped when that does not end it soon. */
void session_end_early(struct session *session, int status, int signal);

/* Any thread but the loop's; may block.  From now on nobody else brings the
 * cluster something; nothing where that is so already.  For sessions that
 * attach. */
int session_claim(struct session *session, struct bigm_error *err);

/* The same.  Where the session may put something for as long as it uses the
 * cluster: that name in its record, or, of a cluster that stays, in a folder of
 * the record that the keeper removes when the session is over, whatever ends it.
 * NULL with *err set; malloc'ed. */
char *session_place(struct session *session, const char *name,
		    struct bigm_error *err);

/* Any thread: says, once, why the cluster is lost. */
void session_explain(struct session *session, const char *why);

/* Main thread: standard output does not take any more, for that errno: the work
 * shall be over, as by the SIGPIPE that bigm ignores, or with a line that says
 * why. */
void session_output_failed(struct session *session, int errnum);

/* As session_finish(), because of bigm, and with one line that says why. */
void session_fail(struct session *session, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
