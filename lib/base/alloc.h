/*
 * alloc: small allocations that cannot fail.
 *
 * When memory for a few bytes is gone there is nothing sensible left to do:
 * these end the process with one line, and with status 125; not as a crash, since
 * a core file would hold keys.  Whatever a peer can size goes through
 * a struct buffer with a hard limit instead, and returns an error.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n)
	__attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* What the above do when memory is gone; also for libraries' NULL. */
void alloc_failed(void) __attribute__((noreturn));

/* Cleanup attributes for straight-line code. */
void cleanup_free(void *p);	/* char ** and friends */
void cleanup_close(int *fd);	/* when ≥ 0 */
void cleanup_fclose(void *file); /* FILE ** */
#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
#define AUTO_FCLOSE __attribute__((cleanup(cleanup_fclose)))

#endif
