#include "config.h"

#include "sampler/unwind.h"

#include <dlfcn.h>
#include <ucontext.h>
#include <unwind.h>

/* Since glibc 2.35; how libgcc finds a frame's description without a lock. */
#pragma weak _dl_find_object

struct walk {
	uintptr_t *pcs;
	size_t max, depth;
	uintptr_t from; /* begins at the frame that is there; 0: it has begun */
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *data)
{
	struct walk *w = data;
	int exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &exact);

	if (w->from && pc != w->from)
		return _URC_NO_REASON;
	w->from = 0;
	if (pc == 0 || w->depth == w->max)
		return _URC_END_OF_STACK;
	w->pcs[w->depth++] = exact ? pc : pc - 1;
	return _URC_NO_REASON;
}

static size_t walk_from(uintptr_t from, uintptr_t *pcs, size_t max)
{
	struct walk w = { .pcs = pcs, .max = max, .from = from };

	_Unwind_Backtrace(step, &w);
	return w.depth;
}

size_t unwind_here(uintptr_t *pcs, size_t max, const void *from)
{
	size_t depth = walk_from((uintptr_t)from, pcs, max);

	if (depth == 0 && max > 0)
		pcs[depth++] = (uintptr_t)from - 1;
	return depth;
}

static uintptr_t interrupted_pc(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#else
#error "where does this processor's signal context have the program counter?"
#endif
}

size_t unwind_interrupted(const void *context, uintptr_t *pcs, size_t max)
{
	uintptr_t pc = interrupted_pc(context);
	size_t depth = walk_from(pc, pcs, max);

	/* Code that nobody describes is at least a leaf. */
	if (depth == 0 && max > 0 && pc != 0)
		pcs[depth++] = pc;
	return depth;
}

bool unwind_prepare(void)
{
	uintptr_t pcs[8];

	/* The first time it sets up tables, and its calls are bound. */
	walk_from(0, pcs, sizeof(pcs) / sizeof(*pcs));
	return _dl_find_object != NULL;
}
