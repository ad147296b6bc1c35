/*
 * output: what the machines print, kept in one file, line by line.
 *
 * Each line is "NS MACHINE FLAG TEXT\n": wall-clock ns, "m0", or "m0/LABEL"
 * for a machine that has one, and '.' for a whole line or '+' for a piece that
 * goes on (a last line without newline, or one over 64 KiB).  Readers follow the file by themselves, each at its own
 * pace, so a slow one never holds a machine up.
 */
#ifndef KEEPER_OUTPUT_H
#define KEEPER_OUTPUT_H

#include "base/buffer.h"

/* A piece that goes on is so long; a shorter one is a log's last. */
#define OUTPUT_PIECE_MAX (64u << 10)
/* No line of the file is longer. */
#define OUTPUT_LINE_MAX (OUTPUT_PIECE_MAX + 96)
#define OUTPUT_LABEL_MAX 31

/* One machine's bytes on their way to lines. */
struct output_splitter {
	struct buffer partial;
	char machine[24 + 1 + OUTPUT_LABEL_MAX]; /* and label */
	char marker[64]; /* the log is over when this line comes */
	bool ended;
};

/* Letters, digits, '.', '_' and '-', up to OUTPUT_LABEL_MAX. */
bool output_is_label(const char *text);

/* label NULL: none. */
void output_splitter_init(struct output_splitter *s, const char *machine,
			  const char *label, const char *marker);
void output_splitter_release(struct output_splitter *s);
/* Appends to *lines what the bytes complete; len 0 ends: what is partial
 * comes out with '+'. */
void output_split(struct output_splitter *s, const void *bytes, size_t len,
		  struct buffer *lines);

struct output_line {
	uint64_t ns;
	char machine[24];
	char label[OUTPUT_LABEL_MAX + 1]; /* "": none */
	bool whole;
	const uint8_t *text;
	size_t len;
};
/* Parses the first line of bytes; returns its length with the newline, 0 when
 * incomplete, or BIGM_EPROTOCOL. */
ssize_t output_parse(const void *bytes, size_t len, struct output_line *line,
		     struct bigm_error *err);

#endif
