/*
 * member_private: what member.c (a machine's life) and member_image.c (what it
 * is sent) call of each other.
 */
#ifndef KEEPER_MEMBER_PRIVATE_H
#define KEEPER_MEMBER_PRIVATE_H

#include "keeper/member.h"

/* Sends it what its image is, where it was `before`.  An upload may take longer
 * than the first lease: it is kept alive meanwhile. */
void member_ship(struct member *m, const struct start_request *before);

/* The image that will serve is there, or about to be: calls wait for it.  A
 * Keepalive to the bare worker before it tells nothing. */
void member_greet(struct member *m);

/* It died, most likely; how is told by its process, which is waited for, and
 * then killed. */
void member_await_end(struct member *m);

#endif
