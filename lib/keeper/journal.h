/*
 * journal: the file of what all machines print, and its readers.
 *
 * Lines (keeper/output.h) collect during a turn of the loop and are written
 * at once at its end; then the readers go on from where they are, each
 * reading the file by itself.  When the disk is full, lines are dropped, which the
 * log says; the machines go on.
 *
 * Loop thread only.
 */
#ifndef KEEPER_JOURNAL_H
#define KEEPER_JOURNAL_H

#include "base/buffer.h"
#include "keeper/output.h"
#include "loop/loop.h"

struct journal;

struct journal *journal_new(struct loop *loop, const char *path,
			    struct bigm_error *err);
/* Writes what there is; before loop_free(). */
void journal_free(struct journal *j);

/* Where output_split() puts lines; journal_touch() after it. */
struct buffer *journal_lines(struct journal *j);
void journal_touch(struct journal *j);

/* Writes what there is now. */
void journal_flush(struct journal *j);

/* Bytes in the file: always whole lines. */
uint64_t journal_size(const struct journal *j);

/* Reads up to len bytes at an offset; 0 at the end. */
size_t journal_read(const struct journal *j, uint64_t offset, void *buf,
		    size_t len);

/* fn runs after lines were written. */
void journal_on_written(struct journal *j, void (*fn)(void *data), void *data);

/* What a reader wants of it. */
struct journal_choice {
	char *const *machines; /* names; NULL: all */
	enum output_show show;
};
bool journal_selects(const struct journal_choice *choice,
		     const struct output_line *line);

/* The offset at which the last n of the lines chosen begin. */
uint64_t journal_find_last(const struct journal *j,
			   const struct journal_choice *choice, int64_t n);

#endif
