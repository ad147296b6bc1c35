/*
 * job_order: what the first frame of a Run asks for, and its process.
 */
#ifndef SUPERVISOR_JOB_ORDER_H
#define SUPERVISOR_JOB_ORDER_H

#include <sys/ioctl.h>

#include "base/json.h"
#include "supervisor/binary.h"

enum { IN, OUT, ERR, STREAMS };

struct job_order {
	char **argv;
	char **env;
	char *dir;	     /* NULL: the machine's own */
	struct image *image; /* what argv[0] names is that; NULL: a command */
	bool wants_stdin;
	bool terminal; /* its streams are a terminal of its own, of that size */
	struct winsize size;
};

/* Zero-initialise; env is what the frame's own amends, binaries has the
 * program that "binary" means.  To be released even after an error. */
int job_order_read(struct job_order *order, const cJSON *json,
		   char *const *env, struct binary_store *binaries,
		   struct bigm_error *err);
void job_order_release(struct job_order *order);

/* {"rows": R, "columns": C}, or a code. */
int job_order_read_size(struct winsize *size, const cJSON *json,
			struct bigm_error *err);

/* Where a program runs for which that folder is wanted ("" or NULL: none is),
 * malloc'ed: one with a folder of its own there, or below.  image may be NULL;
 * NULL: the machine's own folder. */
char *job_order_dir(const char *wanted, const struct image *image);

/* Starts the process, as the leader of a group of its own.  ours: our ends of
 * its streams, -1 for none; of a terminal all output is that of OUT.  Returns its
 * pid or a code. */
pid_t job_order_spawn(const struct job_order *order, int ours[STREAMS],
		      struct bigm_error *err);

/* The same with streams that are there, which stay ours; -1: /dev/null. */
pid_t job_order_spawn_on(const struct job_order *order,
			 const int streams[STREAMS], struct bigm_error *err);

#endif
