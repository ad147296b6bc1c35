/*
 * events: what a command waits for, in one place: the signals of its user,
 * and what its other threads tell.
 *
 * The main thread only ever waits here, so that Ctrl-C always gets through;
 * whatever blocks has a thread of its own and posts an event when it is done.
 */
#ifndef CMD_EVENTS_H
#define CMD_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "bigm.h"

struct events {
	int signals; /* signalfd */
	int pipe[2]; /* of struct event */
};

/* The kinds below zero are ours, the others the command's. */
enum { EVENT_SIGNAL = -3, EVENT_TIMEOUT = -2, EVENT_FD = -1 };

struct event {
	int kind;
	int value; /* EVENT_SIGNAL: which */
};

/* Blocks INT, TERM, HUP and QUIT, but those that are ignored (nohup), and
 * SIGPIPE, in this thread and in those that it makes from now on. */
int events_init(struct events *events, struct bigm_error *err);
void events_release(struct events *events);

/* Any thread. */
void events_post(struct events *events, int kind, int value);

/*
 * Waits for an event.  EVENT_FD tells that `fd` (-1: none) is readable,
 * EVENT_TIMEOUT that the time `until_ns` (loop_now_ns(); 0: never) has come.
 */
struct event events_next(struct events *events, int fd, uint64_t until_ns);

/* stdout, for events_next(), where it is a pipe: then EVENT_FD tells that its
 * reader has gone away, though nothing is written.  -1 where it is not. */
int events_stdout_fd(void);

#endif
