/*
 * halt: when a map gives up, or has enough.
 *
 * WHEN,WHY=HOW-MANY, as GNU parallel's --halt: "soon" starts no more jobs,
 * "now" ends those that run, too; after so many that "fail", are a "success",
 * or are "done"; with a "%", such a share of all jobs that there are.
 */
#ifndef MAP_HALT_H
#define MAP_HALT_H

#include <stdbool.h>
#include <stdint.h>

#include "bigm.h"

enum halt_when { HALT_NEVER, HALT_SOON, HALT_NOW };
enum halt_why { HALT_FAIL, HALT_SUCCESS, HALT_DONE };

/* Zeroes: never. */
struct halt {
	enum halt_when when;
	enum halt_why why;
	uint64_t n;   /* so many, or so many per cent */
	bool percent;
};

/* "now,fail=1", "soon,success=3", "now,fail=10%", "never"; and as older versions
 * of GNU parallel have it: 0, 1, 2, -1, -2, 10%. */
int halt_parse(struct halt *halt, const char *text, struct bigm_error *err);

/* What is to be done when so many of all, have ended that way; total counts with
 * a share only. */
enum halt_when halt_check(const struct halt *halt, uint64_t succeeded,
			  uint64_t failed, uint64_t total);

#endif
