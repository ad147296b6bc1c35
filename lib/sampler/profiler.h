/*
 * profiler: takes profiles of the process that it is in.
 *
 * It is in a library of its own, libbigm-profile.so, in two ways:
 *
 *   preloaded   The keeper starts machines with it (keeper/preload.h), and
 *		 bundles have it along (bundle/make.h).  Then it stands before
 *		 the C library for malloc() and its kin, for locks and for
 *		 waits: heap, mutex and block are sampled from the beginning.
 *   loaded      when somebody asks for a profile, where it could not be
 *		 preloaded: cpu and threads.
 *
 * It is an archive as well.  A program that is linked with libbigm.a has
 * libbigm_profile.a in it, and so cpu and threads, when it is not preloaded.  One
 * that is wholly static can load nothing; it has libbigm_profile_static.a
 * (libbigm_static.pc), which stands before the C library's lock, and so mutex.
 *
 * A program that is never profiled thus loads neither libdeflate nor protobuf-c,
 * which are in that library, and pays for what it samples only: see HACKING.md.
 */
#ifndef SAMPLER_PROFILER_H
#define SAMPLER_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "bigm.h"

#define PROFILER_LIBRARY "libbigm-profile.so"
#define PROFILER_SYMBOL "bigm_profiler"

#define PROFILER_HZ 100	     /* of a CPU profile, unless said otherwise */
#define PROFILER_HZ_MOST 1000 /* the kernel's ticks may be fewer */
#define PROFILER_KINDS 5

/* How many there are of what: for Supervisor.Profiles. */
struct profiler_count {
	const char *name; /* "heap" */
	uint64_t count;	  /* different stacks, or threads */
};

struct profiler_order {
	const char *program; /* the program's file; NULL: /proc/self/exe */
	int debug;	     /* 0: profile.proto; 1 and 2: text */
	/* Of a CPU profile. */
	uint64_t duration_ns;
	unsigned hz;
	bool (*stop)(void *data); /* looked at often; true: nobody waits */
	void *data;
};

struct profiler {
	const char *version; /* bigm_version() of what it was built with */

	/* Blocks for the duration, and takes samples of all threads meanwhile.
	 * One at a time: another one fails as retriable. */
	int (*cpu)(const struct profiler_order *order, struct buffer *out,
		   struct bigm_error *err);
	/* "heap", "mutex", "block" since the process began; "threads" now.
	 * BIGM_ENOTFOUND for another name, BIGM_EUNSUPPORTED for what cannot be
	 * seen in this process. */
	int (*take)(const char *name, const struct profiler_order *order,
		    struct buffer *out, struct bigm_error *err);
	/* What take() can give; returns how many. */
	size_t (*list)(struct profiler_count counts[PROFILER_KINDS]);
	/* Ends a CPU profile and all signals of it, before signals are reset
	 * for an exec. */
	void (*halt)(void);
};

/*
 * The profiler of this process, which is loaded when it is not there.  NULL
 * with BIGM_EUNSUPPORTED where there is none, or one of another version.  Any
 * thread.
 */
const struct profiler *profiler_find(struct bigm_error *err);

/* The same, unless it would have to be loaded; NULL then. */
const struct profiler *profiler_loaded(void);

#endif
