/*
 * unwind: the stack of the calling thread, as addresses.
 *
 * By _Unwind_Backtrace() of libgcc, which reads .eh_frame: programs need no
 * frame pointers.  The leaf stands first.  An address is that of the
 * instruction which runs, or, in a caller, one within its call instruction, as
 * profile.proto wants it.
 *
 * Once unwind_prepare() has returned true the others may be called from a
 * signal's handler: they allocate nothing and take no lock.
 */
#ifndef SAMPLER_UNWIND_H
#define SAMPLER_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNWIND_DEPTH 250 /* frames at most; the outermost are left out */

/* Not in a handler.  False where the C library would lock to find a frame's
 * description: glibc before 2.35. */
bool unwind_prepare(void);

/* The stack of the calling thread from the function on to which `from` returns,
 * which is somebody's __builtin_return_address(0).  Returns the depth, ≤ max. */
size_t unwind_here(uintptr_t *pcs, size_t max, const void *from);

/* What a signal has interrupted: context is the handler's third argument. */
size_t unwind_interrupted(const void *context, uintptr_t *pcs, size_t max);

#endif
