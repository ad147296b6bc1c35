/*
 * yaml_out: YAML, written with libyaml as a walk through lists and maps.
 *
 * Between yaml_out_begin() and yaml_out_finish() maps and lists are opened and
 * closed; in a map each value follows yaml_key().  Texts are always quoted, or
 * literal blocks where they have several lines, so that none is taken for a
 * number or a switch.  After the first failure nothing happens any more, and
 * yaml_out_finish() returns it.
 */
#ifndef CLOUDCONFIG_YAML_OUT_H
#define CLOUDCONFIG_YAML_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "base/buffer.h"

struct yaml_out {
	yaml_emitter_t emitter;
	struct buffer *out;
	struct bigm_error why; /* code 0: none yet */
};

/* out must live until the end. */
void yaml_out_begin(struct yaml_out *y, struct buffer *out);
/* Ends the document and releases y; call it exactly once. */
int yaml_out_finish(struct yaml_out *y, struct bigm_error *err);

void yaml_map(struct yaml_out *y);
void yaml_end_map(struct yaml_out *y);
void yaml_list(struct yaml_out *y);
void yaml_end_list(struct yaml_out *y);
void yaml_key(struct yaml_out *y, const char *name);
void yaml_bytes(struct yaml_out *y, const void *text, size_t len);
void yaml_text(struct yaml_out *y, const char *text);
/* A word that needs no quotes: true, default. */
void yaml_word(struct yaml_out *y, const char *word);

/* A key and its value; nothing at all for NULL. */
void yaml_pair(struct yaml_out *y, const char *name, const char *text);
/* A key with true; nothing at all for false. */
void yaml_flag(struct yaml_out *y, const char *name, bool on);
/* A list of texts in one line, NULL-terminated. */
void yaml_words(struct yaml_out *y, const char *const *words);
/* The same, of the one and then the other list. */
void yaml_more_words(struct yaml_out *y, const char *const *words,
		     const char *const *more);

#endif
