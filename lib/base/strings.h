/*
 * strings: lists of strings that end with NULL, as argv and environ do.
 *
 * A list that is owned is malloc'ed, and so is each of its strings.  NULL is a
 * list of none.  Not thread-safe.
 */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

/* A list that is only read, whether its strings are const or not: anybody's
 * char ** will do, and any const char **. */
typedef union {
	char *const *ours;
	const char *const *theirs;
} strings_list __attribute__((transparent_union));

size_t strings_count(strings_list list);

bool strings_have(strings_list list, const char *string);

/* A copy that is owned; NULL of NULL. */
char **strings_copy(strings_list list);

/* Puts a malloc'ed string, which it takes over, behind the others of an owned
 * list; *list may be NULL.  For lists that are short: it counts them. */
void strings_add(char ***list, char *string);

/* Frees an owned list and its strings. */
void strings_free(char **list);

#endif
