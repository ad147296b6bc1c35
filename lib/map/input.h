/*
 * input: what the jobs of a map are about, one after the other.
 *
 * From a file, as it comes, a line or a NUL-terminated piece for each job;
 * from lists, every combination, the last list changing fastest; or from
 * ranges of numbers.  Nothing is held but the present job's.
 */
#ifndef MAP_INPUT_H
#define MAP_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

struct map_input;

/* Lines of `fd`, which stays the caller's; `delimiter` ends each, but the last
 * one may lack it.  An empty line is an input. */
struct map_input *map_input_from_file(int fd, char delimiter);

/* Lists of words, ≥ 1; each of them, and all, NULL-terminated, and copied. */
struct map_input *map_input_from_lists(char **const *lists);

/* "1-1000", "0-90:10", "1,5,7-9".  NULL with *err set. */
struct map_input *map_input_from_ranges(const char *text,
					struct bigm_error *err);

void map_input_free(struct map_input *input);

/* Of a file: reads all of it, into a file without a name, so that it is known how
 * many jobs there will be.  Blocks. */
int map_input_spool(struct map_input *input, struct bigm_error *err);

/* How many jobs there will be; 0: not known. */
uint64_t map_input_total(const struct map_input *input);

/* How many inputs each job has. */
size_t map_input_width(const struct map_input *input);

/* Blocks.  1 and the next job's inputs (NULL-terminated, until the next call),
 * 0 after the last one or map_input_stop(), or a code. */
int map_input_next(struct map_input *input, const char *const **inputs,
		   struct bigm_error *err);

/* Any thread: a map_input_next() that blocks ends, and no other blocks. */
void map_input_stop(struct map_input *input);

#endif
