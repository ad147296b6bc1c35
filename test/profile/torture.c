/*
 * torture [SECONDS]: does all at once that a profiler's signals may come in the
 * way of: it allocates, locks, waits, handles signals, forks, executes, loads
 * and unloads libraries, begins and ends threads; while CPU profiles are taken
 * at the highest rate, one after the other, and the other profiles all the time.
 *
 * Ends with 0 when the time is over.  Each kind of work has to get on; when one
 * does not for a minute, or there are no samples, it aborts and says which.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sampler/profiler.h"

#define STUCK_S 60
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct profiler *profiler;
static atomic_bool over;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t waiting = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic unsigned long handled, cpu_bytes;
static _Atomic(void *) shared[64]; /* that one thread makes, another frees */

static unsigned dice(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

static _Thread_local void *mine[64];

static void allocate(unsigned *seed)
{
	unsigned i = dice(seed, 64);
	size_t size = (size_t)1 << dice(seed, 20);
	void *p;

	switch (dice(seed, 5)) {
	case 0:
		mine[i] = realloc(mine[i], size);
		break;
	case 1:
		free(mine[i]);
		mine[i] = calloc(1 + dice(seed, 8), 1 + size / 8);
		break;
	case 2:
		free(mine[i]);
		mine[i] = posix_memalign(&p, 4096, size) == 0 ? p : NULL;
		break;
	case 3:
		p = malloc(size);
		memset(p, 1, size < 4096 ? size : 4096);
		free(atomic_exchange(&shared[i], p));
		break;
	default:
		free(mine[i]);
		mine[i] = malloc(size);
	}
}

static volatile double burnt;

static void burn(void)
{
	for (int i = 0; i < 2000; i++)
		burnt = burnt * 1.0001 + 1;
}

static void take_locks(unsigned *seed)
{
	switch (dice(seed, 4)) {
	case 0:
		pthread_rwlock_rdlock(&rwlock);
		burn();
		pthread_rwlock_unlock(&rwlock);
		break;
	case 1:
		pthread_rwlock_wrlock(&rwlock);
		burn();
		pthread_rwlock_unlock(&rwlock);
		break;
	default:
		pthread_mutex_lock(&mutex);
		burn();
		pthread_mutex_unlock(&mutex);
	}
}

static void wait_a_little(unsigned *seed)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&waiting);
	if (dice(seed, 2))
		pthread_cond_timedwait(&changed, &waiting, &until);
	else
		pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&waiting);
}

static void on_signal(int number)
{
	burn();
	atomic_fetch_add(&handled, 1);
}

static void signal_all(unsigned *seed)
{
	const struct timespec often = { .tv_nsec = 1000000 };

	kill(getpid(), dice(seed, 2) ? SIGUSR1 : SIGUSR2);
	nanosleep(&often, NULL);
}

static void fork_one(unsigned *seed)
{
	char *const argv[] = { (char *)"true", NULL };
	bool executes = dice(seed, 2);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* Locks of others may be held for ever here. */
		pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

		alarm(STUCK_S);
		for (int i = 0; i < 100; i++)
			allocate(seed);
		pthread_mutex_lock(&own);
		pthread_mutex_unlock(&own);
		if (executes)
			execv("/bin/true", argv);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		fprintf(stderr, "torture: a child ended with %#x\n", status);
		abort();
	}
}

static void load(unsigned *seed)
{
	static const struct {
		const char *name, *function;
	} table[] = {
		{ "libcjson.so.1", "cJSON_Version" },
		{ "libuv.so.1", "uv_version_string" },
		{ "libnghttp2.so.14", "nghttp2_version" },
		{ "libarchive.so.13", "archive_version_number" },
	};
	unsigned i = dice(seed, COUNT(table));
	void *library = dlopen(table[i].name, RTLD_NOW | RTLD_LOCAL), *p;
	void *(*function)(int);

	if (!library)
		return;
	p = dlsym(library, table[i].function);
	memcpy(&function, &p, sizeof(p));
	for (int n = 0; p && n < 100; n++)
		function(0);
	dlclose(library);
}

static void *short_life(void *data)
{
	for (int i = 0; i < 20; i++)
		allocate(&(unsigned){ (unsigned)i });
	burn();
	for (size_t i = 0; i < COUNT(mine); i++)
		free(mine[i]);
	return data;
}

