/*
 * ship: makes a machine that runs the bare worker have a program, or a cargo,
 * and replace itself by that.
 *
 *	Has	where it may have some of it: which files does it lack?
 *	Fetch	the parcel with these, from the keeper or from a machine that
 *		has it, or is getting it (keeper/broadcast.h)
 *	Setargs, Setenv, Exec
 *
 * Nothing is sent that the machine has.  A Fetch has no time-out: as long as
 * the machine gets on it may take what it takes; when it does not for
 * BROADCAST_FAIL_MS although its source could, the ship fails, with the offset.
 * Exec waits for machines that still fetch from this one, SHIP_HOLD_MS at most;
 * then they ask others, or it again.
 *
 * Loop thread only.
 */
#ifndef KEEPER_SHIP_H
#define KEEPER_SHIP_H

#include "keeper/shipment.h"
#include "rpc/client.h"

struct ship;

#define SHIP_EXEC_MS 30000
#define SHIP_HOLD_MS 1000

/*
 * What a machine has got by its ships, and serves to others; it outlives the
 * ships, and is the machine's.
 */
struct ship_stock;
struct ship_stock *ship_stock_new(const char *name, struct rpc_client *client);
/* It has ended: what others fetch from it, they fetch from somebody else now. */
void ship_stock_leave(struct ship_stock *stock);
/* When no ship uses it. */
void ship_stock_free(struct ship_stock *stock);
/* While a ship is at work: how many of so many bytes are there; false before
 * that is known. */
bool ship_stock_progress(const struct ship_stock *stock, uint64_t *have,
			 uint64_t *size);
/* After Exec it serves again. */
void ship_stock_is_back(struct ship_stock *stock);

struct ship_order {
	struct shipment_list *shipments;
	struct ship_stock *stock;
	const char *address; /* by which other machines dial it */
	size_t expected;     /* how many machines get the same, about now */
	struct shipment_source source;
	bool exec;	   /* else it is sent only, and ready for Run */
	char *const *argv; /* for Exec, as env; NULL: nothing is sent */
	char *const *env;  /* changes of the machine's, as Setenv takes them */
};

struct ship_ops {
	/* Once: with NULL when the machine has what was sent and, with exec,
	 * has agreed to replace itself (its next image takes the next
	 * connection), or with what went wrong.  May free the ship. */
	void (*done)(void *data, const struct bigm_error *why);
	/* Now and then: there is something new in ship_stock_progress(). */
	void (*progress)(void *data);
};

/* The order is copied, its strings too.  There is one ship at a time for a
 * stock; another one fails. */
struct ship *ship_start(const struct ship_order *order,
			const struct ship_ops *ops, void *data);
/* True while the machine has not been told to replace itself. */
bool ship_is_loading(const struct ship *ship);
/* Cancels what is under way; done does not run. */
void ship_free(struct ship *ship);

/* Makes a list of shipments for ships; ends with shipment_release_all(). */
void ship_list_init(struct shipment_list *list, struct loop *loop);

#endif
