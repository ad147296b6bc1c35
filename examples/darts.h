/*
 * darts: the mathematics of bigpi.  Throws darts at a square and counts those that hit
 * the circle inside.
 *
 * Darts come in numbered blocks, each with random generators of its own that are seeded
 * by the number, so a block has the same hits whoever throws it, wherever.
 */
#ifndef DARTS_H
#define DARTS_H

#include <stdint.h>

#define DARTS_BLOCK (UINT64_C(1) << 22) /* darts in a block */

typedef uint32_t lanes __attribute__((vector_size(32))); /* eight at a time */

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/*
 * Each lane is an sfc32 generator.  What it draws is a cell (x, y) of 2^16 by 2^16 on a
 * quarter of the square, a hit when the cell's middle is in the circle: with R = 2^16,
 * (x + 1/2)^2 + (y + 1/2)^2 < R^2, which is x (x + 1) + y (y + 1) < 2^32 in integers.
 * Integers only, so that all CPUs agree.  The grid itself puts π off by 5e-8.
 */
static inline __attribute__((always_inline)) uint64_t
throw_lanes(uint64_t seed, uint64_t block, uint64_t n)
{
	uint64_t state = seed, total = 0;
	lanes a, b, c, count = { 0 }, hit = { 0 }, hits = { 0 };

	state = splitmix(&state) ^ block;
	for (int i = 0; i < 8; i++) {
		a[i] = (uint32_t)splitmix(&state);
		b[i] = (uint32_t)splitmix(&state);
		c[i] = (uint32_t)splitmix(&state);
	}
	for (uint64_t i = 0; i < n; i += 8) {
		lanes r = a + b + (count += 1);
		lanes x = r >> 16, y = r & 0xffff;

		hit = (lanes)(x * (x + 1) <= ~(y * (y + 1))); /* -1 for a hit */
		hits -= hit;
		a = b ^ b >> 9;
		b = c + (c << 3);
		c = (c << 21 | c >> 11) + r;
	}
	for (int i = n % 8; i > 0 && i < 8; i++) /* the last draw's surplus */
		hits[i] += hit[i];
	for (int i = 0; i < 8; i++)
		total += hits[i];
	return total;
}

#ifdef __x86_64__
/* The same once more, for CPUs with AVX2: three times as fast. */
__attribute__((target("avx2"))) static uint64_t
throw_avx2(uint64_t seed, uint64_t block, uint64_t n)
{
	return throw_lanes(seed, block, n);
}
#endif

/* Throws the darts from `begin`, the first of a block, up to the block's last or to
 * `end`; returns how many hit. */
static uint64_t darts_throw(uint64_t seed, uint64_t begin, uint64_t end)
{
	uint64_t n = end - begin < DARTS_BLOCK ? end - begin : DARTS_BLOCK;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return throw_avx2(seed, begin / DARTS_BLOCK, n);
#endif
	return throw_lanes(seed, begin / DARTS_BLOCK, n);
}

#endif
