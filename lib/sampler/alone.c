/*
 * Where nothing is interposed: a static program, or one under a sanitizer,
 * which stands before the same functions itself.
 */
#include "config.h"

#include "sampler/interpose.h"

bool interpose_is_on(void)
{
	return false;
}
