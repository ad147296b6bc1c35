/*
 * signing: what a machine and its keeper say to each other when the machine
 * gets its certificate, whichever way: over the socket that a local machine is
 * born with (boot.h), or by the methods of a machine that only waits for it
 * (bootstrap.h).
 *
 *	machine → keeper  {"request": "PEM signing request", "version": "0.1.0",
 *			   "wire": 1}
 *	keeper → machine  {"certificate": PEM, "authority": PEM, "name": "m0",
 *			   "cluster": ID, "procs": 1, "dir": "…",
 *			   "lease_ms": 120000, "address": "https://…/",
 *			   "marker": "…", "no_http": true}
 *
 * `procs`, `dir`, `address` and `marker` may be missing; so is `no_http` where
 * the machine is to show pages of its own (pages.h).  Any thread.
 */
#ifndef SUPERVISOR_SIGNING_H
#define SUPERVISOR_SIGNING_H

#include "supervisor/boot.h"

/* What a machine is told of itself; no string may be NULL. */
struct signing_facts {
	const char *name, *cluster, *address, *dir, *marker;
	int procs;
	uint64_t lease_ms;
	bool no_http;
};

/* The machine's: the request for its key.  NULL with *err set. */
cJSON *signing_request(const struct identity *id, struct bigm_error *err);

/* The keeper's: *request points into json.  BIGM_EPROTOCOL for what is none,
 * or of a libbigm that speaks another version than we. */
int signing_check_request(const cJSON *json, const char **request,
			  struct bigm_error *err);

/* The keeper's. */
cJSON *signing_answer(const struct signing_facts *facts,
		      const char *certificate, const char *authority);

/*
 * The machine's: takes the answer for boot->identity's key.  What is malformed
 * is refused, as is a certificate for another key, by another authority than
 * it says, for another name, or out of date.  After an error boot is good for
 * boot_free() alone.
 */
int signing_take_answer(struct boot *boot, const cJSON *json,
			struct bigm_error *err);

/* Parts of it, for what an old image leaves to the next: all but the identity;
 * and the identity, which comes with its "key" where boot has none yet. */
int signing_take_plain(struct boot *boot, const cJSON *json,
		       struct bigm_error *err);
int signing_take_identity(struct boot *boot, const cJSON *json,
			  struct bigm_error *err);

/* Adds "key", "certificate" and "authority"; what has a key is freed by the
 * second, which wipes it. */
int signing_add_identity(cJSON *json, const struct identity *id,
			 struct bigm_error *err);
void signing_free(cJSON *json);

#endif
