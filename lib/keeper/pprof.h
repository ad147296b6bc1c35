/*
 * pprof: runs of bigm-pprof (cmd/pprof.h), by which the keeper gets profiles of
 * its machines for pages and dumps.
 *
 * It is a child, so that the keeper loads nothing for it, and neither a large
 * profile nor a damaged binary can hurt the cluster.  It attaches to the
 * cluster as `bigm pprof` does, and dies with the keeper.
 *
 * Loop thread.
 */
#ifndef KEEPER_PPROF_H
#define KEEPER_PPROF_H

#include <stdbool.h>
#include <sys/types.h>

#include "bigm.h"

struct keeper;
struct pprof_run;
struct pprof_dump;

/* All runs of a keeper, and the dumps that wait for their turn; all zero:
 * none. */
struct pprof_list {
	struct pprof_run *runs;
	struct pprof_dump *dumps;
	bool dumping;
};

/*
 * Starts one.
 *
 * args    what stands behind `bigm pprof`, NULL-terminated; --cluster and
 *	   --quiet are added
 * out_fd  its standard output, -1 for none; err_fd: standard error
 * ended   called once, when it has ended, or with -1 by pprof_release(); NULL:
 *	   nobody cares
 *
 * Returns the process id, or a code.
 */
pid_t pprof_start(struct keeper *k, const char *const *args, int out_fd,
		  int err_fd, void (*ended)(int wait_status, void *data),
		  void *data, struct bigm_error *err);

/* Whether that child is one of them, whose end is awaited. */
bool pprof_is_run(const struct pprof_list *list, pid_t pid);

/* Forgets them all. */
void pprof_release(struct pprof_list *list);

/*
 * Writes stacks and memory of a machine (NULL: of all, merged, and where their
 * threads have waited) into the record's folder, as
 * NAME-STAMP.heap.pb.gz ("all" for all; stamp: see clock.h) and so on.  One after
 * the other, memory first: where memory runs short, several at once would take
 * what is left, and the kernel would kill the patient.
 */
void pprof_dump(struct keeper *k, const char *machine, const char *stamp);

#define PPROF_DUMP_SUFFIX ".pb.gz"

#endif
