/*
 * machine_fixture: a machine as its driver sees it, and a server that stands
 * for it, for the tests of machines and of calls to them.
 *
 * The service "T" has Echo; Hang, which returns when it is canceled; and
 * Fail, which does so `failures` times, as {"retriable": true} says, and then
 * replies how often it was called.
 */
#ifndef TEST_MACHINE_FIXTURE_H
#define TEST_MACHINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/machine.h"
#include "rpc_pair.h"

struct fixture {
	struct pair *pair;
	struct bigm_machine *m; /* "m0", UNSTARTED */
	struct bigm_error err;
	atomic_bool hanging; /* a call of Hang is at work */
	atomic_int calls;    /* of Fail */
	int failures;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* The machine comes to a state, as the keeper tells it. */
bool fixture_come(struct fixture *f, enum bigm_state to);
/* It stops; code 0: as asked for. */
void fixture_stop(struct fixture *f, int code, const char *text);
/* A call to the machine, RUNNING from now on, which is at work. */
struct bigm_call *fixture_hang(struct fixture *f);

#endif
