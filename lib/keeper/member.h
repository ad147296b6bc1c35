/*
 * member: one machine, as its keeper sees it.
 *
 * STARTING: the system makes it; as soon as its address is known it is
 * dialled, and the first Keepalive and Register travel together (where the
 * system ships, behind Setbinary and Exec, see ship.h; where its machines have
 * no certificates yet, they get these first, see certify.h).  RUNNING: both have
 * answered.  STOPPED: it failed, or ended, or was ended; the reason says
 * which.  It is over when its process is gone and its log is complete.
 *
 * Loop thread only.
 */
#ifndef KEEPER_MEMBER_H
#define KEEPER_MEMBER_H

#include "base/digest.h"
#include "base/json.h"
#include "keeper/certify.h"
#include "keeper/event_source.h"
#include "keeper/health.h"
#include "keeper/output.h"
#include "keeper/pulse.h"
#include "keeper/request.h"
#include "keeper/ship.h"
#include "machine/system.h"
#include "rpc/client.h"

struct keeper;

#define MEMBER_STEPS 16 /* more are not noted */

/* One of the phases through which it has come. */
struct member_step {
	const char *phase; /* a literal */
	uint64_t ns;	   /* when it began; wall clock */
};

/* While a machine is RUNNING; see keeper/loan.h. */
enum member_use {
	MEMBER_OWN,	  /* it is what it was started as */
	MEMBER_TAKING,	  /* it gets the borrower's program */
	MEMBER_TAKEN,	  /* it runs that */
	MEMBER_RETURNING, /* it gets its own back */
};

struct member {
	struct keeper *keeper;
	const struct start_request *order; /* the keeper's */
	const struct start_request *image; /* what it is, or is becoming */
	const struct start_request *borrower; /* until the loan is over; NULL */
	enum member_use use;
	struct bigm_error loan_reason; /* why the borrower does not have it */
	int index;
	char name[24];
	enum bigm_state state;
	struct bigm_error reason; /* when STOPPED; code 0: as asked for */
	char *address;		  /* NULL: not known yet */
	const char *launch_phase; /* until then, the system's word; may be NULL */
	int procs;
	pid_t pid;
	uint64_t start_ns, running_ns; /* wall clock */
	struct member_step steps[MEMBER_STEPS];
	int nsteps;
	struct bigm_notice notice;     /* kind 0: none; else it is draining */
	uint64_t ship_ns; /* when the last ship began */

	struct system_launch *launch; /* NULL: never came, or released */
	struct output_splitter splitter;
	bool gone, output_over;
	bool failed_boot; /* it never came up, by its own fault */
	bool stopping; /* its end was asked for */

	struct rpc_client *client;
	char cargo[DIGEST_SIZE]; /* what it has ready for Run; "": nothing */
	struct certify *certify; /* under way; NULL: not, or not any more */
	struct ship_stock *stock; /* what it has got by ships */
	struct ship *ship; /* under way */
	bool hop; /* it becomes the bare worker first */
	uint64_t incarnation, least; /* it has; it must have, after Exec */
	struct event_source *source; /* NULL: nobody wants its events */
	struct pulse pulse;
	struct health health;
	struct bigm_call *reg, *shutdown;
	bool alive, registered;
	struct loop_timer end_timer;
	struct bigm_error lost; /* why it is waited for with that */

	/* The cluster shall do without it, see member_leave(). */
	bool leaving;
	struct bigm_call *parting; /* waits until it is idle; NULL: not */
	struct loop_timer leave_timer;
	uint64_t leave_by_ns; /* when that is up; monotonic; 0: never */

	/* See crew.h. */
	const struct member *heir;     /* replaces it; NULL: none does */
	const struct member *forebear; /* whom it replaces; NULL: nobody */
	unsigned misfortunes; /* of its line, in a row */
	bool abandoned;	      /* it is replaced no more */
	struct loop_timer heir_timer;
};

/* UNSTARTED.  order must outlive it. */
struct member *member_new(struct keeper *k, int index,
			  const struct start_request *order);
/* Only when it is over, or was never launched. */
void member_free(struct member *m);

/* → STARTING; what goes wrong is told by the state. */
void member_launch(struct member *m);

/* Asks it to end in good order; `now`, or where there is nobody to ask,
 * kills it. */
void member_stop(struct member *m, bool now);

/* → STOPPED with *why, to which its name is prefixed.  It has grace_ms to end
 * by itself. */
void member_fail(struct member *m, const struct bigm_error *why,
		 uint64_t grace_ms);

bool member_is_over(const struct member *m);

/* It goes on as something else: the program of that order, with the services
 * of that.  Nothing of what it does now is waited for. */
void member_change(struct member *m, const struct start_request *image);

/* Its borrower, whose order it is to follow; and to be its own again.  The
 * loan is over: it does not know the borrower any more. */
void member_lend(struct member *m, const struct start_request *borrower);
void member_give_back(struct member *m);
void member_forget_loan(struct member *m);

/* A client does without it: → STOPPED with *why; or it is given back. */
void member_cancel(struct member *m, const struct bigm_error *why);

/* How far one that is STARTING has come: "launching", or a word of its system's
 * (it has no address yet), "certifying" (it gets its certificate), "shipping"
 * (it gets the program), "booting" (the program does not answer yet),
 * "registering" (it makes its services). */
const char *member_phase(const struct member *m);
/* It may be in another phase now: notes when that began, and tells who
 * watches. */
void member_note_phase(struct member *m);

/*
 * The cluster shall do without it.  One that runs is draining from then on
 * (BIGM_NOTICE_SCALE_DOWN): nothing new begins there, and it ends in good order
 * once no call of others than the keeper is under way and no borrower has it;
 * after timeout_ms at the latest (0: however long that takes), or, with `now`,
 * without waiting for any.  One that does not run yet ends at once.  Again:
 * only sooner.
 */
void member_leave(struct member *m, uint64_t timeout_ms, bool now);
/* It may be free to go now. */
void member_leave_on(struct member *m);

/* As the borrower sees it. */
cJSON *member_loan_facts(const struct member *m);

/* Its host will be taken back, or may: nothing new begins there. */
bool member_is_draining(const struct member *m);

/* As one line of Keeper.Watch. */
cJSON *member_facts(const struct member *m);
void member_add_reason(cJSON *facts, const struct bigm_error *reason);
/* And what changes all the time, for Keeper.Status. */
cJSON *member_status(const struct member *m);

#endif
