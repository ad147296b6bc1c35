/*
 * bigm_test.h: machines inside of one process, for unit tests of services.
 *
 * bigm_test_new() gives a handle on which all of bigm.h works, but whose
 * machines are threads of this process: there is no keeper process, no `bigm`
 * program, nothing to be cleaned up.  They are machines in all other respects:
 * bigm_start() registers services on them, calls travel through TLS and
 * HTTP/2 over 127.0.0.1, they are kept alive by leases, they dial one another.
 *
 *     struct bigm *b = bigm_test_new(types, NULL, &err);
 *     struct bigm_machine **m;
 *     int n = bigm_start(b, 3, services, NULL, &m, &err);
 *     bigm_test_wait(b, 3, -1, &err);
 *     bigm_test_kill(b, m[1], &err);
 *     bigm_call(m[1], …) fails, bigm_call(m[2], …) works
 *     free(m);
 *     bigm_free(b);
 *
 * What is different: a machine's services share memory, environment, working
 * folder and standard output with the test, so `env` of bigm_start() does
 * nothing; Supervisor.Exec and Supervisor.Setbinary fail as UNSUPPORTED;
 * settings and BIGM_* variables count for nothing.  A killed machine cannot
 * have its memory taken away: its methods see that they are canceled, and once
 * they have returned its services are released.  bigm_free() waits for that, at
 * most 10 seconds.
 *
 * Link with libbigm_test instead of libbigm: it has all of that as well.
 */
#ifndef BIGM_TEST_H
#define BIGM_TEST_H

#include <bigm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bigm_test_options {
	size_t size;   /* sizeof(struct bigm_test_options) */
	uint64_t seed; /* of the choice of machines to be killed */
	/* A machine is asked for a sign of life so often (0: 100 ms), and
	 * STOPPED when there has been none for so long (0: 10 s, so that a
	 * machine is not taken for dead on a host that is merely busy). */
	uint64_t keepalive_period_ms;
	uint64_t keepalive_timeout_ms;
};

/* A handle without machines, to be freed by bigm_free().  types as
 * for bigm_init(); options may be NULL.  NULL with *err set on failure. */
BIGM_API struct bigm *
bigm_test_new(const struct bigm_service_type *const *types,
	      const struct bigm_test_options *options, struct bigm_error *err);

/*
 * Waits until at least n machines are RUNNING, of all that were started.
 * Returns their number, or BIGM_EDEADLINE after timeout_ms (< 0: never).
 */
BIGM_API int bigm_test_wait(struct bigm *b, int n, int64_t timeout_ms,
			    struct bigm_error *err);

/*
 * Kills m, as the kernel kills a process; NULL: one of those that live, chosen
 * by the seed.  When it returns, the machine's connections are gone and nothing
 * that it still answers reaches anybody; a moment later it is STOPPED with
 * BIGM_EUNAVAILABLE (bigm_machine_wait() tells when).  Returns the machine that
 * was killed, or NULL with *err: BIGM_ENOTFOUND when it is not alive.
 */
BIGM_API struct bigm_machine *bigm_test_kill(struct bigm *b,
					     struct bigm_machine *m,
					     struct bigm_error *err);

/* As bigm_test_kill(), but as a network fails: nobody is told, and the machine
 * is STOPPED only when there has been no sign of life for keepalive_timeout_ms. */
BIGM_API struct bigm_machine *bigm_test_cut(struct bigm *b,
					    struct bigm_machine *m,
					    struct bigm_error *err);

/*
 * Announces that m's host will be taken back, or may (bigm_on_notice()), which
 * does nothing to the machine.  at_ns and text are taken from *notice, too;
 * its size must be set.  Returns 0 or BIGM_ENOTFOUND when m is not alive.
 */
BIGM_API int bigm_test_notice(struct bigm *b, struct bigm_machine *m,
			      const struct bigm_notice *notice,
			      struct bigm_error *err);

/*
 * Calls that fail on their way, by chance: each chance is from 0 to 1, their
 * sum at most 1.  Such a call fails with BIGM_EUNAVAILABLE and may be retried;
 * others on the same connection are left alone.
 */
struct bigm_test_faults {
	size_t size;	     /* sizeof(struct bigm_test_faults) */
	uint64_t seed;	     /* the same one makes the same calls fail */
	double drop_request; /* the method does not hear of the call */
	double drop_reply;   /* the method does its work, the caller does not
			      * hear of it (of a stream: not of its end) */
	double truncate;     /* the reply breaks off before its end */
};

/*
 * Whether a call fails depends on seed, machine, method, and on how many calls
 * of that method the machine has had since: on nothing else.  The keeper's
 * own calls are spared.  NULL: no faults from here on.
 */
BIGM_API int bigm_test_inject(struct bigm *b,
			      const struct bigm_test_faults *faults,
			      struct bigm_error *err);

/* How many faults there have been. */
BIGM_API uint64_t bigm_test_injected(struct bigm *b);

#ifdef __cplusplus
}
#endif

#endif /* BIGM_TEST_H */
