/*
 * read: a client that reads a file of a machine's host, by Keeper.ReadFile.
 *
 * Loop thread only.
 */
#ifndef KEEPER_READ_H
#define KEEPER_READ_H

#include "keeper/request.h"
#include "rpc/server.h"

struct keeper;

/* Defers the request, and answers it once the system has the file. */
void read_start(struct keeper *k, struct bigm_request *req,
		const struct read_request *what);

#endif
