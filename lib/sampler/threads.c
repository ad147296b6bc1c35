#include "config.h"

#include "sampler/threads.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "sampler/lock.h"
#include "sampler/signals.h"
#include "sampler/unwind.h"

#define ROOM 256 /* threads that are asked at a time */
#define WAIT_MS 1000
#define STEP_NS 200000

enum answer_state { ANSWER_AWAITED, ANSWER_BEGUN, ANSWER_DONE, ANSWER_OVER };

struct answer {
	_Atomic uint32_t state; /* round << 2 | enum answer_state */
	pid_t tid;
	size_t depth;
	uintptr_t pcs[UNWIND_DEPTH];
};

/* A handler has no other way to its state. */
static struct {
	struct lock lock; /* one asks at a time */
	_Atomic(struct answer *) answers; /* ROOM of them, which stay */
	uint32_t round; /* so that who comes too late finds nothing */
} threads;

/* A token is the round and the answer's number. */
#define TOKEN(round, i) ((round) << 8 | (uint32_t)(i))
#define STATE(round, state) ((round) << 2 | (uint32_t)(state))

void threads_sample(const void *context, uint32_t token)
{
	struct answer *a = atomic_load(&threads.answers);
	uint32_t round = token >> 8, awaited = STATE(round, ANSWER_AWAITED);

	if (!a)
		return;
	a += token % ROOM;
	if (!atomic_compare_exchange_strong(&a->state, &awaited,
					    STATE(round, ANSWER_BEGUN)))
		return;
	a->depth = unwind_interrupted(context, a->pcs, UNWIND_DEPTH);
	atomic_store(&a->state, STATE(round, ANSWER_DONE));
}

static int make_room(struct bigm_error *err)
{
	void *p;

	if (atomic_load(&threads.answers))
		return 0;
	p = mmap(NULL, ROOM * sizeof(struct answer), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return error_set_errno(err, errno, "memory for stacks");
	atomic_store(&threads.answers, p);
	return 0;
}

/* Ends the waiting for one answer, unless its thread is just at it.  Returns
 * whether it is over. */
static bool give_up(struct answer *a)
{
	uint32_t awaited = STATE(threads.round, ANSWER_AWAITED);

	return atomic_compare_exchange_strong(
		       &a->state, &awaited, STATE(threads.round, ANSWER_OVER)) ||
	       awaited != STATE(threads.round, ANSWER_BEGUN);
}

static bool is_open(const struct answer *a)
{
	uint32_t state = atomic_load(&a->state) & 3;

	return state == ANSWER_AWAITED || state == ANSWER_BEGUN;
}

static void await(struct answer *answers, size_t n)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	uint64_t waited_ns = 0;

	for (size_t i = 0; i < n;) {
		if (!is_open(&answers[i]) ||
		    (waited_ns > WAIT_MS * NS_PER_MS && give_up(&answers[i]))) {
			i++;
			continue;
		}
		nanosleep(&step, NULL);
		waited_ns += STEP_NS;
	}
}

/* Those that are gone get the thread 0. */
static void ask(struct answer *answers, const pid_t *tids, size_t n)
{
	/* 24 bits of it fit into a token. */
	threads.round = (threads.round + 1) & 0xffffff;
	for (size_t i = 0; i < n; i++) {
		struct answer *a = &answers[i];
		int rc;

		a->tid = tids[i];
		a->depth = 0;
		atomic_store(&a->state, STATE(threads.round, ANSWER_AWAITED));
		rc = signals_send(tids[i], TOKEN(threads.round, i));
		if (rc != 0)
			atomic_store(&a->state,
				     STATE(threads.round, ANSWER_OVER));
		if (rc == ESRCH)
			a->tid = 0;
	}
}

static int tell(const struct answer *answers, size_t n, thread_fn *each,
		void *data, struct bigm_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct answer *a = &answers[i];
		struct thread_stack stack = {
			.tid = a->tid,
			.pcs = a->pcs,
		};

		if ((atomic_load(&a->state) & 3) == ANSWER_DONE)
			stack.depth = a->depth;
		task_name(a->tid, stack.name);
		/* It may have ended before it could answer. */
		if (a->tid != 0 && (stack.depth > 0 || *stack.name))
			rc = each(&stack, data, err);
	}
	return rc;
}

static int ask_all(const pid_t *tids, size_t n, thread_fn *each, void *data,
		   struct bigm_error *err)
{
	int rc = signals_begin(err);

	lock_take(&threads.lock);
	if (rc == 0)
		rc = make_room(err);
	for (size_t done = 0; rc == 0 && done < n; done += ROOM) {
		struct answer *answers = atomic_load(&threads.answers);
		size_t some = n - done < ROOM ? n - done : ROOM;

		ask(answers, tids + done, some);
		await(answers, some);
		rc = tell(answers, some, each, data, err);
	}
	lock_give(&threads.lock);
	return rc;
}

int threads_each(thread_fn *each, void *data, struct bigm_error *err)
{
	struct tasks tasks = { 0 };
	int rc;

	if (tasks_list(&tasks) < 0)
		return error_set_errno(err, errno, "the list of threads");
	rc = ask_all(tasks.ids, tasks.n, each, data, err);
	tasks_release(&tasks);
	return rc;
}
