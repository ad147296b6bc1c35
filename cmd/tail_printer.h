/*
 * tail_printer: writes machines' output to stdout, line by line.
 *
 * Bare, the bytes of the machines come out as they were written.  What else
 * stands before a line does so once a line, however many pieces the line
 * comes in: of machines whose lines are prefixed, one that is not complete is
 * held back, so that no other's gets in between.  Only one that is longer
 * than TAIL_LONGEST may be broken by another's.
 *
 * As JSON, a piece is an object:
 *	{"machine": "m0", "label": "…" (if it has one),
 *	 "time": "2026-11-21T22:10:37.123456Z",
 *	 "text": "…", "partial": false}
 * with "base64" instead of "text" for what is no UTF-8 or has a NUL; "partial"
 * says that there was no line break behind it.
 *
 * What machines printed that failed to come up one after another
 * (keeper/boots.h) goes to stderr.
 */
#ifndef CMD_TAIL_PRINTER_H
#define CMD_TAIL_PRINTER_H

#include "base/buffer.h"
#include "keeper/output.h"

#define TAIL_LONGEST (1u << 20)

struct tail_style {
	bool prefix;	 /* "m0: ", or "m0/LABEL: " */
	bool timestamps; /* RFC 3339, UTC, microseconds; before the name */
	bool json;
};

/* What is held back of one machine. */
struct tail_source {
	char machine[24];
	char label[OUTPUT_LABEL_MAX + 1];
	uint64_t ns; /* when its line began */
	struct buffer held;
};

struct tail_printer {
	struct tail_style style;
	struct tail_source *sources;
	size_t nsources;
	char open[24]; /* whose line the output ends in, unfinished; or "" */
	struct buffer out;
	int errnum; /* of stdout; once it is set, nothing more is written */
};

void tail_printer_init(struct tail_printer *p, const struct tail_style *style);
void tail_printer_release(struct tail_printer *p);

/* These fit cluster_tail(); data is the tail_printer.  BIGM_EIO when stdout
 * does not take it.  They block while it takes nothing. */
int tail_printer_line(const struct output_line *line, void *data);
int tail_printer_flush(void *data);

/* There is no more: writes what is held back. */
void tail_printer_end(struct tail_printer *p);

#endif
