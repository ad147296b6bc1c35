/*
 * provision: what a system gives to machines of this host.
 */
#ifndef MACHINE_PROVISION_H
#define MACHINE_PROVISION_H

#include "machine/system.h"
#include "supervisor/boot.h"

#define PROVISION_HOST "127.0.0.1"

/* A listening socket on a port of its own, and *address, https://…/,
 * malloc'ed.  Returns the descriptor, close-on-exec, or a code. */
int provision_listen(char **address, struct bigm_error *err);

/*
 * All that a machine needs to begin: a key and the keeper's certificate for it,
 * its name, address, and so on; order's folder is made.  For systems that have no socket over which the
 * machine could ask for them: they leave it to the machine by boot_leave(), or
 * run it in this process.  Without descriptors; incarnation 0, to which
 * boot_leave() adds 1.  To be freed with boot_free().
 */
struct boot *provision_boot(const struct system_keeper *keeper,
			    const struct system_order *order,
			    const char *address, int procs,
			    struct bigm_error *err);

/* The same as a file in memory, for BIGM_BOOT's "identity".  Returns its
 * descriptor, not close-on-exec, or a code. */
int provision_leave(const struct system_keeper *keeper,
		    const struct system_order *order, const char *address,
		    int procs, struct bigm_error *err);

#endif
