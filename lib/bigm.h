/*
 * bigm.h: one program on many machines.
 *
 * A program that links with libbigm registers service types, calls
 * bigm_init() first thing in main(), and from then on plays one of two roles:
 *
 *   driver   bigm_init() returns a handle.  The program starts machines with
 *            bigm_start(), calls methods on them, and shuts them down.
 *   machine  bigm_init() never returns.  The process serves the Supervisor
 *            and the services that the driver asked for until it is told to
 *            stop, or the keeper that owns it goes away.
 *
 * The whole of a driver:
 *
 *     struct bigm_error err = BIGM_ERROR_INIT;
 *     struct bigm *b = bigm_init(&argc, &argv, types, &err);
 *     struct bigm_machine **m;
 *     struct bigm_service services[] = { { "PI", "PI", NULL }, { 0 } };
 *     int n = bigm_start(b, 8, services, NULL, &m, &err);
 *     for (int i = 0; i < n; i++)
 *         bigm_call(m[i], "PI.Sample", arg, &reply, &err);
 *     bigm_shutdown(b, &err);
 *     bigm_free(b);
 *
 * Errors.  A function that can fail returns 0 (or what it documents) or a
 * negative BIGM_E* code, and fills the caller's struct bigm_error, which may
 * be NULL.
 *
 * Threads.  Handles may be used from any thread.  Callbacks run on the I/O
 * thread of their handle and must not block; a blocking call made there
 * returns BIGM_EDEADLOCK at once.
 *
 * JSON.  Arguments and replies are cJSON trees (<cjson/cJSON.h>); a caller
 * that wants only numbers and strings needs no more than the bigm_json_*
 * helpers below.
 */
#ifndef BIGM_H
#define BIGM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BIGM_API __attribute__((visibility("default")))

struct cJSON;
struct bigm;
struct bigm_machine;
struct bigm_call;
struct bigm_request;
struct bigm_queue;

/* ------------------------------------------------------------------ */
/* Errors                                                              */

/* What went wrong, in kinds that a caller can act on.  The names without
 * "BIGM_E" are what travels on the wire as an error's "code". */
enum bigm_code {
	BIGM_OK = 0,
	BIGM_EINVALID = -1,	  /* an argument is wrong; retrying cannot help */
	BIGM_ENOTFOUND = -2,	  /* no such service, method, machine, file */
	BIGM_EEXIST = -3,	  /* it is there already */
	BIGM_EPERMISSION = -4,	  /* the peer's role may not do this */
	BIGM_EUNAVAILABLE = -5,	  /* the machine is gone or cannot be reached */
	BIGM_ECANCELED = -6,	  /* the caller, or a stop, canceled it */
	BIGM_EDEADLINE = -7,	  /* the deadline passed first */
	BIGM_EEXHAUSTED = -8,	  /* a limit is reached: threads, memory, bytes */
	BIGM_EPROTOCOL = -9,	  /* the peer broke the protocol or its version */
	BIGM_EIO = -10,		  /* the operating system refused */
	BIGM_EDEADLOCK = -11,	  /* a blocking call on the I/O thread */
	BIGM_EUNSUPPORTED = -12,  /* not available here or in this build */
	BIGM_EFAILED = -13,	  /* the method failed for reasons of its own */
};

/*
 * An error, owned by the caller.  Initialise it with BIGM_ERROR_INIT before
 * its first use; it may then be used again and again.
 */
struct bigm_error {
	size_t size;	/* sizeof(struct bigm_error), by BIGM_ERROR_INIT */
	int code;	/* enum bigm_code */
	bool retriable; /* the same call may succeed later, unchanged */
	char text[488]; /* which thing, what was wrong, what to do; one line */
};

#define BIGM_ERROR_INIT { sizeof(struct bigm_error), 0, false, "" }

/*
 * Sets *err (unless NULL) to code and the formatted text, cut with "…" when
 * too long, and returns code, so that `return bigm_error_set(err, …)` reads
 * well.  Line breaks and control characters in the text become spaces.
 */
