#include "config.h"

#include "sampler/pages.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sampler/lock.h"

#define ALL ((size_t)PAGES_MOST * PAGES_SIZE)
#define PIECE 256u /* pages that are made usable at once */
#define NONE UINT16_MAX
#define IN_USE (UINT16_MAX - 1)

static struct {
	struct lock lock;
	_Atomic uintptr_t base; /* 0: no page has been wanted so far */
	uint32_t usable, used;	/* used: were so at least once */
	uint16_t first;		/* of those that were given back */
	uint16_t next[PAGES_MOST];
} pages = { .first = NONE };

/* Addresses only: no memory, and none that a mlockall() would make of it. */
static bool reserve(void)
{
	void *p = mmap(NULL, ALL, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	/* A huge page would be 512 of ours. */
	madvise(p, ALL, MADV_NOHUGEPAGE);
	atomic_store(&pages.base, (uintptr_t)p);
	return true;
}

static char *page_at(size_t at)
{
	return (char *)atomic_load(&pages.base) + at * PAGES_SIZE;
}

static bool extend(void)
{
	if (pages.usable == PAGES_MOST ||
	    mprotect(page_at(pages.usable), (size_t)PIECE * PAGES_SIZE,
		     PROT_READ | PROT_WRITE) < 0)
		return false;
	pages.usable += PIECE;
	return true;
}

static void *get(void)
{
	uint32_t at = pages.first;

	if (!atomic_load(&pages.base) && !reserve())
		return NULL;
	if (at != NONE)
		pages.first = pages.next[at];
	else if (pages.used < pages.usable || extend())
		at = pages.used++;
	else
		return NULL;
	pages.next[at] = IN_USE;
	return page_at(at);
}

void *pages_get(void)
{
	void *p;

	lock_take(&pages.lock);
	p = get();
	lock_give(&pages.lock);
	return p;
}

bool pages_has(const void *p)
{
	uintptr_t base = atomic_load_explicit(&pages.base,
					      memory_order_relaxed);

	return base && (uintptr_t)p - base < ALL;
}

void pages_give(void *p)
{
	size_t at = ((uintptr_t)p - atomic_load(&pages.base)) / PAGES_SIZE;

	lock_take(&pages.lock);
	if (pages.next[at] != IN_USE)
		abort();
	pages.next[at] = pages.first;
	pages.first = (uint16_t)at;
	lock_give(&pages.lock);
}
