/*
 * progress: tells a person, on stderr, how far the machines are while they
 * come up.
 *
 *	LIVE	on a terminal that is ours to draw on: a table that is drawn
 *		anew in its place ten times a second (progress_view.h), and
 *		leaves one line behind
 *	LINES	everywhere else: a line for each machine that has come up, once
 *		it is worth it
 *	QUIET	nothing
 *
 * While something is shipped to them, it is told how many bytes are there, how
 * fast they come, and how many machines have it all.
 *
 * Nothing is shown of machines that come up at once.  After 0.3 s the table is
 * drawn; lines begin at once with -v, after 2 s on a terminal that cannot be
 * drawn on (TERM=dumb) or that a program of the user's writes to, and after
 * 10 s elsewhere: a script that starts processes of this host never sees any.
 *
 * A thread of its own does all writing, since a terminal may take its time.
 * It also clears the table when the process is stopped (Ctrl-Z), and draws
 * none in the background, where the terminal belongs to somebody else.
 */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "bigm.h"

struct progress;

struct progress_options {
	const char *title;  /* "bigm start"; stays the caller's */
	size_t expected;    /* so many machines will come; 0: not known */
	bool quiet;	    /* show nothing */
	bool verbose;	    /* show lines, and from the first on */
	bool shared;	    /* a program of the user's writes to the terminal */
};

/*
 * NULL when nothing is to be shown; all functions below take that.  Blocks
 * SIGTSTP and SIGCONT in this thread, and in those that it makes from now on,
 * where it will handle them.
 */
struct progress *progress_new(const struct progress_options *options,
			      struct bigm_error *err);

/* Loop thread.  News of a machine; does not block. */
void progress_machine(struct progress *progress,
		      const struct bigm_machine *machine);

/* Any thread.  Writes whole lines to stderr where the table would be drawn. */
void progress_write(struct progress *progress, const char *lines, size_t len);

/*
 * Any thread.  Nothing is shown after this returns, and the table is gone; if
 * there was any, and all that is awaited has come (`ready`), one line says how
 * long it took.  Blocks, a second at most, while the terminal does not take
 * it.  The first call counts.
 */
void progress_end(struct progress *progress, bool ready);

/* False when the thread still hangs in a write: then all is left as it is,
 * for the process to end with it. */
bool progress_free(struct progress *progress);

#endif
