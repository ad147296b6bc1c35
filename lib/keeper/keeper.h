/*
 * keeper: the process that owns a cluster.
 *
 * Started as `bigm` in an internal role (keeper_main), detached in its own
 * session.  It forks once: the parent stays as the guard, a subreaper that
 * does nothing but wait; the child becomes the keeper.  Whatever the keeper
 * leaves behind when it ends, however it ends, is reparented to the guard,
 * which kills it, removes the cluster's record and socket, and ends: so no
 * kill -9 leaves anything running.  (Kill the guard, and the keeper notices
 * and tears down by itself.)
 *
 * How it is started (lib/machine/hold.c does):
 *
 *	bigm --keeper --version V --wire N [--name NAME] [--system NAME]
 *	     [--log-dir DIR] [--events FILE] [--http ADDR]
 *	     [--http-prefix PATH] [--no-http] [--http-any-user]
 *	     [--keepalive-period TIME] [--keepalive-timeout TIME] [--keepalive-call TIME]
 *	     [--lease TIME] [--lease-first TIME] [--idle-timeout TIME]
 *	     [--set NAME[=VALUE]]… [--ship] [--debug]
 *
 * with fd 3 one end of a socketpair (the hold) and fd 4 the writing end of a
 * pipe (the status), and 0, 1, 2 on /dev/null.  The process that was spawned
 * detaches: it forks the guard and exits with 0 as soon as there is a keeper,
 * so that the client,
 * which may be anybody's program, has no child that stays.  V and N are the
 * client's; another version is refused.  DIR/NAME gets the cluster's output
 * and keeper.log at its end; FILE is told what happens (keeper/events.h); --set
 * gives settings of systems ("ec2-type=m5.large").
 * With --ship machines begin as bare workers and get the program by Setbinary and Exec, also where the system would not need
 * it.  Without a hold the keeper runs until a Shutdown.
 *
 * The hold is a control connection too; requests may wait in it before the
 * keeper serves.  Both guard and keeper have their end of it, so its close
 * tells the client that everything is gone.  When the client goes away
 * without a Release, the keeper tears the cluster down; it watches the pidfd
 * of the client (SO_PEERCRED of the hold) as well, for children of the client
 * may have inherited its end.
 *
 * What keeps a keeper from coming up, or ends it against its will, is told as
 * a JSON object {"code", "message", "retriable"}, a line, on the status pipe (fd 4
 * here) before the hold closes; nothing is written there otherwise.  Of several
 * lines the first is the cause.  A client
 * need not wait for anything: requests that it sends over the hold before the
 * keeper serves stay in the socket's buffer.
 *
 * Control: the RPC protocol of rpc/wire.h without TLS, on the socketpair and
 * on the record's Unix socket (same user only).  The service is "Keeper":
 *
 *	Info      null → {"cluster": NAME, "id": ID, "version", "wire", "pid",
 *		  "started_ns", "record": DIR, "socket": PATH, "system",
 *		  "arch": "linux/amd64" (of machines that are other hosts, and
 *		  so have none of this one's files), "end_ms",
 *		  "http": URL of the debug pages, if there are any,
 *		  "keepalive": {"period", "timeout", "call", "lease",
 *		  "lease_first": seconds}}
 *	Identity  null → {"key", "certificate", "authority": PEM, "id": ID}: a
 *		  driver's identity for calls to the machines
 *	Start     {"n", "program", "bundle", "exec": true, "argv": […],
 *		  "env": […], "wanted_env": […], "dir", "procs",
 *		  "services": [{"name", "type", "params"}…], or "all" for one
 *		  of each of the program's types, "label", "min", "replace"}; "env" is
 *		  the whole environment (absent: the keeper's own), "wanted_env"
 *		  what machines of other hosts get of it, "program"
 *		  absent or null is the bare worker, all but "n" may be absent;
 *		  "bundle" is the path of one (bundle/bundle.h), whose part is
 *		  sent to the machines where there is no program, or theirs is
 *		  another architecture; without "exec" they keep it for
 *		  Supervisor.Run, else they become it; a program that would be
 *		  sent is not, without "exec";
 *		  with "use", a loan's token, n machines that run are taken
 *		  for that instead, see loan.h
 *		  → {"machines": ["m0", …]}: the machines are STARTING.  With
 *		  "min", fewer than n will do where this host cannot hold more,
 *		  or one cannot even begin: those that have begun are named; of
 *		  a loan n are taken or none
 *	Watch     null → stream of JSON lines, one a machine's change, first
 *		  one for every machine there is:
 *		  {"machine": "m0", "index", "state", "phase" of one that is
 *		   STARTING (launching, certifying, shipping, booting, registering: that
 *		   as of now, a new one is no change), "address", "procs",
 *		   "pid", "reason": {code, message, retriable} when STOPPED,
 *		   "start_ns", "running_ns", "label", "ship": {"have", "size": bytes} while
 *		   something is sent to it, "use": {"phase": "taking", "taken"
 *		   or "returning", "program"} of one that is lent}; with
 *		  {"use": TOKEN} those that are lent, as the borrower sees them;
 *		  and, for those who keep up with reading, one each time that
 *		  it has answered a Keepalive, with "keepalive" as in Status
 *	Use       null → a stream that begins with a line {"use": TOKEN} when
 *		  the caller is the only one to use the cluster (bigm run
 *		  --cluster), which it is until it ends the call or goes away;
 *		  EXIST when another is; waits for machines that still go back
 *	Return    {"use": TOKEN} → null, when all machines are what they were
 *	Ship      {"bundle": PATH} → null when every machine that runs has its
 *		  part, ready for Supervisor.Run; what one has is not sent again,
 *		  see ship.h
 *	Scale     {"n": 16, …}: so many machines there shall be, see scale.h
 *	Status    null → {"cluster", …, "used": true when somebody has it,
 *		  "replaced", "idle": see crew.h and idle.h,
 *		  "machines": [as above]}, where a
 *		  machine that has answered a Keepalive and is not STOPPED has
 *		  "keepalive": {"times": ["NS", …], "next": seconds}: how long
 *		  its last ten answers took, the newest first, and when it is
 *		  asked next; with "program" and "bundle", paths, what it runs;
 *		  with {"figures": true} also "figures", as /live/data has
 *		  them (live.h), which the machines are asked for from then on
 *	Tail      {"machines": […] (absent: all), "follow": true, "lines": -1,
 *		  "show": "usual", "all" (with boot output) or "failure" (only
 *		  of machines that failed to come up, keeper/boots.h)}
 *		  → stream of lines "NS MACHINE FLAG TEXT\n", see keeper/output.h;
 *		  ends after the logs of the machines named have ended, or,
 *		  for all, when the cluster ends; without "follow", at the
 *		  present end; with "use", a loan's token, when that is over
 *	Events    {"events": [as Supervisor.Events tells them]} → null: what a
 *		  driver tells the file of events
 *	Cancel    {"machine": "m0"} → null: it is STOPPED with CANCELED and
 *		  killed; nothing happens to one that is STOPPED
 *	ReadFile  {"machine": "m0", "path": "/…", "limit": 16777216} → stream of
 *		  the bytes of a file of the machine's host, which is not asked;
 *		  it may be STOPPED.  "limit" may be absent, and is the most
 *	Farewell  null → stream of JSON lines, first {"going": false}, and
 *		  {"going": true} each time that somebody wants the machines to
 *		  end, or to be given back, in good order: they do so when the
 *		  caller has ended the call, who has fetched by then what he wants
 *		  of them
 *	Vars      stream → stream: for a driver that tells of itself when it is
 *		  asked, see keeper/reporter.h
 *	Page      {"path"} → stream: the content type of that debug page and
 *		  "\n", then the page; an error for one that is an error
 *	Release   null → null: the holder lets go (bigm start)
 *	Shutdown  {"now": false} → null, when all machines are gone and the
 *		  logs are drained; the keeper then ends
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#define KEEPER_ROLE "--keeper" /* bigm's argv[1] */
#define KEEPER_HOLD_FD 3
#define KEEPER_STATUS_FD 4

/* The main program of the internal role.  argv: the arguments after the role;
 * argc their number.  Returns the exit status. */
int keeper_main(int argc, char **argv);

#endif
