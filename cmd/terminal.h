/*
 * terminal: ours, lent to a program on a machine that has one of its own there.
 *
 * While it is lent, what is typed is not looked at here, and what comes is not
 * changed: the other terminal does both.
 */
#ifndef CMD_TERMINAL_H
#define CMD_TERMINAL_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "bigm.h"

struct terminal {
	pthread_mutex_t lock;
	struct termios own; /* as it was */
	bool lent;
	int fd; /* readable when the size has changed */
};

/* Standard input and output have to be one.  Blocks SIGWINCH in this thread and
 * in those that it makes from now on. */
int terminal_init(struct terminal *terminal, struct bigm_error *err);
/* It is what it was. */
void terminal_release(struct terminal *terminal);

/* Any thread; one that is lent, or back, stays so. */
void terminal_lend(struct terminal *terminal);
void terminal_take_back(struct terminal *terminal);

/* fd was readable. */
void terminal_take_event(struct terminal *terminal);

/* {"rows": R, "columns": C} of standard output; the caller's. */
struct cJSON *terminal_size(void);

/* Whether fd is a terminal that controls us, and that another job has now: to
 * read it would stop us, and to write it would disturb that one. */
bool terminal_in_background(int fd);

#endif
