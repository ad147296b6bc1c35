/*
 * handle: struct bigm, what bigm_init() returns.
 *
 * In the driver it has a loop thread and, from the first bigm_start() on, a
 * cluster.  On a machine the worker makes one, around its own loop and
 * identity, so that services can dial peers through it.
 */
#ifndef MACHINE_HANDLE_H
#define MACHINE_HANDLE_H

#include "loop/loop.h"
#include "rpc/tls.h"

/* For a machine: peers are dialled (bigm_dial) with `tls` and must be of
 * `cluster`; bigm_address() gives `address`, bigm_argv() a copy of argv.  Loop
 * and context stay the worker's and must outlive it; to be freed with
 * bigm_free(). */
struct bigm *handle_new_machine(struct loop *loop, struct tls_context *tls,
				const char *cluster, const char *address,
				int argc, char **argv);

#endif
