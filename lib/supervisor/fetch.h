/*
 * fetch: the methods by which what is shipped reaches a machine, and goes on
 * from it to others.
 *
 * The unit is a parcel (supervisor/parcel.h): a program, or the part of a
 * bundle with what the machine lacks of it.
 *
 *	Has	  {"digests": ["sha256:…"…]} → {"lacks": [NUMBER…]}: which of
 *		  these files the machine has not, see supervisor/store.h
 *	Fetch	  stream in: one line, the order (parcel.h); then, unless it
 *		  names a peer, the parcel's bytes from its offset on.  Stream
 *		  out: lines of JSON, {"have": BYTES, "got": BYTES} now and
 *		  then (got counts those of a chunk that is not complete), and
 *		  at the end {"digest", "size"}, when it is the next program,
 *		  as after Setbinary.  An error that is retriable, and FAILED or
 *		  PROTOCOL, is the source's: it broke off, or lies
 *	GetBinary {"digest", "offset"} → stream out: the parcel's bytes from
 *		  there on, as they come in; null → the running program's
 *
 * So machines form chains.  The keeper sends a parcel to one, and tells each
 * other one of whom to fetch it; a chunk goes on as soon as its digest has been
 * checked, while the next one comes in:
 *
 *	keeper ──▶ m0 ──▶ m1 ──▶ m2 ──▶ …
 *
 * Each link carries each byte once, and all of them at the same time: the last
 * of n machines has a parcel of S bytes after (S + n × chunk) / rate instead of
 * n × S / rate.  A chain of thousands would be too long; then each machine has
 * several that fetch from it (keeper/broadcast.h, which also finds another
 * peer for who is held up).  A parcel only grows at its end, so that whoever
 * changes to another peer asks that one for the rest.
 *
 * A peer is dialled as the keeper named it, by address and name, and both ends
 * check certificates.  What it sends is believed chunk by chunk, by digests
 * that came from the keeper.
 *
 * On workers' threads.
 */
#ifndef SUPERVISOR_FETCH_H
#define SUPERVISOR_FETCH_H

#include "base/json.h"
#include "bigm.h"

/* Methods of the Supervisor, whose state is a struct worker. */
int fetch_has(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err);
int fetch_parcel(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err);
int fetch_get_binary(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err);

#endif
