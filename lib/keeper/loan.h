/*
 * loan: the cluster in the hands of one `bigm run --cluster`.
 *
 * Free → LENT to the one whose Keeper.Use was granted, under a token of its
 * own.  A driver takes machines with it, by Keeper.Start: each is made to run
 * the driver's program in the place of its own.  The loan ends with the stream
 * of Use, or by Keeper.Return → RETURNING: each machine is made what it was,
 * → free.  A machine that the run broke stays STOPPED.
 *
 * What the borrower sees of a machine is a life of its own: STARTING while it
 * gets the program, RUNNING, and STOPPED once it is to be given back.
 *
 * Loop thread only.
 */
#ifndef KEEPER_LOAN_H
#define KEEPER_LOAN_H

#include "keeper/request.h"
#include "keeper/watch.h"

struct keeper;
struct member;

#define LOAN_TOKEN_SIZE 33
/* Folders in the record that begin so are a borrower's: they go with the loan. */
#define LOAN_FOLDER "loan-"

struct loan {
	struct keeper *keeper;
	char token[LOAN_TOKEN_SIZE]; /* "": free */
	bool returning;
	bool parting; /* a Return waits for Keeper.Farewell's callers */
	struct watch_list users;   /* the stream of Use; at most one */
	struct watch_list watches; /* the borrower's */
	struct bigm_request *waiting; /* the next Use, for the machines */
	struct bigm_request **returns;
	size_t nreturns;
	struct start_request **orders; /* the borrower's */
	size_t norders;
	struct loop_task look; /* whether all is back */
};

void loan_init(struct loan *loan, struct keeper *k);
/* The cluster ends: nobody waits any longer. */
void loan_end(struct loan *loan);
/* After loan_end(), and once no member needs its orders. */
void loan_release(struct loan *loan);

/* True for the one who has it, or had it last until all is back; NULL is
 * nobody. */
bool loan_is_of(const struct loan *loan, const char *token);

/* Keeper.Use: takes the request over.  BIGM_EEXIST when another has it. */
int loan_use(struct loan *loan, struct bigm_request *req,
	     struct bigm_error *err);

/* Keeper.Start with a token: takes over the order.  *machines is malloc'ed,
 * order->n of them. */
int loan_start(struct loan *loan, const char *token,
	       struct start_request *order, struct member ***machines,
	       struct bigm_error *err);

/* Keeper.Return: takes the request over, and answers when all is back; leaves
 * it alone when there is nothing to be given back. */
void loan_return(struct loan *loan, const char *token,
		 struct bigm_request *req);

/* Nobody asks for time before machines go. */
void loan_farewell_over(struct loan *loan);

/* A machine has changed; or only its Keepalive's times have. */
void loan_member_changed(struct loan *loan, const struct member *m);
void loan_member_alive(struct loan *loan, const struct member *m);

#endif
