/*
 * Where nothing is interposed: in a program that is linked with an archive of
 * ours but with the shared C library, or under a sanitizer, which stands before
 * the same functions itself.
 */
#include "config.h"

#include "sampler/interpose.h"

enum interposed interpose_seen(void)
{
	return INTERPOSED_NOTHING;
}
