/*
 * inside: a keeper that has no process: it runs on a thread of this one, and
 * its machines are of the system "test" (inside/system.h).
 *
 * It is the same keeper but for what has to do with processes: no record, no
 * control socket but the one end of a socketpair that its client gets, no
 * guard; and no output, since machines print to where the process prints.
 * When its client lets go, or after a Shutdown, its thread ends.
 */
#ifndef INSIDE_INSIDE_H
#define INSIDE_INSIDE_H

#include "inside/system.h"

struct inside;

struct inside_options {
	const struct bigm_service_type *const *types;
	uint64_t seed;
	struct keepalive keepalive;
};

/* *client_fd is the client's end, for cluster_adopt(). */
struct inside *inside_new(const struct inside_options *options,
			  int *client_fd, struct bigm_error *err);

/* Waits for its end; the client must have let go. */
void inside_free(struct inside *inside);

struct faults *inside_faults(struct inside *inside);
/* As inside_system_end(). */
int inside_end(struct inside *inside, const char *name, enum inside_end how,
	       char *name_out, struct bigm_error *err);

/* As inside_system_notice(). */
int inside_notice(struct inside *inside, const char *name,
		  const struct bigm_notice *notice, struct bigm_error *err);

#endif