BIGM_API int bigm_error_set(struct bigm_error *err, int code, const char *fmt,
			    ...) __attribute__((format(printf, 3, 4)));

/* The name of a code as it travels: "NOTFOUND", "DEADLINE", … ("UNKNOWN" for
 * none of ours).  Static storage. */
BIGM_API const char *bigm_code_name(int code);

/* ------------------------------------------------------------------ */
/* Services: what a machine offers                                     */

/* A method's argument or reply is one JSON value unless a flag says so. */
enum bigm_method_flags {
	BIGM_STREAM_ARG = 1 << 0,   /* the argument is a stream of bytes */
	BIGM_STREAM_REPLY = 1 << 1, /* the reply is a stream of bytes */
	BIGM_INLINE = 1 << 2,	    /* runs on the I/O thread; must not block */
};

/*
 * A method.  Runs on a worker thread of the machine (on the I/O thread with
 * BIGM_INLINE), possibly at the same time as other calls on the same service.
 *
 * req    the call; valid until the method returns
 * arg    the parsed argument, owned by the library, NULL with BIGM_STREAM_ARG
 * reply  where to put the reply, NULL on entry; the library frees it; leaving
 *        it NULL replies null; ignored with BIGM_STREAM_REPLY
 * err    to be set when a negative code is returned; travels to the caller
 */
typedef int bigm_method_fn(struct bigm_request *req, const struct cJSON *arg,
			   struct cJSON **reply, struct bigm_error *err);

struct bigm_method {
	const char *name;
	bigm_method_fn *fn;
	unsigned flags; /* enum bigm_method_flags */
};

/*
 * A type of service.  `init` makes one service of the type, on the machine,
 * when the driver's bigm_start() registers it; failing stops that machine
 * with the error's text.  init may dial peers through `b`.  `release` undoes
 * init when the machine shuts down in good order.  Both may be NULL; the
 * state is then NULL.
 */
struct bigm_service_type {
	size_t size; /* sizeof(struct bigm_service_type) */
	const char *name;
	const struct bigm_method *methods; /* ends with a NULL name */
	int (*init)(struct bigm *b, const struct cJSON *params, void **state,
		    struct bigm_error *err);
	void (*release)(void *state);
};

/* The service's state, as init made it. */
BIGM_API void *bigm_request_state(const struct bigm_request *req);

/* The handle of the machine that runs the method. */
BIGM_API struct bigm *bigm_request_bigm(const struct bigm_request *req);

/* True once nobody waits for the reply: the caller canceled, its deadline
 * passed, or its connection broke.  Long methods look from time to time. */
BIGM_API bool bigm_request_canceled(const struct bigm_request *req);

/* Milliseconds until the caller's deadline: 0 when passed, -1 when none. */
BIGM_API int64_t bigm_request_time_left(const struct bigm_request *req);

/*
 * Reads up to len bytes of a stream argument; blocks until there are some.
 * Returns the number of bytes, 0 at the end, or a negative code (canceled,
 * broken connection).
 */
BIGM_API ssize_t bigm_request_read(struct bigm_request *req, void *buf,
				   size_t len, struct bigm_error *err);

/*
 * Writes all of buf to a stream reply; blocks while the caller does not keep
 * up.  Returns 0 or a negative code.  Bytes leave at once; there is nothing
 * to flush.
 */
