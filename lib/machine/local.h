/*
 * local: machines that are processes on this host.
 *
 * A machine gets a listening socket on 127.0.0.1, a session of its own, a
 * pipe for its output, and the boot socket of supervisor/boot.h (over which it
 * asks for its certificate, unless it begins as ec2boot); it dies with
 * the keeper (PDEATHSIG).  When it ends, what it leaves of its session is
 * killed: processes that it orphaned become the keeper's children, which
 * therefore has to be a subreaper.
 *
 * Settings: {"ship": true} begins with ec2boot, the worker that machines of other
 * hosts begin as, to which the keeper then ships the program.
 */
#ifndef MACHINE_LOCAL_H
#define MACHINE_LOCAL_H

#include "machine/system.h"

extern const struct system_ops system_local;

#endif
