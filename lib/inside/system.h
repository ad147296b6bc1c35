/*
 * system: the system whose machines live in this process.
 *
 * A machine has a loop with a thread, the threads of its methods, and one that
 * waits for its end, as the main thread of a machine's process does; its socket
 * is on 127.0.0.1 and speaks what every machine's socket speaks.  It prints
 * to where the process prints.
 *
 * A machine that is killed loses its connections at once and is gone for its
 * keeper; what its methods still answer reaches nobody, and when they have
 * returned its services are released, since memory is not the kernel's to
 * take back here.
 */
#ifndef INSIDE_SYSTEM_H
#define INSIDE_SYSTEM_H

#include "machine/system.h"
#include "rpc/faults.h"

struct inside_system_options {
	const struct bigm_service_type *const *types;
	uint64_t seed;
	struct faults *faults;
};

extern const struct system_ops inside_system_ops;

struct system *inside_system_new(const struct inside_system_options *options);

/* Before the first machine. */
void inside_system_use(struct system *system,
		       const struct system_keeper *keeper);

/* Once the keeper's loop has been freed, or was never there. */
void inside_system_free(struct system *system);

enum inside_end {
	INSIDE_KILL, /* the keeper learns of its end at once */
	INSIDE_CUT,  /* it does not: the machine is only not to be reached */
};

/* Any thread.  Ends the transport of a machine; name NULL: of one that the
 * system chooses by its seed.  name_out (24 bytes) is set to its name.
 * BIGM_ENOTFOUND when there is none such that lives. */
int inside_system_end(struct system *system, const char *name,
		      enum inside_end how, char *name_out,
		      struct bigm_error *err);

/* Any thread.  Tells the keeper what is announced of that machine; of several
 * that it has not heard of yet, the gravest.  BIGM_ENOTFOUND when it does not
 * live. */
int inside_system_notice(struct system *system, const char *name,
			 const struct bigm_notice *notice,
			 struct bigm_error *err);

#endif
