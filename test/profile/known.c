/*
 * known: allocates, waits and computes in amounts that are known, and checks
 * what the profiler, which is preloaded, says of it.  Each line of its output is
 * one figure: what, what it should be about, what the profile has.
 *
 * About is a quarter: each sum is of 1,000 samples or more, whose deviation is
 * 3 %.
 */
#include "config.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "profile/profile.h"
#include "sampler/profiler.h"

#define BLOCK 10000
#define BLOCKS 60000 /* 600 MB, of which half is freed */

static const struct profiler *profiler;
static char *blocks[BLOCKS];
static int bad;

static void verdict(const char *what, double should, double is)
{
	int good = is > 0.75 * should && is < 1.25 * should;

	printf("%s %-16s should be %.4g, is %.4g\n", good ? "ok" : "BAD", what,
	       should, is);
	bad |= !good;
}

static struct profile *take_as(const char *name,
			       const struct profiler_order *order)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = BUFFER_INIT(64 << 20);
	struct profile *p = NULL;

	if ((order->duration_ns ? profiler->cpu(order, &out, &err) :
				  profiler->take(name, order, &out, &err)) == 0)
		p = profile_decode(buffer_data(&out), out.len, &err);
	if (!p) {
		fprintf(stderr, "known: %s: %s\n", name, err.text);
		exit(1);
	}
	buffer_release(&out);
	return p;
}

static struct profile *take(const char *name)
{
	return take_as(name, &(struct profiler_order){ 0 });
}

/* Of the samples in whose stacks that function is, the sum of a value. */
static double sum(const struct profile *p, const void *fn, uint32_t value)
{
	double total = 0;

	for (uint32_t i = 0; i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[i];
		bool in = false;

		for (uint32_t k = 0; k < s->locations; k++) {
			uint32_t at = p->stacks[s->first_location + k];
			Dl_info info;

			in = in || (dladdr((void *)(uintptr_t)p->locations[at]
						   .address, &info) &&
				    info.dli_saddr == fn);
		}
		if (in)
			total += (double)p->values[(size_t)i * p->n_types +
						   value];
	}
	return total;
}

/* The functions are visible, so that dladdr() knows them. */
#define SEEN __attribute__((noinline, visibility("default")))

/*
 * The profiler's clock, too.  By a thread's CPU time it tells whether samples of
 * its allocations take too long, once in SAMPLES_TIMED samples; here it is told
 * that ten seconds have passed since the last time, or nothing.
 */
#define SAMPLES_TIMED 16
enum thread_clock { REAL, PLENTY, NONE };
/* volatile: the compiler knows malloc(), and that it reads no clock. */
static _Thread_local volatile enum thread_clock thread_clock;
static _Thread_local volatile time_t thread_clock_read;

SEEN int clock_gettime(clockid_t clock, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, t);

	if (clock != CLOCK_THREAD_CPUTIME_ID || thread_clock == REAL)
		return rc;
	thread_clock_read++;
	*t = (struct timespec){
		.tv_sec = thread_clock == PLENTY ? 10 * thread_clock_read : 1
	};
	return 0;
}

static void set_thread_clock(enum thread_clock which)
{
	thread_clock = which;
	thread_clock_read = 0;
}

SEEN void make_blocks(void);
SEEN void make_blocks(void)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = i % 3 == 0 ? calloc(1, BLOCK) : malloc(BLOCK);
}

SEEN void grow_blocks(void);
SEEN void grow_blocks(void)
{
	for (int i = BLOCKS / 2; i < BLOCKS; i++)
		blocks[i] = realloc(blocks[i], (size_t)3 * BLOCK);
}

static void check_heap(void)
{
	const double size = (double)BLOCK * BLOCKS;
	struct profile *p;

	set_thread_clock(PLENTY);
	make_blocks();
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i] && i < BLOCKS / 2)
			memset(blocks[i], 1, 1);
	}
	for (int i = 0; i < BLOCKS / 2; i++)
		free(blocks[i]);
	p = take("heap");
	verdict("allocated", size, sum(p, (void *)make_blocks, 1));
	verdict("blocks", BLOCKS, sum(p, (void *)make_blocks, 0));
	verdict("in use", size / 2, sum(p, (void *)make_blocks, 3));
	verdict("down to main", size / 2, sum(p, dlsym(NULL, "main"), 3));
	profile_free(p);
	grow_blocks();
	p = take("heap");
	verdict("grown", size / 2 * 3, sum(p, (void *)grow_blocks, 3));
	verdict("moved away", 1, 1 + sum(p, (void *)make_blocks, 3));
	profile_free(p);
	set_thread_clock(REAL);
}

/* 48 GB, of which 700 samples are taken when only one of 64 MB is: a hurried
 * thread pays for few, and they still say how much it was. */
#define HURRIED_BLOCKS 4800000
#define HURRIED_SAMPLES (48e9 / (64 << 20))

SEEN void *allocate_only(void *samples);
SEEN void *allocate_only(void *samples)
{
	set_thread_clock(NONE);
	for (int i = 0; i < HURRIED_BLOCKS; i++) {
		void *volatile block = malloc(BLOCK);

		free(block);
	}
	*(double *)samples = (double)thread_clock_read * SAMPLES_TIMED;
	return NULL;
}

static void check_hurry(void)
{
	double samples = 0;
	struct profile *p;
	pthread_t thread;

	pthread_create(&thread, NULL, allocate_only, &samples);
	pthread_join(thread, NULL);
	p = take("heap");
	verdict("samples", HURRIED_SAMPLES, samples);
	verdict("in a hurry", (double)BLOCK * HURRIED_BLOCKS,
		sum(p, (void *)allocate_only, 1));
	verdict("nothing in use", 1, 1 + sum(p, (void *)allocate_only, 3));
	profile_free(p);
}

