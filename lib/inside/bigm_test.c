#include "config.h"

#include "bigm_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/wait.h"
#include "inside/inside.h"
#include "machine/cluster.h"
#include "machine/handle.h"
#include "machine/keepalive.h"

#define PERIOD_MS 100
#define TIMEOUT_MS 10000

/* What a handle has that was made here. */
struct test {
	struct inside *inside;
	pthread_mutex_t lock; /* a machine's state changes, and it is noticed */
	pthread_cond_t changed;
};

static void test_free(void *data)
{
	struct test *t = data;

	inside_free(t->inside);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void on_machine(struct bigm_machine *m, void *data)
{
	struct test *t = data;

	pthread_mutex_lock(&t->lock);
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static struct test *test_of(struct bigm *b, const char *what,
			    struct bigm_error *err)
{
	struct test *t = handle_test(b);

	if (!t)
		bigm_error_set(err, BIGM_EINVALID,
			       "%s: the handle is none of bigm_test_new()",
			       what);
	return t;
}

/* ------------------------------------------------------------------ */
/* The handle                                                          */

static int check_size(const char *what, size_t size, size_t ours,
		      struct bigm_error *err)
{
	if (size >= sizeof(size_t) && size <= ours)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: size is %zu, it must be that of the "
			      "structure, %zu", what, size, ours);
}

static int read_options(const struct bigm_test_options *from,
			struct inside_options *to, struct bigm_error *err)
{
	static const struct keepalive defaults = {
		.period_ms = PERIOD_MS,
		.timeout_ms = TIMEOUT_MS,
		.lease_ms = KEEPALIVE_LEAST_MS,
		.first_ms = KEEPALIVE_FIRST_MS,
	};
	struct bigm_test_options o = { .size = sizeof(o) };

	if (from && check_size("bigm_test_new", from->size, sizeof(o), err) < 0)
		return BIGM_EINVALID;
	if (from)
		memcpy(&o, from, from->size);
	to->seed = o.seed;
	to->keepalive.period_ms = o.keepalive_period_ms;
	to->keepalive.timeout_ms = o.keepalive_timeout_ms;
	keepalive_fill(&to->keepalive, &defaults);
	/* A machine that is not heard of outlives its keeper's patience. */
	to->keepalive.call_ms = to->keepalive.timeout_ms;
	to->keepalive.lease_ms += 2 * (to->keepalive.period_ms +
				       to->keepalive.timeout_ms);
	return keepalive_check(&to->keepalive, err);
}

struct bigm *bigm_test_new(const struct bigm_service_type *const *types,
			   const struct bigm_test_options *options,
			   struct bigm_error *err)
{
	struct bigm_error local = BIGM_ERROR_INIT;
	struct inside_options inside = { .types = types };
	struct test *t;
	struct bigm *b;
	int fd;

	err = err ? err : &local;
	if (read_options(options, &inside, err) < 0)
		return NULL;
	/* That the keeper comes and goes is no news to a test. */
	log_set_level(LOG_LEVEL_WARN);
	t = xcalloc(1, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	wait_cond_init(&t->changed);
	t->inside = inside_new(&inside, &fd, err);
	if (!t->inside) {
		free(t);
		return NULL;
	}
	b = handle_new_test(types, fd, test_free, t, err);
	if (b)
		cluster_on_machine(handle_cluster(b), on_machine, t);
	return b;
}

/* ------------------------------------------------------------------ */
/* Waiting                                                             */

static int count_running(struct bigm *b)
{
	struct bigm_machine **machines;
	size_t n = cluster_machines(handle_cluster(b), &machines);
	int running = 0;

	for (size_t i = 0; i < n; i++)
		running += bigm_machine_state(machines[i]) == BIGM_RUNNING;
	free(machines);
	return running;
}

int bigm_test_wait(struct bigm *b, int n, int64_t timeout_ms,
		   struct bigm_error *err)
{
	struct test *t = test_of(b, "bigm_test_wait", err);
	int64_t deadline = wait_deadline(timeout_ms);
	int running;

	if (!t)
		return BIGM_EINVALID;
	if (handle_on_loop_thread(b))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "waiting for machines on the I/O thread "
				      "would block it");
	pthread_mutex_lock(&t->lock);
	while ((running = count_running(b)) < n)
		if (wait_cond(&t->changed, &t->lock, deadline) != 0)
			break;
	pthread_mutex_unlock(&t->lock);
	if (running >= n)
		return running;
	return bigm_error_set(err, BIGM_EDEADLINE,
			      "%d of %d machines run after %lld ms", running,
			      n, (long long)timeout_ms);
}

/* ------------------------------------------------------------------ */
/* What goes wrong                                                     */

static struct bigm_machine *end(struct bigm *b, struct bigm_machine *m,
				enum inside_end how, const char *what,
				struct bigm_error *err)
{
	struct test *t = test_of(b, what, err);
	const char *which = m ? bigm_machine_name(m) : NULL;
	struct bigm_machine *known;
	char name[24];

	if (!t)
		return NULL;
	/* One that was dialled has its address for a name. */
	known = m ? cluster_machine(handle_cluster(b), which, err) : NULL;
	if (m && !known)
		return NULL;
	if (inside_end(t->inside, known ? bigm_machine_name(known) : NULL, how,
		       name, err) < 0)
		return NULL;
	return cluster_machine(handle_cluster(b), name, err);
}

struct bigm_machine *bigm_test_kill(struct bigm *b, struct bigm_machine *m,
				    struct bigm_error *err)
{
	return end(b, m, INSIDE_KILL, "bigm_test_kill", err);
}

struct bigm_machine *bigm_test_cut(struct bigm *b, struct bigm_machine *m,
				   struct bigm_error *err)
{
	return end(b, m, INSIDE_CUT, "bigm_test_cut", err);
}

int bigm_test_notice(struct bigm *b, struct bigm_machine *m,
		     const struct bigm_notice *notice, struct bigm_error *err)
{
	struct test *t = test_of(b, "bigm_test_notice", err);
	struct bigm_notice n = { .size = sizeof(n) };

	if (!t || check_size("bigm_test_notice", notice->size, sizeof(n),
			     err) < 0)
		return BIGM_EINVALID;
	memcpy(&n, notice, notice->size);
	n.size = sizeof(n);
	return inside_notice(t->inside, bigm_machine_name(m), &n, err);
}

int bigm_test_inject(struct bigm *b, const struct bigm_test_faults *faults,
		     struct bigm_error *err)
{
	struct test *t = test_of(b, "bigm_test_inject", err);
	struct bigm_test_faults f = { .size = sizeof(f) };

	if (!t)
		return BIGM_EINVALID;
	if (faults && check_size("bigm_test_inject", faults->size, sizeof(f),
				 err) < 0)
		return BIGM_EINVALID;
	if (faults)
		memcpy(&f, faults, faults->size);
	const struct faults_chances chances = { f.drop_request, f.drop_reply,
						f.truncate };
	return faults_set(inside_faults(t->inside), f.seed, &chances, err);
}

uint64_t bigm_test_injected(struct bigm *b)
{
	struct test *t = test_of(b, "bigm_test_injected", NULL);

	return t ? faults_made(inside_faults(t->inside)) : 0;
}
