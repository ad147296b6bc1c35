/*
 * ship: sends a program to a machine that runs the bare worker, and makes it
 * replace itself by the program: Setbinary, Setargs, Setenv; then Exec.
 *
 * Upload and Exec have a time-out each.  Loop thread only.
 */
#ifndef KEEPER_SHIP_H
#define KEEPER_SHIP_H

#include "loop/loop.h"
#include "rpc/client.h"

struct ship;

#define SHIP_UPLOAD_MS 300000
#define SHIP_EXEC_MS 30000

/*
 * done runs once: with NULL when the machine has agreed to replace itself (its
 * next image takes the next connection), or with what went wrong.  It may
 * free the ship.  argv and env (NULL: nothing is sent) are copied.
 */
struct ship *ship_start(struct rpc_client *client, const char *program,
			char *const *argv, char *const *env,
			void (*done)(void *data, const struct bigm_error *why),
			void *data);
/* Cancels what is under way; done does not run. */
void ship_free(struct ship *ship);

#endif