/* Blocks of all sizes, some of which are sampled and so are pages of ours, do
 * what blocks do. */
static void check_blocks(void)
{
	unsigned char *volatile all;
	int wrong = 0;

	set_thread_clock(PLENTY);
	for (size_t i = 0; i < 400000; i++) {
		size_t size = 1 + i % 6000, more = size * (i % 3);
		unsigned char *p = i % 2 ? malloc(size) : calloc(1, size), *q;

		wrong += malloc_usable_size(p) < size;
		wrong += i % 2 == 0 && (p[0] != 0 || p[size - 1] != 0);
		/* All of it, of which the compiler knows only what was asked
		 * for, and would hold us to that. */
		all = p;
		memset(all, (int)(i % 256), malloc_usable_size(p));
		q = realloc(p, more + 1);
		wrong += q[0] != i % 256;
		wrong += more >= size && q[size - 1] != i % 256;
		wrong += malloc_usable_size(q) < more + 1;
		free(q);
	}
	set_thread_clock(REAL);
	verdict("blocks in order", 1, 1 + wrong);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool go_on;
static _Atomic int waiting;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

SEEN void *wait_for_lock(void *waited_ns);
SEEN void *wait_for_lock(void *waited_ns)
{
	double begin = now();

	atomic_fetch_add(&waiting, 1);
	pthread_mutex_lock(&lock);
	*(double *)waited_ns = now() - begin;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* A thousand samples in half a second take a hundred threads and less. */
#define THREADS 40

/* One thread waits on a condition variable, and another for its end. */
struct pair {
	pthread_t waiter, joiner;
	double waited_ns, joined_ns;
};

SEEN void *wait_on_cond(void *pair);
SEEN void *wait_on_cond(void *pair)
{
	double begin = now();

	pthread_mutex_lock(&lock);
	while (!go_on)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	((struct pair *)pair)->waited_ns = now() - begin;
	return NULL;
}

SEEN void *wait_for_thread(void *pair);
SEEN void *wait_for_thread(void *pair)
{
	struct pair *mine = pair;
	double begin = now();

	pthread_join(mine->waiter, NULL);
	mine->joined_ns = now() - begin;
	return NULL;
}

/* Four hundred samples of each. */
static void check_blocks_of_threads(void)
{
	const struct timespec pause = { .tv_sec = 1 };
	struct pair pairs[THREADS];
	double waited = 0, joined = 0;
	struct profile *p;

	for (int i = 0; i < THREADS; i++) {
		pthread_create(&pairs[i].waiter, NULL, wait_on_cond, &pairs[i]);
		pthread_create(&pairs[i].joiner, NULL, wait_for_thread,
			       &pairs[i]);
	}
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&lock);
	go_on = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(pairs[i].joiner, NULL);
		waited += pairs[i].waited_ns;
		joined += pairs[i].joined_ns;
	}
	p = take("block");
	verdict("conditions", waited, sum(p, (void *)wait_on_cond, 1));
	verdict("joins", joined, sum(p, (void *)wait_for_thread, 1));
	profile_free(p);
}

static void check_waits(void)
{
	pthread_t threads[THREADS];
	double waited[THREADS], all = 0;
	const struct timespec pause = { .tv_nsec = 400000000 };
	struct profile *p;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_for_lock, &waited[i]);
	while (atomic_load(&waiting) < THREADS)
		sched_yield();
	nanosleep(&pause, NULL);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		all += waited[i];
	}
	p = take("mutex");
	verdict("locks", all, sum(p, (void *)wait_for_lock, 1));
	profile_free(p);
}

static _Atomic int over;
static volatile double burnt;

SEEN void *burn(void *cpu_ns);
SEEN void *burn(void *cpu_ns)
{
	struct timespec t;

	while (!atomic_load(&over))
		for (int i = 0; i < 1000; i++)
			burnt = burnt * 1.0001 + 1;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	*(double *)cpu_ns = (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
	return NULL;
}

/* However long that may take on a busy host. */
static bool has_burnt(void *thread)
{
	struct timespec t = { 0 };
	clockid_t clock;

	return pthread_getcpuclockid(*(pthread_t *)thread, &clock) == 0 &&
	       clock_gettime(clock, &t) == 0 && t.tv_sec >= 1;
}

/* Its CPU time outside of the profile, before and after, is little. */
static void check_cpu(void)
{
	double cpu_ns = 0;
	pthread_t thread;
	const struct profiler_order order = {
		.duration_ns = UINT64_C(60000000000), .hz = PROFILER_HZ,
		.stop = has_burnt, .data = &thread,
	};
	struct profile *p;

	pthread_create(&thread, NULL, burn, &cpu_ns);
	p = take_as("cpu", &order);
	atomic_store(&over, 1);
	pthread_join(thread, NULL);
	verdict("cpu", cpu_ns, sum(p, (void *)burn, 1));
	verdict("samples", cpu_ns / 1e7, sum(p, (void *)burn, 0));
	profile_free(p);
}

static void check_threads(void)
{
	struct profile *p = take("threads");

	verdict("threads", 1, sum(p, dlsym(NULL, "main"), 0));
	profile_free(p);
}

SEEN int main(int argc, char **argv)
{
	profiler = dlsym(NULL, PROFILER_SYMBOL);
	if (!profiler)
		return fputs("known: preload libbigm-profile.so\n", stderr), 2;
	if (getenv("LD_PRELOAD"))
		bad = puts("BAD LD_PRELOAD is in the environment");
	check_threads();
	check_cpu();
	check_waits();
	check_blocks_of_threads();
	check_heap();
	check_hurry();
	check_blocks();
	return bad;
}
