/*
 * cancel: the word that what blocks should end now.
 *
 * One flag for any number of threads that wait: for an HTTP answer, for the
 * next try, for a token.  It is set once and stays set.  The file descriptor
 * becomes readable with it and stays so, for whoever polls.
 */
#ifndef EC2_CANCEL_H
#define EC2_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bigm.h"

struct cancel;

/* NULL with an error where the system has no descriptor left. */
struct cancel *cancel_new(struct bigm_error *err);
/* No thread may wait for it any more.  NULL is fine. */
void cancel_free(struct cancel *c);

/* From any thread, any number of times, and from a signal handler. */
void cancel_set(struct cancel *c);
/* Of NULL: never. */
bool cancel_is_set(const struct cancel *c);

/* Readable once it is set; -1 for NULL.  Not to be read from. */
int cancel_fd(const struct cancel *c);

/* Waits for ms, or less when it is set meanwhile, and returns whether it is.
 * With NULL it just waits. */
bool cancel_sleep(const struct cancel *c, uint64_t ms);

/* Sets BIGM_ECANCELED with one text for all; returns it. */
int cancel_error(struct bigm_error *err);

#endif
