/*
 * goods: what is sent to a machine by Supervisor.Fetch, and the caller's side of
 * that, for tests.
 */
#ifndef TEST_GOODS_H
#define TEST_GOODS_H

#include "supervisor/parcel.h"
#include "worker_fixture.h"

#define CHUNK (64u << 10)
#define CALL_MS 30000
#define STEP_MS 10

struct goods {
	uint8_t *bytes;
	struct parcel_order order;
};

/* This test's own program, or a toy for the fixture's intake. */
struct goods *goods_new(bool in_chunks);
struct goods *toy_new(bool in_chunks);
void goods_free(struct goods *g);

/* A call of Fetch, which has been sent the order. */
struct bigm_call *fetch(struct fixture *f, const struct parcel_order *o);
/* Until the machine says that it has so much. */
void await_have(struct bigm_call *c, uint64_t least);

/* Reads to the end, which has to be this, and frees the call. */
void assert_fetched(const struct goods *g, struct bigm_call *c);
void assert_fails(struct bigm_call *c, int code, bool retriable,
		  const char *word);

#endif
