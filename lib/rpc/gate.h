/*
 * gate: bounds how many peers may be on a server's doorstep, accepted but not
 * yet known, so that strangers who never finish their handshake cost a bounded
 * amount of memory and descriptors.
 *
 * While it is full the others wait in the kernel's backlog: a thousand peers
 * who all dial at once are served in turn.  One who has stood there for long
 * while others wait is sent away, the oldest first; strangers cannot keep the
 * cluster out.
 *
 * I/O thread only.
 */
#ifndef RPC_GATE_H
#define RPC_GATE_H

#include <sys/queue.h>

#include "loop/loop.h"

/* A peer on the doorstep; embedded in its owner. */
struct guest {
	bool here;
	uint64_t since_ns;
	TAILQ_ENTRY(guest) link;
};

struct gate {
	struct loop *loop;
	unsigned max;
	uint64_t patience_ms;
	/* There is room again for one who had to wait. */
	void (*open)(struct gate *gate);
	/* The guest is to go, and leaves soon after. */
	void (*expel)(struct guest *guest);
	unsigned n;
	bool awaited; /* somebody waits outside */
	struct loop_timer timer;
	TAILQ_HEAD(, guest) guests; /* the oldest first */
};

void gate_init(struct gate *gate, struct loop *loop, unsigned max,
	       uint64_t patience_ms, void (*open)(struct gate *gate),
	       void (*expel)(struct guest *guest));
/* Before the loop goes; the guests may still be here. */
void gate_release(struct gate *gate);

/* True when there is room; else open() is called once there is. */
bool gate_has_room(struct gate *gate);
void gate_enter(struct gate *gate, struct guest *guest);
/* It is known now, or gone; nothing happens when it was not here. */
void gate_leave(struct gate *gate, struct guest *guest);

#endif
