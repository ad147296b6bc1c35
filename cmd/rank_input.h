/*
 * rank_input: standard input and signals on their way to a rank.
 */
#ifndef CMD_RANK_INPUT_H
#define CMD_RANK_INPUT_H

#include "cmd/rank.h"

/* The order has been sent over rank->call, which is kept from here on, as
 * is what it reads.  NULL with *err set. */
struct rank_input *rank_input_start(struct rank *rank, struct bigm_error *err);

/* Of a rank without one of these: nobody will read what it was to. */
void rank_input_close(struct rank *rank);

/* Any thread; does not block.  Signal 0 is the end. */
void rank_input_signal(struct rank_input *input, int signal);

/* Any thread; does not block: the terminal's size has changed. */
void rank_input_resize(struct rank_input *input);

/* Any thread: the machine has taken so many bytes of what it was sent;
 * BIGM_EPROTOCOL when it cannot have. */
int rank_input_grant(struct rank_input *input, size_t bytes,
		     struct bigm_error *err);

/* After the end: frees it and its call; false, and nothing is freed, when it
 * has not ended in time. */
bool rank_input_free(struct rank_input *input);

#endif
