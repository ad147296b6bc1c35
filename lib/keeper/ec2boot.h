/*
 * ec2boot: where the worker is that machines of other hosts begin as, which is
 * also what machines of this one begin as with --ship.
 */
#ifndef KEEPER_EC2BOOT_H
#define KEEPER_EC2BOOT_H

#include "bigm.h"

/*
 * Looks for ec2boot-ARCH beside bigm_path, in the folder ec2 beside that (the
 * build's), and where it is installed.  arch: "linux/amd64", "linux/arm64";
 * NULL: this host's.  The path, malloc'ed; NULL with BIGM_ENOTFOUND, which
 * lists where it was looked for.
 */
char *ec2boot_find(const char *bigm_path, const char *arch,
		   struct bigm_error *err);

#endif
