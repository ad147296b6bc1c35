/*
 * interpose_heap: malloc() and its kin, before the C library's or whoever's
 * else.  A call that is not sampled costs a subtraction and a jump, free() a look
 * at the address and a jump; the C library then returns to our caller.
 */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bigm.h"
#include "sampler/heap.h"
#include "sampler/interpose.h"
#include "sampler/mine.h"
#include "sampler/pages.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CALLER __builtin_return_address(0)
#define PAGE_BITS ((uintptr_t)PAGES_SIZE - 1)

/* ------------------------------------------------------------------ */
/* The real ones                                                       */

static void *first_malloc(size_t size);
static void *first_calloc(size_t n, size_t size);
static void *first_realloc(void *p, size_t size);
static void first_free(void *p);
static void *first_memalign(size_t alignment, size_t size);

static struct real {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *p, size_t size);
	void (*free)(void *p);
	void *(*memalign)(size_t alignment, size_t size);
	size_t (*usable)(void *p);
} real = {
	first_malloc, first_calloc, first_realloc, first_free, first_memalign,
	NULL,
};

/* What dlsym() may need while we look for the others: it never comes back.  As
 * each block begins a page, free() need not ask for more than that. */
static char early[16 * PAGES_SIZE] __attribute__((aligned(PAGES_SIZE)));
static size_t early_used;
static bool finding;

static void *early_room(size_t size)
{
	size_t at = early_used;

	size = (size + PAGE_BITS) & ~PAGE_BITS;
	if (size > sizeof(early) - at)
		return NULL;
	early_used += size;
	return early + at;
}

static inline bool begins_page(const void *p)
{
	return ((uintptr_t)p & PAGE_BITS) == 0;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early &&
	       (const char *)p < early + sizeof(early);
}

/* Before the first of them can be called there is one thread only. */
static void find_real(void)
{
	static const struct interpose_next next[] = {
		{ offsetof(struct real, usable), "malloc_usable_size", NULL },
		{ offsetof(struct real, calloc), "calloc", NULL },
		{ offsetof(struct real, realloc), "realloc", NULL },
		{ offsetof(struct real, memalign), "memalign", NULL },
		{ offsetof(struct real, free), "free", NULL },
		{ offsetof(struct real, malloc), "malloc", NULL },
	};

	if (finding)
		return;
	finding = true;
	interpose_find(&real, next, sizeof(next) / sizeof(*next));
	finding = false;
}

static void *first_malloc(size_t size)
{
	if (finding)
		return early_room(size);
	find_real();
	return real.malloc(size);
}

static void *first_calloc(size_t n, size_t size)
{
	if (finding)
		return early_room(n * size);
	find_real();
	return real.calloc(n, size);
}

static void *first_realloc(void *p, size_t size)
{
	if (finding)
		return NULL;
	find_real();
	return real.realloc(p, size);
}

static void first_free(void *p)
{
	if (finding)
		return;
	find_real();
	real.free(p);
}

static void *first_memalign(size_t alignment, size_t size)
{
	find_real();
	return real.memalign(alignment, size);
}

/* ------------------------------------------------------------------ */
/* Sampling                                                            */

/* Whether a block of that size is to be sampled, once mine_heap_pass() says that
 * it might be; what heap_note() wants, or 0. */
static uint32_t due(size_t size)
{
	uint32_t mean = mine_heap_due(size);

	return mine.inside || mine_off ? 0 : mean;
}

/* A block that will be recognised; NULL: it cannot be had. */
static __attribute__((noinline)) void *
sampled(size_t alignment, size_t size, uint32_t mean, const void *from)
{
	void *p;

	if (alignment < PAGES_SIZE)
		alignment = PAGES_SIZE;
	mine.inside = true;
	mine_heap_begin();
	p = size <= PAGES_SIZE && alignment == PAGES_SIZE ? pages_get() : NULL;
	if (!p)
		p = real.memalign(alignment, size);
	if (p)
		heap_note(p, size, mean, from);
	mine_heap_end();
	mine.inside = false;
	return p;
}

/* mean: 0 when there is no sample in it. */
static void *malloc_for(size_t size, uint32_t mean, const void *from)
{
	void *p = mean ? sampled(0, size, mean, from) : NULL;

	return p ? p : real.malloc(size);
}

