/*
 * text: one line for people, from anything; and words for shells.
 *
 * Messages carry names, paths and words that came from peers; what reaches a
 * terminal or a log is one line without control characters.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#define TEXT_MAX 4096 /* no line is longer, NUL and all */

/* Control characters (C0, DEL, and C1 in UTF-8) become spaces. */
void text_clean(char *s);

/* Formats into buf[size] (size ≥ 8) and cleans it.  What does not fit is cut,
 * between characters, and ends in "…".  buf may be among the arguments. */
void text_vformat(char *buf, size_t size, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void text_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A word as a POSIX shell would have it written, between single quotes where
 * it needs them.  malloc'ed. */
char *text_shell_word(const char *word);

#endif
