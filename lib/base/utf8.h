/*
 * utf8: whether bytes that somebody printed are text, for outputs that have to
 * be (JSON).  By iconv(3), which is no thing for static programs.  Any thread.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 without a NUL. */
bool utf8_is_text(const void *bytes, size_t len);

/* Bytes that are no UTF-8 become question marks, as many. */
void utf8_make_text(char *bytes, size_t len);

#endif