static __attribute__((noinline)) void *
slow_malloc(size_t size, const void *from)
{
	int saved = errno;
	void *p = malloc_for(size, due(size), from);

	if (p)
		errno = saved;
	return p;
}

BIGM_API void *malloc(size_t size)
{
	if (UNLIKELY(!mine_heap_pass(size)))
		return slow_malloc(size, CALLER);
	return real.malloc(size);
}

static __attribute__((noinline)) void *
slow_calloc(size_t n, size_t size, const void *from)
{
	size_t all;
	bool beyond = __builtin_mul_overflow(n, size, &all);
	uint32_t mean = due(all);
	void *p = mean && !beyond ? sampled(0, all, mean, from) : NULL;

	return p ? memset(p, 0, all) : real.calloc(n, size);
}

BIGM_API void *calloc(size_t n, size_t size)
{
	/* A product beyond all bounds is refused there. */
	if (UNLIKELY(!mine_heap_pass(n * size)))
		return slow_calloc(n, size, CALLER);
	return real.calloc(n, size);
}

/* A block that begins a page; the child of a fork leaves pages as they are. */
static __attribute__((noinline)) void slow_free(void *p)
{
	if (!p || is_early(p))
		return;
	if (!mine.inside && !mine_off)
		heap_forget(p);
	if (!pages_has(p))
		real.free(p);
	else if (!mine_off)
		pages_give(p);
}

BIGM_API void free(void *p)
{
	if (UNLIKELY(begins_page(p)))
		slow_free(p);
	else
		real.free(p);
}

static size_t usable(void *p)
{
	if (is_early(p))
		return (size_t)(early + sizeof(early) - (char *)p);
	if (pages_has(p))
		return PAGES_SIZE;
	return real.usable ? real.usable(p) : 0;
}

/* Into another block. */
static void *move(void *p, size_t size, uint32_t mean, const void *from)
{
	size_t had = usable(p);
	void *q = malloc_for(size, mean, from);

	if (!q)
		return NULL;
	memcpy(q, p, had < size ? had : size);
	free(p);
	return q;
}

static __attribute__((noinline)) void *
slow_realloc(void *p, size_t size, bool sample, const void *from)
{
	uint32_t mean = sample && size > 0 ? due(size) : 0;
	bool ours = p && (is_early(p) || pages_has(p));

	if (!p)
		return malloc_for(size, mean, from);
	if (ours && size == 0)
		return free(p), NULL;
	if (ours || (mean && real.usable))
		return move(p, size, mean, from);
	if (begins_page(p) && !mine.inside && !mine_off)
		heap_forget(p);
	return real.realloc(p, size);
}

BIGM_API void *realloc(void *p, size_t size)
{
	bool sample = !mine_heap_pass(size);

	if (UNLIKELY(sample || begins_page(p)))
		return slow_realloc(p, size, sample, CALLER);
	return real.realloc(p, size);
}

BIGM_API size_t malloc_usable_size(void *p)
{
	return p ? usable(p) : 0;
}

/* ------------------------------------------------------------------ */
/* With an alignment                                                   */

static inline void *aligned(size_t alignment, size_t size, const void *from)
{
	uint32_t mean = UNLIKELY(!mine_heap_pass(size)) ? due(size) : 0;
	void *p = mean ? sampled(alignment, size, mean, from) : NULL;

	return p ? p : real.memalign(alignment, size);
}

BIGM_API void *memalign(size_t alignment, size_t size)
{
	return aligned(alignment, size, CALLER);
}

BIGM_API void *aligned_alloc(size_t alignment, size_t size)
{
	return aligned(alignment, size, CALLER);
}

BIGM_API int posix_memalign(void **p, size_t alignment, size_t size)
{
	int saved = errno;
	void *block;

	if (alignment % sizeof(void *) != 0 || alignment == 0 ||
	    (alignment & (alignment - 1)) != 0)
		return EINVAL;
	block = aligned(alignment, size, CALLER);
	errno = saved;
	if (!block)
		return ENOMEM;
	*p = block;
	return 0;
}

BIGM_API void *valloc(size_t size)
{
	return aligned((size_t)sysconf(_SC_PAGESIZE), size, CALLER);
}

BIGM_API void *pvalloc(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return aligned(page, (size + page - 1) & ~(page - 1), CALLER);
}
