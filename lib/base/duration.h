/*
 * duration: spans of time as people write them: "90", "1.5s", "2m", "250ms".
 */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include "bigm.h"

/* Milliseconds of a number with ms, s, m, h or d behind it; a bare one is
 * seconds.  BIGM_EINVALID for what is no time, or none at all. */
int duration_parse(const char *text, uint64_t *ms, struct bigm_error *err);

#define DURATION_TEXT 32

/* The shortest text that says the same, in the largest unit that divides it:
 * "2m", "90s".  Returns buf. */
char *duration_text(uint64_t ms, char buf[DURATION_TEXT]);

#endif
