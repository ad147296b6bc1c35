/*
 * room: how the lists of a profile grow.  For profile.c and samples.c.
 */
#ifndef PROFILE_ROOM_H
#define PROFILE_ROOM_H

#include "profile/profile.h"

/* The places of profile.room, which is how many each list has room for. */
enum profile_room {
	ROOM_STRINGS,
	ROOM_MAPPINGS,
	ROOM_FUNCTIONS,
	ROOM_LOCATIONS,
	ROOM_LINES,
	ROOM_SAMPLES,
	ROOM_LABELS,
	ROOM_STACKS,
	ROOM_VALUES,
	ROOM_COMMENTS,
	ROOM_TYPES,
	ROOM_ALIKE,
	ROOMS,
};

/* Makes room for n more of a list, which is at *list, that has `used`; false
 * when that would be more than limit, or memory is gone. */
bool profile_room(struct profile *p, enum profile_room which, void *list,
		  size_t size, uint32_t used, size_t n, uint32_t limit);

#define ROOM(p, which, list, used, n, limit)                                 \
	profile_room(p, which, &(p)->list, sizeof(*(p)->list), (p)->used, n, \
		     limit)

#endif
