/*
 * arrival: a parcel that is unpacked while it comes.
 *
 * What other machines fetch from here has to lie in a file, and so it is read
 * from there, on a thread of its own, as far as it is good: when its last byte
 * has come there is hardly more to do.
 *
 *	arrival_begin()	 the writer of the parcel has begun
 *	arrival_end()	 the parcel is complete, or will not be
 *
 * What the machine's intake does not know is left to its writer.
 */
#ifndef SUPERVISOR_ARRIVAL_H
#define SUPERVISOR_ARRIVAL_H

#include "supervisor/binary.h"
#include "supervisor/parcel.h"

struct arrival;

/* For the parcel's writer, who ends it before he leaves.  NULL: there is no
 * intake, or no thread to be had. */
struct arrival *arrival_begin(struct binary_store *binaries,
			      struct parcel *parcel,
			      const struct parcel_order *order);

/* Waits until it is done; 1: it is the next program now; 0: it is none that is
 * unpacked, or arrival is NULL.  Frees it. */
int arrival_end(struct arrival *arrival, bool complete,
		struct bigm_error *err);

#endif
