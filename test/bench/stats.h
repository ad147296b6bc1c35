/*
 * stats: what the bench programs share: a clock, percentiles, and the one
 * form in which a figure is printed, "NAME VALUE UNIT", which test/bench/run
 * gathers into its table.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double stats_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int stats_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts samples; the value below which the fraction p of them lies. */
static inline double stats_percentile(double *samples, size_t n, double p)
{
	qsort(samples, n, sizeof(*samples), stats_compare);
	return samples[(size_t)(p * (double)(n - 1))];
}

static inline void stats_print(const char *name, double value, const char *unit)
{
	printf("%s %.6g %s\n", name, value, unit);
	fflush(stdout);
}

#endif
