/*
 * ship: sends a program, or a cargo, to a machine that runs the
 * bare worker, and makes it replace itself by that: Setbinary, Setargs, Setenv;
 * then Exec.
 *
 * Upload and Exec have a time-out each.  Loop thread only.
 */
#ifndef KEEPER_SHIP_H
#define KEEPER_SHIP_H

#include "keeper/cargo.h"
#include "loop/loop.h"
#include "rpc/client.h"

struct ship;

#define SHIP_UPLOAD_MS 300000
#define SHIP_EXEC_MS 30000

struct ship_order {
	const char *program;	   /* a file; or, if not NULL: */
	int fd; /* that file, if it is open already; -1: not */
	const struct cargo *cargo; /* this instead */
	bool exec;	   /* else it is sent only, and ready for Run */
	char *const *argv; /* for Exec, as env; NULL: nothing is sent */
	char *const *env;  /* changes of the machine's, as Setenv takes them */
};

/*
 * done runs once: with NULL when the machine has what was sent and, with exec,
 * has agreed to replace itself (its next image takes the next connection), or
 * with what went wrong.  It may free the ship.  The order is copied, but for
 * the cargo, which must outlive the ship.
 */
struct ship *ship_start(struct rpc_client *client,
			const struct ship_order *order,
			void (*done)(void *data, const struct bigm_error *why),
			void *data);
/* True while the machine has not been told to replace itself. */
bool ship_is_loading(const struct ship *ship);
/* Cancels what is under way; done does not run. */
void ship_free(struct ship *ship);

#endif
