/*
 * source: where an argument's bytes come from: the word itself, the file in
 * "@FILE", or standard input for "-".
 */
#ifndef CMD_SOURCE_H
#define CMD_SOURCE_H

#include "base/buffer.h"

struct source {
	const char *name; /* for errors: "the argument", the file's, … */
	const char *text; /* what is left of a word; NULL: read fd */
	int fd;
};

/* Opens what `word` names.  To be released, also after an error. */
int source_open(struct source *source, const char *word,
		struct bigm_error *err);
void source_release(struct source *source);

/* Up to len bytes; 0 at the end; a code when it cannot be read. */
ssize_t source_read(struct source *source, void *buf, size_t len,
		    struct bigm_error *err);

/* All of it; goes over the buffer's limit with an error that names it. */
int source_read_all(struct source *source, struct buffer *all,
		    struct bigm_error *err);

#endif
