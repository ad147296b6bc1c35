/* lib/machine/systems.c, with a line more for each: bigm as it is with those systems. */
#include "config.h"

#include "machine/local.h"
#include "ssh/system.h"
#include "test/system/lost.h"
#include "test/system/nice.h"

const struct system_ops *const system_table[] = {
	&system_local,
	&system_ssh,
	&system_nice,
	&system_lost,
	NULL,
};
