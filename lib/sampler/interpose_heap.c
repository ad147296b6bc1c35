/*
 * interpose_heap: malloc() and its kin, before the C library's or whoever's
 * else.  A call that is not sampled costs a subtraction; free() a look at the
 * address.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bigm.h"
#include "sampler/heap.h"
#include "sampler/interpose.h"
#include "sampler/mine.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CALLER __builtin_return_address(0)
#define PAGE_BITS ((uintptr_t)HEAP_PAGE - 1)

/* ------------------------------------------------------------------ */
/* The real ones                                                       */

static void *first_malloc(size_t size);
static void *first_calloc(size_t n, size_t size);
static void *first_realloc(void *p, size_t size);
static void first_free(void *p);
static void *first_memalign(size_t alignment, size_t size);

static struct {
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

/* What dlsym() may need while we look for the others: it never comes back. */
static char early[4096] __attribute__((aligned(16)));
static size_t early_used;
static bool finding;

static void *early_room(size_t size)
{
	size_t at = early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(early) - at)
		return NULL;
	early_used += size;
	return early + at;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early &&
	       (const char *)p < early + sizeof(early);
}

/* Before the first of them can be called there is one thread only. */
static void find_real(void)
{
	if (finding)
		return;
	finding = true;
	INTERPOSE_NEXT(real.usable, "malloc_usable_size");
	INTERPOSE_NEXT(real.calloc, "calloc");
	INTERPOSE_NEXT(real.realloc, "realloc");
	INTERPOSE_NEXT(real.memalign, "memalign");
	INTERPOSE_NEXT(real.free, "free");
	INTERPOSE_NEXT(real.malloc, "malloc");
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

static inline int64_t step_of(size_t size)
{
	return size < INT32_MAX ? (int64_t)size : INT32_MAX;
}

/* Goes by `size` and tells whether that is all. */
static inline bool passes(size_t size)
{
	return (mine.left[MINE_HEAP] -= step_of(size)) > 0;
}

/* Whether a block of that size is to be sampled, once `left` says that it
 * might be. */
static bool due(size_t size)
{
	bool first = !mine.random;

	if (first)
		mine_begin();
	return mine_pass(MINE_HEAP, first ? step_of(size) : 0) > 0 &&
	       !mine.inside && !mine_off;
}

/* A block that will be recognised; NULL: it cannot be had. */
static __attribute__((noinline)) void *
sampled(size_t alignment, size_t size, const void *from)
{
	void *p;

	if (alignment < HEAP_PAGE)
		alignment = HEAP_PAGE;
	p = real.memalign(alignment, size);
	if (!p)
		return NULL;
	mine.inside = true;
	heap_note(p, size, from);
	mine.inside = false;
	return p;
}

static __attribute__((noinline)) void *
slow_malloc(size_t size, const void *from)
{
	void *p = NULL;
	int saved = errno;

	if (due(size))
		p = sampled(0, size, from);
	errno = saved;
	return p ? p : real.malloc(size);
}

BIGM_API void *malloc(size_t size)
{
	if (UNLIKELY(!passes(size)))
		return slow_malloc(size, CALLER);
	return real.malloc(size);
}

static __attribute__((noinline)) void *
slow_calloc(size_t n, size_t size, const void *from)
{
	size_t all;
	void *p = NULL;

	if (!__builtin_mul_overflow(n, size, &all) && due(all))
		p = sampled(0, all, from);
	return p ? memset(p, 0, all) : real.calloc(n, size);
}

BIGM_API void *calloc(size_t n, size_t size)
{
	/* A product beyond all bounds is refused there. */
	if (UNLIKELY(!passes(n * size)))
		return slow_calloc(n, size, CALLER);
	return real.calloc(n, size);
}

static __attribute__((noinline)) void slow_free(void *p)
{
	if (p && !mine.inside && !mine_off)
		heap_forget(p);
	real.free(p);
}

BIGM_API void free(void *p)
{
	if (UNLIKELY(((uintptr_t)p & PAGE_BITS) == 0))
		slow_free(p);
	else if (UNLIKELY(is_early(p)))
		return;
	else
		real.free(p);
}

static __attribute__((noinline)) void *move_early(const void *p, size_t size)
{
	size_t most = (size_t)(early + sizeof(early) - (const char *)p);
	void *q = real.malloc(size);

	return q ? memcpy(q, p, size < most ? size : most) : NULL;
}

static void *resample(void *p, size_t size, const void *from)
{
	size_t had = p ? real.usable(p) : 0;
	void *q = sampled(0, size, from);

	if (q && p) {
		memcpy(q, p, had < size ? had : size);
		real.free(p);
	}
	return q;
}

static __attribute__((noinline)) void *
slow_realloc(void *p, size_t size, bool sample, const void *from)
{
	void *q = NULL;

	if (is_early(p))
		return move_early(p, size);
	if (p && ((uintptr_t)p & PAGE_BITS) == 0 && !mine.inside && !mine_off)
		heap_forget(p);
	if (sample && size > 0 && real.usable && due(size))
		q = resample(p, size, from);
	return q ? q : real.realloc(p, size);
}

BIGM_API void *realloc(void *p, size_t size)
{
	bool sample = !passes(size);

	if (UNLIKELY(sample || ((uintptr_t)p & PAGE_BITS) == 0 || is_early(p)))
		return slow_realloc(p, size, sample, CALLER);
	return real.realloc(p, size);
}

/* ------------------------------------------------------------------ */
/* With an alignment                                                   */

static inline void *aligned(size_t alignment, size_t size, const void *from)
{
	if (UNLIKELY(!passes(size)) && due(size)) {
		void *p = sampled(alignment, size, from);

		if (p)
			return p;
	}
	return real.memalign(alignment, size);
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
