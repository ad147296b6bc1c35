/*
 * framed_call: a caller of a method that speaks in frames (base/frame.h), as
 * Supervisor.Run and Supervisor.Map do, and what it has been told.
 */
#ifndef TEST_UNIT_FRAMED_CALL_H
#define TEST_UNIT_FRAMED_CALL_H

#include "base/frame.h"
#include "worker_fixture.h"

struct framed_call {
	struct bigm_call *call;
	const char *kinds;	/* of frames, either way */
	/* A frame other than 'o' and 'e' has come. */
	void (*take)(struct framed_call *f, char kind, const uint8_t *data,
		     size_t len);
	struct buffer in;	/* frames not yet taken apart */
	struct buffer out, err; /* what 'o' and 'e' brought */
	bool over;		/* set by take: nothing may follow */
	struct bigm_error error;
};

/* Starts the call; kinds and take are set. */
void framed_call_start(struct framed_call *f, struct fixture *fixture,
		       const char *method, uint64_t timeout_ms);

/* The call may be over; its end says so. */
void framed_call_send(struct framed_call *f, char kind, const void *data,
		      size_t len);

/* Reads once; false at the end, whatever it is. */
bool framed_call_read(struct framed_call *f);

/* To the end; its code. */
int framed_call_wait(struct framed_call *f);

void framed_call_release(struct framed_call *f);

#endif
