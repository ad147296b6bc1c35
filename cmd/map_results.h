/*
 * map_results: files that keep what each job of a map prints, where GNU parallel's
 * --results puts them.
 *
 *	NAME without placeholders	NAME/1/A/2/B/stdout, stderr and seq, for
 *					the inputs A and B
 *	with some, and a '/' at the end	NAME/stdout, stderr and seq
 *	with some			NAME, NAME.err and NAME.seq
 *
 * "seq" has the job's number.  A backslash, a tabulator and a slash in an input
 * are "\\", "\t" and "\_" in its folder's name, which is cut at 255 bytes; "." and
 * ".." get a backslash before them, so that no input leads out of NAME.
 */
#ifndef CMD_MAP_RESULTS_H
#define CMD_MAP_RESULTS_H

#include "map/result.h"

struct map_results;

/* NULL with *err set where that is not supported: NAME.csv and its kin. */
struct map_results *map_results_new(const char *name, struct bigm_error *err);
void map_results_free(struct map_results *results);

/* Makes the folders, and writes the files. */
int map_results_keep(struct map_results *results,
		     const struct map_result *result, struct bigm_error *err);

#endif
