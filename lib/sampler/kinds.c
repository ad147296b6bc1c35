#include "config.h"

#include "sampler/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "sampler/cpu.h"
#include "sampler/heap.h"
#include "sampler/maps.h"
#include "sampler/threads.h"
#include "sampler/unwind.h"
#include "sampler/waits.h"

struct type {
	const char *type, *unit;
};

/* A profile at work. */
struct filling {
	struct profile *profile;
	struct maps maps;
	size_t n; /* values of a sample */
	bool tids; /* threads have theirs */
	int rc;
	struct bigm_error *err;
};

static int begin(struct filling *f, const struct profiler_order *order,
		 const struct type *types, const struct type *period)
{
	struct profile *p = f->profile;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	p->time = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	for (; types[f->n].type; f->n++)
		if (profile_add_type(p, types[f->n].type, types[f->n].unit,
				     f->err) < 0)
			return f->err->code;
	p->period_type.type = profile_string(p, period->type);
	p->period_type.unit = profile_string(p, period->unit);
	return maps_read(&f->maps, p, order->program, f->err);
}

static int add_sample(struct filling *f, const uintptr_t *pcs, size_t depth,
		      const int64_t *values, const struct profile_label *labels,
		      size_t n_labels)
{
	uint32_t stack[UNWIND_DEPTH];

	for (size_t i = 0; i < depth; i++)
		stack[i] = profile_add_location(f->profile,
						maps_find(&f->maps, pcs[i]),
						pcs[i], NULL, 0);
	return profile_add_sample(f->profile, stack, depth, values, labels,
				  n_labels, f->err);
}

static bool add_stack(const struct stack *stack,
		      const double values[STACKS_VALUES], void *data)
{
	struct filling *f = data;
	int64_t whole[STACKS_VALUES];

	/* Differences of sums may be off by their last bits. */
	for (size_t i = 0; i < f->n; i++)
		whole[i] = values[i] > 0 ? (int64_t)(values[i] + 0.5) : 0;
	f->rc = add_sample(f, stack->pcs, stack->depth, whole, NULL, 0);
	return f->rc == 0;
}

static int add_stacks(struct filling *f, struct stacks *stacks)
{
	if (!stacks_each(stacks, add_stack, f) && f->rc == 0)
		f->rc = bigm_error_set(f->err, BIGM_EEXHAUSTED,
				       "no memory for the profile");
	return f->rc;
}

/* ------------------------------------------------------------------ */
/* CPU                                                                 */

static int add_loss(struct filling *f, uint64_t n, const char *what)
{
	AUTO_FREE char *text = xasprintf("%" PRIu64 " %s", n, what);

	return n == 0 ? 0 : profile_add_comment(f->profile, text, f->err);
}

int kinds_cpu(struct profile *profile, const struct profiler_order *order,
	      struct bigm_error *err)
{
	static const struct type types[] = {
		{ "samples", "count" }, { "cpu", "nanoseconds" }, { 0 },
	};
	struct filling f = { .profile = profile, .err = err };
	struct cpu_result result;
	int rc = cpu_profile(order, &result, err);

	if (rc == 0)
		rc = begin(&f, order, types, &types[1]);
	if (rc == 0) {
		profile->duration = (int64_t)result.duration_ns;
		profile->time -= profile->duration;
		profile->period = (int64_t)result.period_ns;
		rc = add_stacks(&f, &result.stacks);
	}
	if (rc == 0)
		rc = add_loss(&f, result.lost, "samples were lost: the process "
			      "gave the profiler no time to take them");
	if (rc == 0)
		rc = add_loss(&f, result.untimed, "threads had no timer: "
			      "RLIMIT_SIGPENDING is reached");
	maps_release(&f.maps);
	stacks_release(&result.stacks);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Since the process began                                             */

static int fill_from(struct profile *profile,
		     const struct profiler_order *order,
		     const struct type *types, const struct type *period,
		     struct stacks *stacks, struct bigm_error *err)
{
	struct filling f = { .profile = profile, .err = err };
	int rc = begin(&f, order, types, period);

	if (rc == 0)
		rc = add_stacks(&f, stacks);
	maps_release(&f.maps);
	return rc;
}

static int fill_heap(struct profile *profile,
		     const struct profiler_order *order,
		     struct bigm_error *err)
{
	static const struct type types[] = {
		{ "alloc_objects", "count" }, { "alloc_space", "bytes" },
		{ "inuse_objects", "count" }, { "inuse_space", "bytes" }, { 0 },
	}, period = { "space", "bytes" };

	profile->period = MINE_HEAP_BYTES;
	profile->default_type = profile_string(profile, "inuse_space");
	return fill_from(profile, order, types, &period, heap_stacks(), err);
}

static int fill_waits(struct profile *profile,
		      const struct profiler_order *order, struct stacks *stacks,
		      struct bigm_error *err)
{
	static const struct type types[] = {
		{ "contentions", "count" }, { "delay", "nanoseconds" }, { 0 },
	};

	profile->period = 1;
	return fill_from(profile, order, types, &types[0], stacks, err);
}

static int fill_mutex(struct profile *profile,
		      const struct profiler_order *order,
		      struct bigm_error *err)
{
	return fill_waits(profile, order, waits_mutex(), err);
}

static int fill_block(struct profile *profile,
		      const struct profiler_order *order,
		      struct bigm_error *err)
{
	return fill_waits(profile, order, waits_block(), err);
}

static uint64_t count_stacks(struct stacks *stacks)
{
	uint64_t n;

	lock_take(&stacks->lock);
	n = stacks->count;
	lock_give(&stacks->lock);
	return n;
}

static uint64_t count_heap(void)
{
	return count_stacks(heap_stacks());
}

static uint64_t count_mutex(void)
{
	return count_stacks(waits_mutex());
}

static uint64_t count_block(void)
{
	return count_stacks(waits_block());
}

/* ------------------------------------------------------------------ */
/* Threads                                                             */

static int add_thread(const struct thread_stack *stack, void *data,
		      struct bigm_error *err)
{
	struct filling *f = data;
	struct profile *p = f->profile;
	struct profile_label labels[3] = {
		{ .key = profile_string(p, "thread"),
		  .text = profile_string(p, stack->name) },
	};
	int64_t one = 1;
	size_t n = 1;

	if (f->tids)
		labels[n++] = (struct profile_label){
			.key = profile_string(p, "tid"),
			.number = stack->tid,
		};
	if (stack->depth == 0)
		labels[n++] = (struct profile_label){
			.key = profile_string(p, "state"),
			.text = profile_string(p, "blocks SIGPROF"),
		};
	return add_sample(f, stack->pcs, stack->depth, &one, labels, n);
}

static int fill_threads(struct profile *profile,
			const struct profiler_order *order,
			struct bigm_error *err)
{
	static const struct type types[] = { { "threads", "count" }, { 0 } };
	struct filling f = {
		.profile = profile, .err = err, .tids = order->debug == 2,
	};
	int rc = begin(&f, order, types, &types[0]);

	profile->period = 1;
	if (rc == 0)
		rc = threads_each(add_thread, &f, err);
	maps_release(&f.maps);
	return rc;
}

static uint64_t count_threads(void)
{
	return tasks_count();
}

const struct kind kinds[] = {
	{ "heap", fill_heap, count_heap, INTERPOSED_ALL },
	{ "mutex", fill_mutex, count_mutex, INTERPOSED_MUTEXES },
	{ "block", fill_block, count_block, INTERPOSED_ALL },
	{ "threads", fill_threads, count_threads, INTERPOSED_NOTHING },
	{ 0 },
};
