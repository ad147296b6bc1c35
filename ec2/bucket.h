/*
 * bucket: tokens that allow calls, so many at once, so many a second.
 *
 * EC2 has one for each account, region and kind of action, and refuses what
 * comes without a token.  To ask no faster than that spares both sides the
 * refusals.  Thread-safe.
 */
#ifndef EC2_BUCKET_H
#define EC2_BUCKET_H

#include <stdint.h>

struct bucket;

/* Full at first. */
struct bucket *bucket_new(double capacity, double per_second);
void bucket_free(struct bucket *b);

/* Takes a token, and returns in how many ms it will be there: 0 is at once.
 * Whoever comes later waits longer.  now_ns: loop_now_ns(). */
uint64_t bucket_take(struct bucket *b, uint64_t now_ns);

/* The other side said that there was none: others use it as well.  What is
 * left counts for nothing. */
void bucket_drain(struct bucket *b, uint64_t now_ns);

#endif
