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

/* Blocks until the cluster's machines are known.  `which` is an index, a name,
 * an address, or "all".  *machines is malloc'ed; the machines are the
 * cluster's.  Returns their number (≥ 1) or a code. */
int attach_machines(struct attachment *a, const char *which,
		    struct bigm_machine ***machines, struct bigm_error *err);

#endif
