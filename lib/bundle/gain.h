/*
 * gain: whether compressing is worth its CPU, found out by a sample.
 *
 * The sample is compressed, and it is seen how much smaller it gets, and how
 * much CPU that takes.  What follows depends on where the whole goes:
 *
 *	over a link that is known	the time that compressing takes is held
 *					against the time that it saves there
 *	who knows where			only the size counts, so that the same
 *					input makes the same bundle
 *
 * Less than a tenth is never worth taking apart again.
 */
#ifndef BUNDLE_GAIN_H
#define BUNDLE_GAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With much fewer bytes it is the making ready that is measured. */
#define GAIN_SAMPLE (256u << 10)

/* Bytes a second of a link. */
#define GAIN_ANY 0 /* not known */
/* 100 Mbit/s, as a driver's uplink may have.  Too low a figure costs 5 ns a
 * byte, which compressing takes; too high a one seconds, on a slow link. */
#define GAIN_NETWORK 12500000u
#define GAIN_THIS_HOST 1000000000u /* loopback with TLS: test/bench/README.md */

struct gain {
	uint64_t before, after; /* bytes */
	uint64_t cpu_ns;
};

/* Compresses the sample; any thread. */
void gain_measure(struct gain *gain, const void *sample, size_t len);

/* Whether what has been measured is worth it on such a link. */
bool gain_is_worth(const struct gain *gain, uint64_t link);

#endif
