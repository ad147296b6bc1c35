/*
 * pprof_pages: the profiles of a cluster, for browsers and `go tool pprof`.
 *
 *	/debug/bigmachine/pprof/		what there is, of all and of each
 *	/debug/bigmachine/pprof/profile?seconds=30
 *	…/heap, …/mutex, …/block, …/threads	gzipped profile.proto, merged
 *
 * with, in the query, machine=ADDR (or name, or index): of one machine;
 * debug=1 or 2: text; format=flamegraph, top or collapsed; type=inuse_space.
 */
#ifndef KEEPER_PPROF_PAGES_H
#define KEEPER_PPROF_PAGES_H

#include "debug/pages.h"

#define PPROF_PAGES "/debug/bigmachine/pprof/"

/* Their data is the keeper. */
extern const struct debug_route pprof_routes[];

#endif
