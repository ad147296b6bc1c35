/*
 * screen: a terminal of which a command takes the whole screen for a while, and
 * its keyboard, and which it leaves as it was.
 *
 * While it has the terminal, what was there is put aside (the alternate
 * screen), the cursor is hidden, and keys come at once and unechoed; the keys
 * that make signals still do.  Ctrl-Z gives the terminal back and stops the
 * process; when that goes on, it takes the terminal again, as it is by then.
 * In the background nothing is drawn and nothing read.  Signals that end a
 * process are the command's (cmd/events.h), which calls screen_release() before
 * it goes.
 *
 * Main thread only; a process has one.
 */
#ifndef CMD_SCREEN_H
#define CMD_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "bigm.h"

struct screen {
	int fd;	       /* for poll(): readable when there is something to take */
	int signals;   /* signalfd */
	bool taken;    /* the terminal is ours */
	bool keyboard; /* and stdin is one */
	struct termios before; /* of stdin */
	char keys[16]; /* typed, and not yet understood */
	size_t nkeys;
};

/* What the user did.  Values from 1 to 127 are what he typed, in ASCII. */
enum screen_key {
	SCREEN_NOTHING = 0,
	SCREEN_REDRAW = 256, /* the size is another, or the terminal ours again */
	SCREEN_UP,
	SCREEN_DOWN,
	SCREEN_LEFT,
	SCREEN_RIGHT,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
};

/* Whether stdout is a terminal that can be drawn on. */
bool screen_is_there(void);

/* Blocks SIGWINCH, SIGTSTP and SIGCONT in this thread and in those that it makes
 * from now on, and takes the terminal. */
int screen_init(struct screen *screen, struct bigm_error *err);
/* Gives it back. */
void screen_release(struct screen *screen);

/* Something of what the user did; SCREEN_NOTHING when there is no more to take,
 * until fd is readable again.  Does not block, but where Ctrl-Z stops the process. */
int screen_take(struct screen *screen);

/* Columns and rows, 0 where the terminal does not know them. */
void screen_size(size_t *columns, size_t *rows);

/* Draws the text from the top, cut where the screen ends, and the last line,
 * unless NULL, in the last row.  Lines have to be short enough. */
void screen_draw(struct screen *screen, const char *text, const char *last);

#endif
