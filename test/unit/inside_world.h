/*
 * inside_world: machines inside of this process (bigm_test.h), for tests.
 *
 * They serve "Counter": Next counts from "from" on, Now replies {"count", …},
 * Hold returns when it is canceled, Stream writes "some bytes", and Relay asks
 * a peer, {"address", "method"}, for the reply of another method.
 */
#ifndef TEST_INSIDE_WORLD_H
#define TEST_INSIDE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "bigm_test.h"

#define WAIT_MS 60000

extern atomic_int made, released; /* counters, of all machines */
extern atomic_int held;		  /* methods in Hold */

extern const struct bigm_service_type *const inside_types[];
extern const struct bigm_service inside_services[]; /* it counts from 10 */

struct world {
	struct bigm *b;
	struct bigm_machine **m;
	struct bigm_error err;
};

/* r has to be no code of an error; else w->err is told. */
void check(struct world *w, int r);

/* n machines that run; and that all of their services are released. */
void begin(struct world *w, int n, const struct bigm_test_options *options);
void finish(struct world *w);

/* Counter.Next of a machine, which has to succeed. */
int64_t call_next(struct world *w, struct bigm_machine *m);

#endif
