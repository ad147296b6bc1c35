/*
 * attach: the living cluster that a command is about.
 */
#ifndef CMD_ATTACH_H
#define CMD_ATTACH_H

#include "keeper/record.h"
#include "machine/cluster.h"

struct attachment {
	struct record *record;
	struct loop *loop;
	struct cluster *cluster;
};

/* name NULL: the only cluster there is.  BIGM_ENOTFOUND when there is none, or
 * none of that name; BIGM_EINVALID, with their names, when there are several.
 * To be released after an error too. */
int attach(struct attachment *a, const char *name, struct bigm_error *err);
void attachment_release(struct attachment *a);

/* After an error of the cluster's: a keeper that ends takes no more calls, and
 * its record goes a moment later, for which this waits.  Returns the error's
 * code, which is BIGM_ENOTFOUND, and the error says so, when it has gone. */
int attach_explain(const struct attachment *a, struct bigm_error *err);

/* As attach(), on a loop that is there; NULL with *err set. */
struct cluster *attach_on(struct loop *loop, const char *name,
			  struct bigm_error *err);

/* Blocks until the cluster's machines are known.  `which` is an index, a name,
 * an address, or "all", which are those without what the cluster does without:
 * machines that leave, or have, and dead ones that are replaced.  *machines is
 * malloc'ed; the machines are the cluster's.  Returns their number (≥ 1) or a
 * code. */
int attach_machines(struct attachment *a, const char *which,
		    struct bigm_machine ***machines, struct bigm_error *err);

int attach_choose(struct cluster *cluster, const char *which,
		  struct bigm_machine ***machines, struct bigm_error *err);

/* Where on the cluster's machines something begins that shall run, or lie, in
 * the folder `wanted` (NULL: not said): those of this host share our folders,
 * so that ours is theirs; elsewhere a folder is the machine's own matter, and
 * *dir is NULL when none is wanted.  *dir is malloc'ed. */
int attach_dir(struct cluster *cluster, const char *wanted, char **dir,
	       struct bigm_error *err);

/* Blocks.  Becomes the only one to use the cluster, as `bigm run --cluster`
 * does, until the call is freed; *token, malloc'ed, is for cluster_borrow().
 * NULL with *err set, BIGM_EEXIST when somebody else does. */
struct bigm_call *attach_use(struct cluster *cluster, char **token,
			     struct bigm_error *err);

#endif
