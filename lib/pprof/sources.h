/*
 * sources: the files in which a cluster's symbols are, of which the keeper
 * tells.
 *
 * They are the programs that its machines run, with their libraries; what runs
 * on this host, even if its file has been replaced since; and, for what is
 * found nowhere else, the files of the bundles that were shipped.
 */
#ifndef PPROF_SOURCES_H
#define PPROF_SOURCES_H

#include "machine/cluster.h"
#include "pprof/symbols.h"

/* Blocks.  Gives the locations of p, which is of that cluster, their functions
 * and lines.  What cannot be had is left out. */
void sources_apply(struct cluster *cluster, struct symbols *s,
		   struct profile *p);

#endif
