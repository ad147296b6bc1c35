/* lib/machine/systems.c, with a line more: bigm as it is with that system. */
#include "config.h"

#include "machine/local.h"
#include "test/system/nice.h"

const struct system_ops *const system_table[] = {
	&system_local,
	&system_nice,
	NULL,
};
