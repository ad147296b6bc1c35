/*
 * output: what the machines print, kept in one file, line by line.
 *
 * Each line is "NS MACHINE FLAG TEXT\n": wall-clock ns; "m0", or "m0/LABEL"
 * for a machine that has one; and what it is:
 *
 *	.	a whole line
 *	+	a piece that goes on (a last line without newline, or one over
 *		64 KiB)
 *	: -	the same of boot output: what it printed before it began to
 *		serve, which is shown to nobody who has not asked for it
 *	!	a line of boot output again, after so many machines in a row
 *		have failed to come up (keeper/boots.h)
 *	?	the same of a line that was shown at once
 *
 * Readers follow the file by themselves, each at its own
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

enum output_kind {
	OUTPUT_PLAIN,
	OUTPUT_BOOT,
	OUTPUT_FAILED,	    /* of a failed boot, and was not shown */
	OUTPUT_FAILED_SEEN, /* and was */
};

/* One machine's bytes on their way to lines: BOOT until the machine says that
 * it begins to serve ("MARKER begins N\n", supervisor/boot.h), then PLAIN. */
struct output_splitter {
	struct buffer partial;
	char machine[24 + 1 + OUTPUT_LABEL_MAX]; /* and label */
	char marker[64]; /* the log is over when this line comes */
	enum output_kind kind;
	uint64_t begins; /* the least N that ends the boot; 1 */
	bool attentive;	 /* keeps what is printed, as far as it fits: */
	struct buffer said;
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

/* The machine runs, whatever it has said of it: what it prints is PLAIN, and
 * not kept any more. */
void output_booted(struct output_splitter *s);

/* The last line kept that is not empty, as printable text and cut to size; ""
 * when there is none. */
void output_last_words(const struct output_splitter *s, char *text,
		       size_t size);

/* Appends to *lines all that is kept, as FAILED; and keeps it no longer. */
void output_repeat(struct output_splitter *s, struct buffer *lines);

struct output_line {
	uint64_t ns;
	char machine[24];
	char label[OUTPUT_LABEL_MAX + 1]; /* "": none */
	enum output_kind kind;
	bool whole;
	const uint8_t *text;
	size_t len;
};
/* Parses the first line of bytes; returns its length with the newline, 0 when
 * incomplete, or BIGM_EPROTOCOL. */
ssize_t output_parse(const void *bytes, size_t len, struct output_line *line,
		     struct bigm_error *err);

/* What a reader is shown. */
enum output_show {
	OUTPUT_SHOW_USUAL,   /* PLAIN and FAILED */
	OUTPUT_SHOW_ALL,     /* PLAIN and BOOT */
	OUTPUT_SHOW_FAILURE, /* FAILED, SEEN or not */
};

bool output_is_shown(enum output_kind kind, enum output_show show);

/* As Keeper.Tail names them. */
const char *output_show_name(enum output_show show);
int output_show_parse(const char *name, enum output_show *show,
		      struct bigm_error *err);

#endif