static void begin_threads(unsigned *seed)
{
	pthread_t threads[4];
	size_t n = 0;

	while (n < COUNT(threads) &&
	       pthread_create(&threads[n], NULL, short_life, NULL) == 0)
		n++;
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

static void throw_away(struct buffer *out, int rc, const struct bigm_error *err)
{
	if (rc < 0) {
		fprintf(stderr, "torture: %s\n", err->text);
		abort();
	}
	free(out->base);
}

static void profile_cpu(unsigned *seed)
{
	const struct profiler_order order = {
		.duration_ns = 200000000,
		.hz = PROFILER_HZ_MOST,
		.debug = (int)dice(seed, 3),
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = { .limit = 64 << 20 };
	int rc = profiler->cpu(&order, &out, &err);

	atomic_fetch_add(&cpu_bytes, out.len);
	throw_away(&out, rc, &err);
}

static void profile_others(unsigned *seed)
{
	static const char *const names[] = { "heap", "mutex", "block",
					     "threads" };
	const struct timespec pause = { .tv_nsec = 20000000 };
	const struct profiler_order order = { .debug = (int)dice(seed, 3) };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = { .limit = 256 << 20 };
	int rc = profiler->take(names[dice(seed, COUNT(names))], &order, &out,
				&err);

	throw_away(&out, rc, &err);
	nanosleep(&pause, NULL);
}

static struct work {
	const char *name;
	void (*fn)(unsigned *seed);
	unsigned seed;
	pthread_t thread;
	_Atomic unsigned long done;
	unsigned long seen;
	time_t changed;
} works[] = {
	{ .name = "allocate", .fn = allocate },
	{ .name = "allocate", .fn = allocate },
	{ .name = "lock", .fn = take_locks },
	{ .name = "lock", .fn = take_locks },
	{ .name = "wait", .fn = wait_a_little },
	{ .name = "wait", .fn = wait_a_little },
	{ .name = "signal", .fn = signal_all },
	{ .name = "fork", .fn = fork_one },
	{ .name = "load", .fn = load },
	{ .name = "load", .fn = load },
	{ .name = "threads", .fn = begin_threads },
	{ .name = "cpu profile", .fn = profile_cpu },
	{ .name = "profiles", .fn = profile_others },
};

static void *do_work(void *data)
{
	struct work *w = data;

	while (!atomic_load(&over)) {
		w->fn(&w->seed);
		atomic_fetch_add(&w->done, 1);
	}
	return NULL;
}

static void begin(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_RESTART | SA_NODEFER;
	sigaction(SIGUSR2, &action, NULL);
	for (size_t i = 0; i < COUNT(works); i++) {
		works[i].seed = (unsigned)i + 1;
		works[i].changed = time(NULL);
		if (pthread_create(&works[i].thread, NULL, do_work,
				   &works[i]) != 0)
			abort();
	}
}

static void check(void)
{
	time_t now = time(NULL);

	for (size_t i = 0; i < COUNT(works); i++) {
		unsigned long done = atomic_load(&works[i].done);

		if (done != works[i].seen) {
			works[i].seen = done;
			works[i].changed = now;
		} else if (now - works[i].changed > STUCK_S) {
			fprintf(stderr, "torture: %s (%zu) is stuck after %lu\n",
				works[i].name, i, done);
			abort();
		}
	}
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 1;
	time_t end = time(NULL) + seconds;

	profiler = dlsym(RTLD_DEFAULT, PROFILER_SYMBOL);
	if (!profiler)
		return fputs("torture: preload libbigm-profile.so\n", stderr), 2;
	begin();
	while (time(NULL) < end) {
		struct timespec step = { .tv_nsec = 100000000 };

		nanosleep(&step, NULL);
		check();
	}
	atomic_store(&over, true);
	for (size_t i = 0; i < COUNT(works); i++)
		pthread_join(works[i].thread, NULL);
	for (size_t i = 0; i < COUNT(works); i++)
		printf("%-12s %lu\n", works[i].name, atomic_load(&works[i].done));
	printf("%-12s %lu\n%-12s %lu\n", "signals", atomic_load(&handled),
	       "cpu bytes", atomic_load(&cpu_bytes));
	return atomic_load(&cpu_bytes) > 0 ? 0 : 1;
}
