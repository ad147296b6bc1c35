/*
 * load PART SECONDS [HZ]: work that a profiler may make slower; prints how much
 * CPU time a unit of it took, in ns.  With HZ a CPU profile is taken meanwhile.
 * `make profile-bench` compares.  There is a second thread, which sleeps, as
 * no machine has only one: the C library's locks are cheaper in one that has.
 *
 *	compute	a loop without calls
 *	alloc	nothing but blocks of 16 to 1023 bytes
 *	words	counts words in a table: each in a block of its own, in lists
 *	sqlite	inserts, sorts and groups in a database in memory
 *	lock	a mutex that nobody else wants
 *	contend	four threads for one mutex, who do something with it and without
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sampler/profiler.h"

static volatile double burnt;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void compute(unsigned n)
{
	while (n-- > 0)
		burnt = burnt * 1.0001 + 1;
}

static void alloc(unsigned n)
{
	static _Thread_local unsigned char *blocks[4096];
	static _Thread_local uint32_t seed = 1;

	while (n-- > 0) {
		unsigned char **block;
		size_t size;

		seed = seed * 1664525 + 1013904223;
		block = &blocks[seed >> 20];
		size = 16 + (seed >> 8) % 1008;
		free(*block);
		*block = malloc(size);
		memset(*block, 1, size);
	}
}

static void find(void *function, void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (!found)
		abort();
	memcpy(function, &found, sizeof(found));
}

struct word {
	struct word *next;
	char *text;
	unsigned count;
};

static void count_word(struct word **slot, const char *text)
{
	struct word *word = *slot;

	while (word && strcmp(word->text, text) != 0)
		word = word->next;
	if (!word) {
		word = calloc(1, sizeof(*word));
		word->text = strdup(text);
		word->next = *slot;
		*slot = word;
	}
	word->count++;
}

static void free_words(struct word *word)
{
	while (word) {
		struct word *next = word->next;

		free(word->text);
		free(word);
		word = next;
	}
}

static void words(unsigned n)
{
	static struct word *table[4096];
	uint32_t seed = 1;
	char text[16];

	while (n-- > 0) {
		seed = seed * 1664525 + 1013904223;
		snprintf(text, sizeof(text), "word%u", (seed >> 16) % 20000);
		count_word(&table[(seed >> 16) % 4096], text);
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		free_words(table[i]);
		table[i] = NULL;
	}
}

/* In a library, since not everybody who builds bigm has its header. */
static void sqlite(unsigned n)
{
	static int (*open_it)(const char *name, void **db);
	static int (*exec)(void *db, const char *sql, void *each, void *data,
			   char **error);
	static int (*close_it)(void *db);
	void *library = dlopen("libsqlite3.so.0", RTLD_NOW), *db;
	char sql[1000];

	if (!library)
		exit(77);
	find(&open_it, library, "sqlite3_open");
	find(&exec, library, "sqlite3_exec");
	find(&close_it, library, "sqlite3_close");
	snprintf(sql, sizeof(sql),
		 "create table t(a text, b int);"
		 "with recursive c(x) as (select 1 union all"
		 " select x + 1 from c where x < %u)"
		 " insert into t select hex(x * 7919 %% 65536), x from c;"
		 "create index i on t(a);"
		 "select count(*), sum(b) from t where a like '3%%';"
		 "select length(group_concat(b)) from t group by substr(a, 1, 2);",
		 n);
	if (open_it(":memory:", &db) != 0 ||
	    exec(db, sql, NULL, NULL, NULL) != 0 || close_it(db) != 0)
		abort();
}

static void lock(unsigned n)
{
	while (n-- > 0) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void contend_some(unsigned n)
{
	while (n-- > 0) {
		pthread_mutex_lock(&mutex);
		compute(1000);
		pthread_mutex_unlock(&mutex);
		compute(1000);
	}
}

static void *contender(void *n)
{
	contend_some(*(unsigned *)n);
	return NULL;
}

static void contend(unsigned n)
{
	pthread_t threads[4];

	n /= 4;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, contender, &n);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static const struct {
	const char *name;
	void (*fn)(unsigned n);
	unsigned n;
} parts[] = {
	{ "compute", compute, 10000000 },
	{ "alloc", alloc, 1000000 },
	{ "words", words, 50000 },
	{ "sqlite", sqlite, 20000 },
	{ "lock", lock, 5000000 },
	{ "contend", contend, 20000 },
};

static void *sleep_on(void *data)
{
	while (true)
		pause();
	return data;
}

static bool is_over(void *over)
{
	return *(volatile bool *)over;
}

struct profiling {
	unsigned hz;
	bool over;
	pthread_t thread;
};

static void *take_profile(void *data)
{
	struct profiling *profiling = data;
	const struct profiler *profiler = dlsym(RTLD_DEFAULT, PROFILER_SYMBOL);
	const struct profiler_order order = {
		.duration_ns = UINT64_C(3600000000000), .hz = profiling->hz,
		.stop = is_over, .data = &profiling->over,
	};
	struct buffer out = BUFFER_INIT(64 << 20);

	if (profiler->cpu(&order, &out, NULL) < 0)
		abort();
	free(out.base);
	return NULL;
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[2]) : 1;
	struct profiling profiling = {
		.hz = argc > 3 ? (unsigned)atoi(argv[3]) : 0,
	};
	pthread_t sleeper;

	pthread_create(&sleeper, NULL, sleep_on, NULL);
	if (profiling.hz)
		pthread_create(&profiling.thread, NULL, take_profile,
			       &profiling);

	for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(*parts); i++) {
		double begin, units = 0;

		if (strcmp(argv[1], parts[i].name) != 0)
			continue;
		parts[i].fn(parts[i].n);
		begin = cpu_ns();
		do {
			parts[i].fn(parts[i].n);
			units += parts[i].n;
		} while (cpu_ns() - begin < seconds * 1e9);
		profiling.over = true;
		if (profiling.hz)
			pthread_join(profiling.thread, NULL);
		printf("%.4f\n", (cpu_ns() - begin) / units);
		return 0;
	}
	return fputs("load PART SECONDS\n", stderr), 2;
}
