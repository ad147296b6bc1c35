/*
 * pages: the debug pages of a keeper.
 *
 * The tables of routes are put together in pages_init().  Their handlers run on
 * the HTTP server's threads, with the keeper as data, of which they touch
 * nothing but by an errand (debug/errand.h) on its loop.  bigm-debug(7) says what
 * each page shows.
 *
 * Loop thread, or before the loop runs.
 */
#ifndef KEEPER_PAGES_H
#define KEEPER_PAGES_H

#include "debug/pages.h"

struct keeper;

/* k->pages, of any keeper. */
void pages_init(struct keeper *k);

/* Shows them by HTTP, as k->options says.  When nobody asked for a certain
 * address, a failure is only logged. */
int pages_serve(struct keeper *k, struct bigm_error *err);

/* Ends handlers and surveys, first of all; k->pages stay, for a Keeper.Page that
 * is still at work. */
void pages_end(struct keeper *k);

#endif
