/* Every system there is; the first one is the default. */
#include "config.h"

#include "machine/local.h"
#include "ssh/system.h"

const struct system_ops *const system_table[] = {
	&system_local,
	&system_ssh,
	NULL,
};
