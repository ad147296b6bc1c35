/* Merges the profiles of many machines, as `bigm pprof` does: decoded, merged, and encoded again. Prints `NAME VALUE UNIT`. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "profile/merge.h"

#define MACHINES 64
#define STACKS 10000
#define DEPTH 24
#define FUNCTIONS 3000

/* The same binary at another address on each; half of the stacks are of one
 * machine alone. */
static void make(unsigned machine, struct buffer *out)
{
	AUTO_PROFILE struct profile *p = profile_new();
	uint64_t start = 0x550000000000 + (uint64_t)machine * 0x10000000;
	struct profile_mapping text = {
		.start = start,
		.limit = start + 0x800000,
		.filename = profile_string(p, "/bin/program"),
		.build_id = profile_string(p, "0123456789abcdef"),
	};
	uint32_t m = profile_add_mapping(p, &text), stack[DEPTH];

	profile_add_type(p, "samples", "count", NULL);
	profile_add_type(p, "cpu", "nanoseconds", NULL);
	for (unsigned i = 0; i < STACKS; i++) {
		unsigned seed = i % 2 ? i : i * MACHINES + machine;

		for (unsigned k = 0; k < DEPTH; k++) {
			seed = seed * 1103515245 + 12345;
			stack[k] = profile_add_location(
				p, m, start + (seed >> 8) % FUNCTIONS * 64,
				NULL, 0);
		}
		profile_add_sample(p, stack, DEPTH,
				   (int64_t[]){ 1, 10000000 }, NULL, 0, NULL);
	}
	if (profile_encode(p, out, NULL) < 0)
		abort();
}

/* Of processor time: there is one thread, and the host may be busy. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(void)
{
	AUTO_PROFILE struct profile *merged = profile_new();
	struct profile *decoded[MACHINES];
	struct buffer in[MACHINES], out = BUFFER_INIT(PROFILE_MAX_ENCODED);
	double begin, first;
	char name[16];

	for (unsigned i = 0; i < MACHINES; i++) {
		buffer_init(&in[i], PROFILE_MAX_ENCODED);
		make(i, &in[i]);
	}
	begin = first = now_ms();
	for (unsigned i = 0; i < MACHINES; i++)
		decoded[i] = profile_decode(buffer_data(&in[i]), in[i].len,
					    NULL);
	printf("profile_decode_64 %.0f ms\n", now_ms() - begin);
	begin = now_ms();
	for (unsigned i = 0; i < MACHINES; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		if (!decoded[i] ||
		    profile_merge(merged, decoded[i], name, NULL) < 0)
			abort();
		profile_free(decoded[i]);
		buffer_release(&in[i]);
	}
	printf("profile_merge_64 %.0f ms\n", now_ms() - begin);
	begin = now_ms();
	if (profile_encode(merged, &out, NULL) < 0)
		abort();
	printf("profile_encode_64 %.0f ms\n", now_ms() - begin);
	printf("profiles_64 %.0f ms\n", now_ms() - first);
	printf("profile_merged_size %zu bytes\n", out.len);
	buffer_release(&out);
	return 0;
}