BIGM_API int bigm_request_write(struct bigm_request *req, const void *buf,
				size_t len, struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* The handle                                                          */

/*
 * Begins.  Call it first in main(), before threads are made and arguments are
 * parsed: on a machine it serves `types` and never returns.  In the driver it
 * removes every -bigm.NAME=VALUE and --bigm.NAME=VALUE from argc/argv, notes
 * the rest for the machines (they see the same command line), and returns a
 * handle; nothing is started yet.
 *
 * A program may have several handles, each with a cluster of its own; under
 * `bigm run` the first one has that of bigm.
 *
 * types  the service types of this program, a NULL-terminated list that must
 *        live as long as the handle; may be NULL
 *
 * Returns NULL with *err set for a bad option or setting.
 */
BIGM_API struct bigm *bigm_init(int *argc, char ***argv,
				const struct bigm_service_type *const *types,
				struct bigm_error *err);

/* Frees the handle; does bigm_shutdown() first where that was not done. */
BIGM_API void bigm_free(struct bigm *b);

/* The version of the library that runs, such as "0.1.0". */
BIGM_API const char *bigm_version(void);

/*
 * The program's arguments: NULL-terminated, argv[0] first, their number in
 * *argc (unless NULL).  In the driver as bigm_init() left them; on a machine
 * the driver's, so that a service can be told things by the command line.
 */
BIGM_API char *const *bigm_argv(const struct bigm *b, int *argc);

/*
 * On a machine, its own address, for a peer to bigm_dial(); "" in the driver,
 * which nobody can dial.  Lives as long as the handle.
 */
BIGM_API const char *bigm_address(const struct bigm *b);

/* False on a machine. */
BIGM_API bool bigm_is_driver(const struct bigm *b);

/* What Supervisor.Info would say of this process, see bigm_machine_info(). */
struct bigm_info;
BIGM_API int bigm_local_info(struct bigm *b, struct bigm_info *info,
			     struct bigm_error *err);

/* A service that every machine of one bigm_start() shall have. */
struct bigm_service {
	const char *name;   /* as called: "PI" in "PI.Sample" */
	const char *type;   /* a registered type's name; NULL: same as name */
	const char *params; /* JSON for the type's init; NULL: null */
};

struct bigm_start_options {
	size_t size;	 /* sizeof(struct bigm_start_options) */
	int default_n;	 /* when neither n nor -n says: 0 means 1 */
	int procs;	 /* processors per machine; 0: the system's default */
	/* "K=V" for the machines; NULL-terminated; the later of one name
	 * wins, and any over our own environment. */
	const char *const *env;
	/* Stands in logs behind the machine's name, "m0/LABEL: …": up to 31
	 * letters, digits, '.', '_' or '-'; NULL: none. */
	const char *label;
	/* More lists of services, NULL-terminated; of several with one name
	 * the last one counts. */
	const struct bigm_service *const *more_services;
	/* What the machines run; NULL: this program.  Another program of
	 * libbigm has service types of its own. */
	const char *program;
	/* Its arguments, argv[0] first, NULL-terminated.  NULL: this program's
	 * as they were given to it; another's has none but its name. */
	const char *const *argv;
	/* For tests: where a system begins with the bare worker, to which the
	 * keeper sends the program, that is left out: such machines have the
	 * Supervisor only. */
	bool no_exec;
};

/*
 * Starts up to n machines with the given services (ended by an entry with a
 * NULL name; none at all is BIGM_EINVALID).  n = 0 means what `bigm run -n`
 * or the setting n said, and then fewer are a failure; else
 * options->default_n.  Returns at once, with the machines STARTING: calls to
 * them wait until they are RUNNING.  May be called again and again, also after
 * bigm_shutdown(): then it begins a new cluster.
 *
 * machines  set to an array of the machines, to be freed by free(); the
 *	     machines themselves belong to b and live until bigm_free()
 *
 * Returns the number of machines, which is from 1 to n, or a negative code.
 */
BIGM_API int bigm_start(struct bigm *b, int n,
			const struct bigm_service *services,
			const struct bigm_start_options *options,
			struct bigm_machine ***machines,
			struct bigm_error *err);

/*
 * Stops all machines: lets them release their services, waits for the last
 * line of their output, and for every process of the cluster to be gone.
 * Blocks, at most about 2 seconds.  Doing it twice is no error.  The machines
 * stay, as STOPPED ones, until bigm_free().
 */
BIGM_API int bigm_shutdown(struct bigm *b, struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* Machines                                                            */

/* States only ever move forward. */
enum bigm_state {
	BIGM_UNSTARTED,
	BIGM_STARTING,
	BIGM_RUNNING,
	BIGM_STOPPED, /* for good; bigm_machine_error() has the reason */
};

BIGM_API const char *bigm_state_name(enum bigm_state state);

/* "m0", "m1", …; lives as long as the machine. */
BIGM_API const char *bigm_machine_name(const struct bigm_machine *m);

/* "https://127.0.0.1:40123/", or "" before it is known. */
BIGM_API const char *bigm_machine_address(const struct bigm_machine *m);

/* The HOST of the address, without brackets; "" before it is known. */
BIGM_API const char *bigm_machine_hostname(const struct bigm_machine *m);

/* True for a machine of our own cluster, which its keeper keeps alive and
 * ends; false for one that was dialled (bigm_dial). */
BIGM_API bool bigm_machine_owned(const struct bigm_machine *m);

/* How many processors the machine has for us (≥ 1 once RUNNING). */
BIGM_API int bigm_machine_maxprocs(const struct bigm_machine *m);

BIGM_API enum bigm_state bigm_machine_state(const struct bigm_machine *m);

/*
 * Blocks until m is in `state` or past it.  Returns 0 when the machine is in
 * that state or (for UNSTARTED, STARTING) past it; waiting for RUNNING on a
 * machine that is STOPPED returns the code of its reason.  timeout_ms < 0
 * waits for ever; running out of time is BIGM_EDEADLINE.
 */
BIGM_API int bigm_machine_wait(struct bigm_machine *m, enum bigm_state state,
			       int64_t timeout_ms, struct bigm_error *err);

/*
 * The machine of the same cluster at `address`, for services that call their
 * peers (and for drivers that were told an address).  It counts as RUNNING,
 * and is watched by pings: as long as it cannot be reached its calls fail, as
 * retriable, and when that has been so for about 30 s it is STOPPED, with the
 * reason.  The same address gives the same machine, or, after it has STOPPED,
 * a new one; it belongs to b and lives until bigm_free().  BIGM_EINVALID for an
 * address that is none.
 */
BIGM_API struct bigm_machine *bigm_dial(struct bigm *b, const char *address,
					struct bigm_error *err);

/*
 * All machines known to b: those that were started since the last
 * bigm_shutdown(), also when they have STOPPED, and those that were dialled and
 * have not.  Sets *machines to an array of them, to be freed by free(); returns
 * their number.
 */
BIGM_API int bigm_machines(struct bigm *b, struct bigm_machine ***machines);

/* Why a STOPPED machine stopped: returns the code and fills *err; 0 in any
 * other state, and after a shutdown that was asked for. */
BIGM_API int bigm_machine_error(const struct bigm_machine *m,
				struct bigm_error *err);

/*
 * What machines tell of themselves.  Set the structure's size; the functions
 * fill in the rest.  They call the machine's Supervisor, and so block, wait for
 * a machine that is STARTING, and fail as bigm_call() does.
 */

/* Of a machine's process, or our own (bigm_local_info). */
struct bigm_info {
	size_t size;	      /* sizeof(struct bigm_info) */
	char system[65];      /* "Linux" */
	char arch[65];	      /* "x86_64" */
	char hostname[65];    /* as the host calls itself */
	char digest[72];      /* of the running program: "sha256:…" */
	char version[32];     /* of libbigm */
	int64_t pid;
	uint64_t incarnation; /* one more with each Exec; 0: the driver */
};
BIGM_API int bigm_machine_info(struct bigm_machine *m, struct bigm_info *info,
			       struct bigm_error *err);

/* Bytes of memory, of the machine's host (or its control group, where that is
 * less), and, if asked for, of its process. */
struct bigm_mem_info {
	size_t size; /* sizeof(struct bigm_mem_info) */
	uint64_t total, used, available;
	uint64_t process_resident, process_virtual; /* 0: not asked for */
};
BIGM_API int bigm_machine_mem_info(struct bigm_machine *m, bool process,
				   struct bigm_mem_info *info,
				   struct bigm_error *err);

/* Bytes of the file system of the machine's temporary folder. */
struct bigm_disk_info {
	size_t size; /* sizeof(struct bigm_disk_info) */
	uint64_t total, used, available;
	char path[1024]; /* of the folder; cut to fit */
};
BIGM_API int bigm_machine_disk_info(struct bigm_machine *m,
				    struct bigm_disk_info *info,
				    struct bigm_error *err);

/* Load averages of the machine's host, over 1, 5 and 15 minutes. */
struct bigm_load_info {
	size_t size; /* sizeof(struct bigm_load_info) */
	double averages[3];
};
BIGM_API int bigm_machine_load_info(struct bigm_machine *m,
				    struct bigm_load_info *info,
				    struct bigm_error *err);

/*
 * How the keeper keeps a machine of ours alive, as it told us last; asks
 * nobody.  A machine that was dialled has no times and no next one.
 */
struct bigm_keepalive_info {
	size_t size; /* sizeof(struct bigm_keepalive_info) */
	int ntimes;  /* of the following: 10 or fewer */
	uint64_t times_ns[10]; /* that the last replies took, newest first */
	int64_t next_ms; /* until the next is due: 0: now, -1: there is none */
};
BIGM_API int bigm_machine_keepalive_info(const struct bigm_machine *m,
					 struct bigm_keepalive_info *info,
					 struct bigm_error *err);

/*
 * Gives the machine up: it becomes STOPPED with BIGM_ECANCELED, and so do all
 * calls that are pending; the keeper ends it at once, without letting it
 * release its services.  A machine that is not ours lives on; we just call it
 * no more.  Returns at once, on any thread; nothing happens to a machine that
 * is STOPPED.
 */
BIGM_API void bigm_machine_cancel(struct bigm_machine *m);

/*
 * Notices: whom a machine's host belongs to announces that it will take it
 * back, or may.  EC2 does with spot instances, two minutes ahead.  From then on
 * the machine is draining: it is RUNNING as before, and takes calls, since only
 * the program knows what to save and where to go on; but bigm begins nothing
 * new on it, neither ranks of `bigm run --cluster` nor what that is lent.
 */
enum bigm_notice_kind {
	BIGM_NOTICE_REBALANCE = 1, /* it may be taken back soon */
	BIGM_NOTICE_SCALE_DOWN,	   /* the cluster shall have fewer machines: it
				    * ends once no call to it is under way */
	BIGM_NOTICE_INTERRUPTION,  /* it will be taken back */
};

struct bigm_notice {
	size_t size; /* sizeof(struct bigm_notice) of the library */
	enum bigm_notice_kind kind;
	uint64_t at_ns; /* when it will be, or, of a scale-down, at the latest;
			 * of a rebalance, when that was recommended: ns since
			 * 1970, by the other side's clock; 0: not said */
	char text[256]; /* which host, who says so, and what; one line */
};

/* Runs on the I/O thread, and must not block.  The notice is gone when it
 * returns. */
typedef void bigm_notice_fn(struct bigm_machine *m,
			    const struct bigm_notice *notice, void *data);

/*
 * Runs fn for each notice of a machine that b has started, within seconds of
 * its appearance: at once, before this returns, for those that have one
 * already; then once for each that is graver than the machine's one before, or
 * tells another time.  Any time, also before bigm_start(); the last call
 * counts; fn NULL: none.  No fn of before runs any more when it has returned.
 * Returns 0, BIGM_EDEADLOCK on the I/O thread, or BIGM_EUNSUPPORTED on a
 * machine, which starts none.
 */
BIGM_API int bigm_on_notice(struct bigm *b, bigm_notice_fn *fn, void *data,
			    struct bigm_error *err);

/* True once there has been a notice, whichever state the machine is in. */
BIGM_API bool bigm_machine_draining(const struct bigm_machine *m);

/*
 * Reads a file of m's host, of at most 16 MiB; m is a machine that b has
 * started.  It does not go through the machine, which may be STOPPED or
 * hanging.
 *
 * path   absolute, of a regular file
 * bytes  set to the file's bytes, and a NUL behind the last, to be freed by
 *	  free(); NULL on failure
 *
 * Blocks.  Returns 0 or a negative code: BIGM_ENOTFOUND, BIGM_EPERMISSION,
 * BIGM_EEXHAUSTED for a longer one, BIGM_EUNSUPPORTED where the system cannot do
 * it.
 */
BIGM_API int bigm_read_file(struct bigm *b, struct bigm_machine *m,
			    const char *path, void **bytes, size_t *len,
			    struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* Calls                                                               */

struct bigm_call_options {
	size_t size;	     /* sizeof(struct bigm_call_options) */
	uint64_t timeout_ms; /* 0: none; travels to the method */
	bool stream_arg;     /* feed it with bigm_call_write() */
	bool stream_reply;   /* take it with bigm_call_read() */
	/*
	 * Called once, on the I/O thread, when the call is over (for a stream
	 * reply: when its last byte has been read, or it broke).  May free the
	 * call.  NULL: none.
	 */
	void (*on_done)(struct bigm_call *call, void *data);
	void *data;		  /* for on_done, and bigm_call_data() */
	struct bigm_queue *queue; /* where to put the finished call, or NULL */
};

/*
 * Calls SERVICE.METHOD on m and waits for the reply.  A call to a machine
 * that is STARTING waits for it; to one that is STOPPED it fails at once with
 * the reason.
 *
 * arg    the argument; NULL is null; stays the caller's
 * reply  set to the reply, to be freed with bigm_json_free(); may be NULL
 *
 * Returns 0, the method's own error, or what kept the call from its reply.
 */
BIGM_API int bigm_call(struct bigm_machine *m, const char *method,
		       const struct cJSON *arg, struct cJSON **reply,
		       struct bigm_error *err);

/*
 * As bigm_call(), and calls again as long as the error says that this can
 * help (err->retriable): after 1 s, then after 1.5 times as long as before, at
 * most 5 s.  Such are a machine that cannot be reached, or takes no call just
 * now; a call whose connection broke may have run, so the method should bear
 * to be called twice.  A machine that is STOPPED ends it.  timeout_ms bounds
 * all of it, waiting and calls (0: nothing does); BIGM_EDEADLINE then tells
 * the last error.
 */
BIGM_API int bigm_call_retry(struct bigm_machine *m, const char *method,
			     const struct cJSON *arg, uint64_t timeout_ms,
			     struct cJSON **reply, struct bigm_error *err);

/*
 * Starts a call and returns at once; thousands may be in flight.  arg is
 * copied.  Never NULL: what goes wrong is told by wait, on_done or the queue.
 * The call is freed with bigm_call_free(), at any time.
 */
BIGM_API struct bigm_call *
bigm_call_start(struct bigm_machine *m, const char *method,
		const struct cJSON *arg,
		const struct bigm_call_options *options);

/* Blocks until the call is over.  Returns 0 or its error.  For a stream reply
 * this means: read to its end, or broken. */
BIGM_API int bigm_call_wait(struct bigm_call *call, struct bigm_error *err);

/* As bigm_call_wait(), without blocking; 1 when the call is not over. */
BIGM_API int bigm_call_status(struct bigm_call *call, struct bigm_error *err);

/* The reply of a call that is over, parsed; to be freed with bigm_json_free().
 * NULL for a call that failed, a stream, or when taken already. */
BIGM_API struct cJSON *bigm_call_take_reply(struct bigm_call *call);

/* The options' data. */
BIGM_API void *bigm_call_data(const struct bigm_call *call);

/* Ends a call early: it finishes with BIGM_ECANCELED, the method is told.
 * Idempotent; nothing happens to a call that is over. */
BIGM_API void bigm_call_cancel(struct bigm_call *call);

/* Cancels the call if it is not over, and gives it back.  No callback comes
 * after it returns, but for one that runs already. */
BIGM_API void bigm_call_free(struct bigm_call *call);

/* Streams of a call, as bigm_request_read() and bigm_request_write(). */
BIGM_API ssize_t bigm_call_read(struct bigm_call *call, void *buf, size_t len,
				struct bigm_error *err);
BIGM_API int bigm_call_write(struct bigm_call *call, const void *buf,
			     size_t len, struct bigm_error *err);
/* Ends a stream argument: the method reads 0. */
BIGM_API int bigm_call_end(struct bigm_call *call, struct bigm_error *err);

/*
 * A completion queue: one thread serves thousands of calls.  Calls started
 * with options.queue arrive here when they are over, in that order.
 */
BIGM_API struct bigm_queue *bigm_queue_new(void);
/* The next finished call; blocks up to timeout_ms (< 0: for ever); NULL when
 * the time is up. */
BIGM_API struct bigm_call *bigm_queue_next(struct bigm_queue *q,
					   int64_t timeout_ms);
/* Frees the queue; its calls must have been freed. */
BIGM_API void bigm_queue_free(struct bigm_queue *q);

/* ------------------------------------------------------------------ */
/* Variables                                                           */

/*
 * Figures and texts that a program publishes of itself, in the driver and on
 * machines, for people who look into a cluster that runs: the keeper shows them
 * at /debug/vars and to Prometheus at /metrics, Supervisor.Expvars gives a
 * machine's.  They cost nothing while nobody looks but their updates, which are
 * a few atomic instructions, on any thread.
 *
 * A variable belongs to its handle and lives as long; on a machine that is the
 * one of bigm_request_bigm() and of a service's init.  Making one that is there
 * gives the same again.  Names are letters, digits and '_', beginning with a
 * letter, up to 100 bytes; those that begin with "bigm_" are the library's.
 *
 * help  one line for people; copied
 *
 * They return NULL with *err set: BIGM_EINVALID for such a name, BIGM_EEXIST
 * where another kind has it, BIGM_EEXHAUSTED for more than 1000 of one handle.
 * Updates of NULL do nothing, so that a program may go on without.
 */
struct bigm_var;

/* A count of what has happened, which only grows. */
BIGM_API struct bigm_var *bigm_var_counter(struct bigm *b, const char *name,
					   const char *help,
					   struct bigm_error *err);
BIGM_API void bigm_var_count(struct bigm_var *counter, uint64_t n);

/* A figure that goes up and down. */
BIGM_API struct bigm_var *bigm_var_gauge(struct bigm *b, const char *name,
					 const char *help,
					 struct bigm_error *err);
BIGM_API void bigm_var_set(struct bigm_var *gauge, double value);
BIGM_API void bigm_var_add(struct bigm_var *gauge, double value);

/*
 * How often values were how large: counted by upper bounds, which rise; a last
 * bucket, for all that is larger, is there by itself.  n ≤ 100; bounds NULL, for
 * times in seconds: 1, 2.5 and 5 times 0.1 ms to 10 s.
 */
BIGM_API struct bigm_var *bigm_var_histogram(struct bigm *b, const char *name,
					     const char *help,
					     const double *bounds, int n,
					     struct bigm_error *err);
BIGM_API void bigm_var_observe(struct bigm_var *histogram, double value);

/* A text, at most 1000 bytes of which are kept. */
BIGM_API struct bigm_var *bigm_var_string(struct bigm *b, const char *name,
					  const char *help,
					  struct bigm_error *err);
BIGM_API void bigm_var_set_string(struct bigm_var *string, const char *value);

/* Any JSON value, made when somebody looks: fn runs on any thread, the I/O
 * thread too, and must not block; NULL shows as null.  A number is shown to
 * Prometheus as a gauge. */
typedef struct cJSON *bigm_var_fn(void *data);
BIGM_API struct bigm_var *bigm_var_function(struct bigm *b, const char *name,
					    const char *help, bigm_var_fn *fn,
					    void *data, struct bigm_error *err);

/*
 * A debug page, for a program that has an HTTP server of its own: what the
 * keeper shows at `path`, "/metrics" or "/debug/vars"; on a machine what that
 * shows of itself.  bigm-debug(7) has all paths.
 *
 * type  set to the content type, body to the page and a NUL behind its len
 *	 bytes; both to be freed by free(); untouched on failure
 *
 * Blocks.  Returns 0 or a negative code: BIGM_ENOTFOUND for a path without a
 * page, BIGM_EUNAVAILABLE in a driver that has no cluster.
 */
BIGM_API int bigm_debug_page(struct bigm *b, const char *path, char **type,
			     void **body, size_t *len, struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* Events                                                              */

/*
 * Tells an event to the file of the cluster (`bigm run --events FILE`, see
 * bigm-events(7)), from the driver or a machine: a type and pairs of a key and
 * its value, strings, ended by NULL.
 *
 *	bigm_event(b, "round", "number", "3", "loss", text, NULL);
 *
 * A type, or a key, is up to 64 letters, digits, '_', '.', ':', '/' or '-'; a
 * type does not begin with "bigm:", and no key is "ns", "type", "cluster" or
 * "machine".  An event has at most 64 fields and 16 KiB.
 *
 * Any thread, also the I/O thread; never blocks.  When nobody fetches events,
 * since there is no such file or since they are too many, some are dropped, which
 * the file counts.  Returns 0, BIGM_EINVALID, or BIGM_EEXHAUSTED for one that
 * was dropped at once.
 */
BIGM_API int bigm_event(struct bigm *b, const char *type, ...)
	__attribute__((sentinel));

/* The same with fields that are strings, numbers or booleans, of an object,
 * which stays the caller's; NULL: none. */
BIGM_API int bigm_event_json(struct bigm *b, const char *type,
			     const struct cJSON *fields,
			     struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* JSON                                                                */

/*
 * Formats like printf and parses the result; for arguments and replies that
 * are written at one go: bigm_json("{\"n\": %d}", n).  Strings must be safe
 * to stand between quotes.  Ends the process on a format that is no JSON.
 */
BIGM_API struct cJSON *bigm_json(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
BIGM_API void bigm_json_free(struct cJSON *json);

/*
 * Typed members of an object; `name` NULL means the value itself.  Each
 * refuses a value that is missing, of another type or out of range, with an
 * error that names the member and shows what was there.  Integers are numbers
 * up to 2^53 or decimal strings.
 */
BIGM_API int bigm_json_get_int64(const struct cJSON *json, const char *name,
				 int64_t *value, struct bigm_error *err);
BIGM_API int bigm_json_get_uint64(const struct cJSON *json, const char *name,
				  uint64_t *value, struct bigm_error *err);
BIGM_API int bigm_json_get_double(const struct cJSON *json, const char *name,
				  double *value, struct bigm_error *err);
BIGM_API int bigm_json_get_bool(const struct cJSON *json, const char *name,
				bool *value, struct bigm_error *err);
/* *value points into json. */
BIGM_API int bigm_json_get_string(const struct cJSON *json, const char *name,
				  const char **value, struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* The mark of a bigm program                                          */

/*
 * An ELF note, "bigm" type 1, by which `bigm run` tells a driver from a plain
 * program.  It comes from this header, since a note inside a shared libbigm
 * would not be in the program.
 */
#ifndef BIGM_NO_NOTE
__asm__(".pushsection .note.bigm, \"a\", %note\n"
	"	.balign 4\n"
	"	.long 5, 4, 1\n" /* name size, payload size, type */
	"	.asciz \"bigm\"\n"
	"	.balign 4\n"
	"	.long 1\n" /* wire version */
	"	.popsection\n");
#endif

#ifdef __cplusplus
}
#endif

#endif /* BIGM_H */
