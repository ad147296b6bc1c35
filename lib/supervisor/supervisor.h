/*
 * supervisor: the service "Supervisor", on every machine.
 *
 * bigm-supervisor(7) says more of each.
 *
 * Ping         any value back                              (inline)
 * Info         name, system, arch, version, wire, incarnation, pid, hostname,
 *              procs, digest ("sha256:HEX" of the running program), types
 *              (that Register can make), exec_error (why the last Exec did
 *              not happen; else missing)
 * Services     what the machine serves: names, methods, which are streams
 *              (inline)
 * Getpid       the process id, a number
 * Setargs      ["argv0", …]: arguments for the next Exec
 * Setenv       ["K=V", "K", …]: sets or removes variables at the next Exec
 * Setbinary    stream in: the program for the next Exec, or the part of a
 *              bundle with it (lib/bundle/bundle.h); {digest, size}
 * Has, Fetch, GetBinary   how what is shipped comes here, and goes on to
 *              other machines, see supervisor/fetch.h
 * Exec         null or {"digest": …}: replies, waits for the peer's close
 *              (bounded), and replaces the process by the program
 * Register     {"services": [{"name", "type", "params"}…]}: makes services
 *              (without a list one of every type, under its name); gives
 *              their names; a name that is taken is EEXIST; an init that
 *              fails stops the machine with its message
 * Keepalive    {"interval_ms"}: {"lease_ms", "incarnation", "healthy",
 *              "trouble" (why it is not healthy; else missing)} (inline)
 * Events       what the program tells, see supervisor/tell.h
 * DiskInfo     of the temporary folder: {"path", "total", "used",
 *              "available"}; bytes, here and below, are decimal strings
 * LoadInfo     {"averages": [over 1, 5 and 15 minutes]}
 * MemInfo      {"process": false}: {"system": {"total", "used", "available"},
 *              "process": {"resident", "virtual"}}, the latter on request;
 *              a control group's limit counts, see base/memory.h
 * Expvars      {"cmdline": […], "uptime_s", "calls": {"S.M": as
 *              rpc_stats_json()…}, "out": {PEER: the same of calls made…},
 *              "vars": {NAME: {"kind", "help", "value"…}…}, "memory": as
 *              MemInfo with the process, "disk": as DiskInfo, "load": as
 *              LoadInfo, "http": where its debug pages are}
 * CPUProfile   {"duration_s": 30, "hz": 100, "debug": 0}: stream out: a gzipped
 *              profile.proto; with debug 1 or 2 text
 * Profile      {"name": "heap", "debug": 0}: the same of heap, mutex, block or
 *              threads
 * Profiles     [{"name", "count"}…]: what Profile has: stacks, or threads
 * Run          stream both ways, see supervisor/run.h
 * Activity, Leave   the end of a machine that has nothing to do, see
 *              supervisor/leave.h (inline)
 * Shutdown     {"delay_ms", "message"}: releases the services, ends the log
 *              with the marker, exits 0
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "loop/loop.h"
#include "rpc/server.h"
#include "supervisor/boot.h"
#include "supervisor/intake.h"

/*
 * The life of a machine: serves boot's socket with the Supervisor and, once
 * registered, services of the given types, until Shutdown, Exec, the lease's
 * end or the keeper's.  intake: for uploads that are no plain programs; may be
 * NULL.  Called on the main thread, from which Exec is done.
 * Never returns.
 */
void worker_main(struct boot *boot, int argc, char **argv,
		 const struct bigm_service_type *const *types,
		 const struct intake *intake)
	__attribute__((noreturn));

#endif
