/*
 * Where nothing is interposed: in a program under a sanitizer, which stands
 * before the same functions itself.
 */
#include "config.h"

#include "sampler/interpose.h"

enum interposed interpose_seen(void)
{
	return INTERPOSED_NOTHING;
}
