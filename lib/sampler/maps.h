/*
 * maps: which files' code is where in this process.
 */
#ifndef SAMPLER_MAPS_H
#define SAMPLER_MAPS_H

#include "profile/profile.h"

struct map {
	uintptr_t start, limit;
	uint32_t mapping; /* of the profile */
};

struct maps {
	struct map *list; /* by address */
	size_t n, room;
};

/*
 * Adds the code of all objects that are loaded now to the profile, with their
 * build ids; program is the path of the program's own file, NULL: that of the
 * process.  Not in a signal's handler.  To be released.
 */
int maps_read(struct maps *maps, struct profile *profile, const char *program,
	      struct bigm_error *err);
void maps_release(struct maps *maps);

/* Where an address is; PROFILE_NONE: nowhere. */
uint32_t maps_find(const struct maps *maps, uintptr_t pc);

#endif
