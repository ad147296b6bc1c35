/* bigm-ec2's systems: bigm's, and the one whose libraries bigm does not load. */
#include "config.h"

#include "ec2/system.h"
#include "machine/local.h"
#include "ssh/system.h"

const struct system_ops *const system_table[] = {
	&system_local,
	&system_ssh,
	&system_ec2,
	NULL,
};
