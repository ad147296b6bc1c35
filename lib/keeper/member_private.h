/*
 * member_private: what member.c (a machine's life), member_image.c (what it is
 * sent), member_end.c (how its end is put), member_leave.c (how it leaves),
 * member_facts.c and member_events.c (what is told of it) call of each other.
 */
#ifndef KEEPER_MEMBER_PRIVATE_H
#define KEEPER_MEMBER_PRIVATE_H

#include "keeper/member.h"

/* member_events.c: what has just happened, told to the keeper's event_log. */
void member_tell_start(const struct member *m);
void member_tell_phase(const struct member *m);
void member_tell_running(const struct member *m);
void member_tell_alive(const struct member *m);
void member_tell_silent(const struct member *m, uint64_t silent_ns,
			const struct bigm_error *why);
void member_tell_health(const struct member *m, const cJSON *reply);
void member_tell_notice(const struct member *m);
void member_tell_use(const struct member *m);
void member_tell_ship(struct member *m);
/* Before the ship is freed; why NULL: it came through. */
void member_tell_shipped(const struct member *m, const struct bigm_error *why);
void member_tell_stopped(const struct member *m);

/* Where a machine does not come up, what it has said last tells most; unless
 * that is what is known already. */
void member_quote(const struct member *m, struct bigm_error *why);

/* The machine's end, as its system tells it, put so that its cause can be
 * guessed. */
void member_explain(const struct member *m, const struct bigm_error *how,
		    struct bigm_error *why);

/* It is STOPPED, or is to be freed: nothing of its leaving is waited for. */
void member_leave_over(struct member *m);

/* Sends it what its image is, where it was `before`.  An upload may take longer
 * than the first lease: it is kept alive meanwhile. */
void member_ship(struct member *m, const struct start_request *before);

/* The image that will serve is there, or about to be: calls wait for it.  A
 * Keepalive to the bare worker before it tells nothing. */
void member_greet(struct member *m);

/* It died, most likely; how is told by its process, which is waited for a while;
 * where it lives, the machine fails for why. */
void member_await_end(struct member *m, const struct bigm_error *why);

#endif
