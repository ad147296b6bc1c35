/*
 * input: our standard input, for one who reads it or for several.
 */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

#include <poll.h>
#include <stdbool.h>

#include "bigm.h"

/* As poll() without a limit.  But the last, when it is a terminal of which we
 * are in the background, is not waited for, since reading it would stop us: then
 * this returns after a while, and is to be called again. */
int input_poll(struct pollfd *fds, nfds_t n);

/*
 * A copy of standard input for each of several readers.
 *
 * Each gets all of it, as fast as the slowest takes it; who has closed its end
 * is not waited for.
 */
struct input_copies;

/* readers[n] are the ends to read from, the caller's to close.  failed is called
 * in a thread, when standard input cannot be read.  NULL with *err set. */
struct input_copies *input_copies_start(int *readers, int n,
					void (*failed)(void *data, int errnum),
					void *data, struct bigm_error *err);

/* Ends it wherever it is; false, and nothing is freed, when it hangs in a read,
 * having lost a race for the bytes with another process.  NULL is fine. */
bool input_copies_free(struct input_copies *copies);

#endif
