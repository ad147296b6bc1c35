/*
 * system: machines on hosts that one owns, reached by SSH.
 *
 * Nothing is installed there: each machine is an ec2boot that comes over SSH
 * into a folder of its own, is certified by the keeper over its TCP port as
 * an instance is, and goes with its folder (ssh/guest.h) when it ends, when the
 * SSH connection does, or when its lease is over.
 */
#ifndef SSH_SYSTEM_H
#define SSH_SYSTEM_H

#include "machine/system.h"

extern const struct system_ops system_ssh;

#endif
