/*
 * flow: the bytes of one stream on their way between the I/O thread and the
 * thread of a caller or method.
 *
 * A bounded ring with one side on the I/O thread, which never blocks, and one
 * on a user's thread, which may.  It ends in good order (the reader gets what
 * is left, then 0) or breaks (the reader gets what is left, then the error;
 * the writer gets the error at once).  The first end counts.
 *
 * A ring that has been read empty is written from its beginning again: one that is
 * read as it is written takes little memory, and that is in the cache.
 *
 * Writers and readers each are one at a time; users that share a side lock
 * flow->user.
 */
#ifndef RPC_FLOW_H
#define RPC_FLOW_H

#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "bigm.h"
#include "loop/loop.h"
#include "rpc/bell.h"

#define FLOW_AGAIN (-1000) /* nothing now */

/* What the user's side asks of the I/O thread. */
enum flow_ask {
	FLOW_SEND,   /* there is something to send, after there was nothing */
	FLOW_CREDIT, /* used_up has grown by a good step */
};

struct flow_user {
	void (*ask)(void *owner, enum flow_ask what); /* any thread */
	void *owner;
	struct loop *loop; /* on its thread nothing blocks */
	const char *name;  /* of the method, for errors */
};

enum flow_end { FLOW_OPEN, FLOW_ENDED, FLOW_BROKEN };

struct flow {
	uint8_t *ring;	/* of size bytes; made by the first write */
	size_t size;	/* a power of two */
	_Atomic size_t head; /* bytes written, ever */
	_Atomic size_t tail; /* bytes read, ever */
	_Atomic size_t base; /* what of these is the ring's first byte */
	_Atomic int end;     /* enum flow_end */
	_Atomic bool dropped; /* what is left is not to be read any more */
	_Atomic bool starved; /* the I/O thread found nothing to send */
	_Atomic size_t want; /* bytes that the reader waits for; 0, 1: any */
	size_t lent;	     /* bytes of the last flow_lend() */
	struct bigm_error why; /* once BROKEN */
	_Atomic size_t used_up; /* bytes read and not yet credited */
	struct flow_user is;
	pthread_mutex_t ending; /* guards the step out of OPEN */
	pthread_mutex_t user;
	struct bell bell; /* rung by the I/O thread's side */
	struct bell_spin spin;
};

struct flow *flow_new(size_t size, const struct flow_user *user);
/* NULL is none. */
void flow_free(struct flow *flow);

/* Bytes held, and room left. */
size_t flow_held(struct flow *flow);
size_t flow_room(struct flow *flow);

/* Ends the stream in good order, or breaks it; wakes both sides. */
void flow_end(struct flow *flow);
void flow_break(struct flow *flow, const struct bigm_error *why);
/* As flow_break(), but the reader does not get what is left. */
void flow_drop(struct flow *flow, const struct bigm_error *why);
bool flow_is_open(struct flow *flow);

/* Takes what fits; returns the bytes taken, or the error once the stream is
 * over (BIGM_EINVALID after a good end). */
ssize_t flow_write(struct flow *flow, const void *data, size_t len,
		   struct bigm_error *err);
/* Returns bytes, 0 at the end, FLOW_AGAIN, or the error. */
ssize_t flow_read(struct flow *flow, void *data, size_t len,
		  struct bigm_error *err);

/* For the I/O thread as the writer: it has written; wakes the reader if that is
 * as much as he waits for. */
void flow_written(struct flow *flow);

/* For the I/O thread as the reader: true when there is nothing, noted so that
 * the writer's next flow_feeds() says true, once: then it tells the I/O
 * thread. */
bool flow_starves(struct flow *flow);
bool flow_feeds(struct flow *flow);

/* The reader's side without a copy: the longest run of bytes that lie
 * together, to be given back by flow_skip(). */
const uint8_t *flow_peek(struct flow *flow, size_t *len);
void flow_skip(struct flow *flow, size_t len);

/* Blocks the user's side until there is something to read (room to write), or
 * the end.  Returns false when deadline_ns (0: none) came first. */
bool flow_wait_readable(struct flow *flow, uint64_t deadline_ns);
bool flow_wait_writable(struct flow *flow, uint64_t deadline_ns);

/*
 * The user's side.  take and put do not block (FLOW_AGAIN; fewer bytes than
 * len); read blocks until there are some bytes, write until all are taken, or
 * the end; on the I/O thread they return BIGM_EDEADLOCK instead of blocking.
 */
ssize_t flow_take(struct flow *flow, void *data, size_t len,
		  struct bigm_error *err);
ssize_t flow_put(struct flow *flow, const void *data, size_t len,
		 struct bigm_error *err);
ssize_t flow_take_wait(struct flow *flow, void *data, size_t len,
		       struct bigm_error *err);
int flow_put_all(struct flow *flow, const void *data, size_t len,
		 struct bigm_error *err);
/* put, of a buffer, which loses what is taken: 1 when that is all, else as put. */
int flow_put_buffer(struct flow *flow, struct buffer *bytes,
		    struct bigm_error *err);
/*
 * As read, but what is read stays where it is, in *bytes, until the next call,
 * and the reader sleeps until `want` bytes are there: for patience_ms at most,
 * then any will do.  Returns no more than that, and fewer where they do not lie
 * together.  want: up to FLOW_WANT_MOST, for the writer has no credit for the
 * whole ring.  One reader.
 */
#define FLOW_WANT_MOST (256u << 10)
ssize_t flow_lend(struct flow *flow, const void **bytes, size_t want,
		  uint64_t patience_ms, struct bigm_error *err);

#endif
