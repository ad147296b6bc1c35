/*
 * merge: one profile of several, of machines that ran at the same time.
 *
 * What is the same binary adds up, wherever it was loaded: mappings are the
 * same when they have the same build id (without one, the same file name), the
 * same offset and the same number of pages; the addresses become those of the
 * first.  Every sample gets the label "machine", with the name of its
 * machine, so that `go tool pprof -tagfocus` can tell them apart; those of one
 * machine add up where its profiles follow each other.
 *
 * Types are matched by name, whatever their order; units of time and of bytes
 * are converted to those of the first.  The merged profile begins with the
 * first and is as long as the longest: the time of eight processors that were
 * busy all the while is then 800 % of its duration.  Its period is the
 * longest.
 */
#ifndef PROFILE_MERGE_H
#define PROFILE_MERGE_H

#include "profile/profile.h"

#define MERGE_LABEL "machine"

/* Adds all of `from` to `to`, which was empty (profile_new()) before the first.
 * machine: NULL for no label.  A code when types or units do not fit, `to` is
 * unchanged then, or when a limit is reached, and it has a part. */
int profile_merge(struct profile *to, const struct profile *from,
		  const char *machine, struct bigm_error *err);

/* Says in the profile, as a comment, that a machine is missing in it. */
void profile_merge_missing(struct profile *to, const char *machine,
			   const char *why);

#endif
