/*
 * system: what makes machines.  The contract that local, ec2, ssh and test
 * systems fulfil; they are registered by name in one table (system.c).
 *
 * Only the keeper uses it, on its loop thread; nothing here may block.  A
 * system reports through the callbacks that it is given, any time after the
 * call that caused it.
 */
#ifndef MACHINE_SYSTEM_H
#define MACHINE_SYSTEM_H

#include "base/json.h"
#include "loop/loop.h"
#include "machine/keepalive.h"
#include "machine/strays.h"
#include "rpc/tls.h"

struct system;	      /* one system at work, for one cluster */
struct system_launch; /* one machine of it, the system's own view */

/* What the keeper wants of one machine. */
struct system_order {
	const char *name;    /* "m0" */
	const char *program; /* what to run; NULL: the bare worker */
	char *const *argv;
	char *const *env;    /* the whole environment; NULL: ours */
	const char *work_dir; /* where the program runs: the driver's folder */
	const char *dir;     /* the machine's own folder, in the record, which the
			      * system makes */
	const char *marker;  /* the line that ends the machine's log */
	int procs;	     /* 0: the system's default */
	uint64_t lease_ms;   /* the first lease */
};

/* Told to the keeper; `data` is what system_ops.start got. */
struct system_events {
	/* The address is known and may be dialled; what is not served there yet
	 * is dialled again, until keepalive's time-out.  pid: of the
	 * machine's process, where this host has it; else 0. */
	void (*address)(void *data, const char *address, int procs, pid_t pid);
	/* How far one that has no address yet has come, in a word for people:
	 * "requested".  A literal; may be left out. */
	void (*phase)(void *data, const char *phase);
	/* Bytes of the machine's output; len 0: it is over. */
	void (*output)(void *data, const void *bytes, size_t len);
	/* What its host's owner announces of it, as it comes; may be left
	 * out. */
	void (*notice)(void *data, const struct bigm_notice *notice);
	/* The machine is gone for good, or never came; why->code 0 when it
	 * ended in good order.  The last event but for output. */
	void (*gone)(void *data, const struct bigm_error *why);
};

/* What a system has of its keeper. */
struct system_keeper {
	struct loop *loop;
	const char *cluster;
	const char *bigm_path; /* bigm, which is a bare worker, too */
	uint64_t files; /* that processes here may have open, not being the
			 * keeper itself; 0: as many as it */
	bool no_http;	 /* machines show no pages of their own */
	/* Signs a machine's request; the authority stays with the keeper.
	 * Returns the certificate and authority PEMs, malloc'ed. */
	int (*sign)(void *keeper, const char *request_pem, const char *name,
		    const char *host, char **certificate_pem,
		    char **authority_pem, struct bigm_error *err);
	/* A fresh bootstrap identity, as the text that `ec2boot --identity`
	 * reads (supervisor/bootstrap.h); good for 15 minutes, so it is made
	 * for each launch.  malloc'ed and secret: OPENSSL_cleanse() it before
	 * free().  NULL with *err set. */
	char *(*bootstrap)(void *keeper, struct bigm_error *err);
	/* Finds ec2boot for "linux/amd64" or "linux/arm64"; NULL: what this
	 * host is.  Its path, malloc'ed; NULL with *err that says where it was
	 * looked for. */
	char *(*find_ec2boot)(void *keeper, const char *arch,
			      struct bigm_error *err);
	/* Tells whoever made this cluster, on the loop's thread, what is no
	 * failure, but what somebody may have to do something about. */
	void (*warn)(void *keeper, const char *text);
	void *keeper; /* the first argument of these */
};

/* What a reading came to: len bytes, which are gone when this returns, or why
 * there are none. */
typedef void system_read_fn(void *data, const void *bytes, size_t len,
			    const struct bigm_error *why);

/* Machines that are only thought of. */
struct system_wish {
	int n;
	const char *program; /* its path; NULL: none */
	const char *bundle;  /* for machines that cannot run that; NULL: none */
	char *const *argv;   /* may be NULL */
	const char *const *set; /* settings; see cluster_options */
};

struct system_ops {
	const char *name;
	/* settings: {"ship": true, "set": ["ec2-type=m5.large", …]}, where a
	 * system takes what begins with its own name. */
	struct system *(*new)(const struct system_keeper *keeper,
			      const cJSON *settings, struct bigm_error *err);
	/* Begins one machine.  NULL with *err when it cannot even begin. */
	struct system_launch *(*start)(struct system *system,
				       const struct system_order *order,
				       const struct system_events *events,
				       void *data, struct bigm_error *err);
	/* Ends it at once, whatever it does; gone follows. */
	void (*kill)(struct system_launch *launch);
	/* A machine has not answered one Keepalive; it is asked again.  A
	 * system that can find out whether it is gone does, and tells so by
	 * `gone`, from the loop.  Comes again with each that fails.  NULL: it
	 * knows nothing. */
	void (*keepalive_missed)(struct system_launch *launch);
	/* A machine that runs has not answered Keepalive for too long, and is
	 * about to be killed for *why.  A system that knows more of its host
	 * adds it to *why, or looks for it and logs it.  NULL: it knows
	 * nothing. */
	void (*keepalive_failed)(struct system_launch *launch,
				 struct bigm_error *why);
	/* Adds what is known of the machine to what Keeper.Status tells of it;
	 * NULL: nothing. */
	void (*describe)(const struct system_launch *launch, cJSON *facts);
	/* The same of the cluster as a whole, those that are gone included. */
	void (*describe_all)(const struct system *system, cJSON *facts);
	/* After gone and the end of output. */
	void (*release)(struct system_launch *launch);
	/* True when its machines begin as bare workers and the keeper sends
	 * them the program (Setbinary, Exec). */
	bool (*ships)(const struct system *system);
	/* Its machines are other hosts, whose environment is their own: paths and
	 * secrets of this one's stay here, and only what somebody wants them to
	 * have is added. */
	bool elsewhere;
	/* True when its machines begin with a bootstrap identity: the keeper
	 * dials what `address` tells expecting that, and certifies the machine
	 * before anything else.  NULL: they do not. */
	bool (*bootstraps)(const struct system *system);
	/* The bare worker that its machines begin as, where it ships, which
	 * they get again before they become something else.  NULL: bigm. */
	const char *(*worker)(const struct system *system);
	/* What its machines run: "linux/amd64"; NULL: what this host does.
	 * A system elsewhere says it. */
	const char *(*arch)(const struct system *system);
	/*
	 * Reads a file of a machine's host, of at most limit bytes (more is
	 * BIGM_EEXHAUSTED), and calls done once, later.  It does not go through
	 * the machine, which may be hanging, stopped or gone: `machine` is the
	 * name of any that was started.  path is absolute.  NULL: cannot be
	 * done.
	 */
	void (*read_file)(struct system *system, const char *machine,
			  const char *path, size_t limit, system_read_fn *done,
			  void *data);
	/* The cluster ends, and all its machines are gone: puts away what the
	 * system has made besides them, and calls done once, later.  NULL:
	 * nothing. */
	void (*end)(struct system *system, void (*done)(void *data),
		    void *data);
	void (*free)(struct system *system);
	/*
	 * What a start would do and cost, without doing it, outside of any
	 * keeper; blocks: an object of "text" (for people), "plan" (the same),
	 * "document" (what machines are told; a text), "permissions": [{
	 * "action", "allowed": true, false or null: not known, "why"}], and
	 * "note" (a text), of which any but the first may be missing.  NULL:
	 * nothing is bought here.
	 */
	cJSON *(*plan)(const struct system_wish *wish, struct bigm_error *err);
	/* For machines that outlive their keeper; NULL: none does. */
	const struct system_strays *strays;
	/* How long machines may take to be gone after kill, and `end` after
	 * that, on top of what it takes on this host. */
	unsigned kill_ms, end_ms;
	struct keepalive keepalive; /* where nobody says otherwise */
	int default_procs;
	/* What a machine takes at least of the keeper's own host: open files of
	 * the keeper, processes and threads, and bytes of memory. */
	unsigned host_files;
	int host_processes;
	uint32_t host_memory;
};

/* Every system, and NULL behind the last (systems.c). */
extern const struct system_ops *const system_table[];

/* NULL for a name that is no system's; *err lists those there are. */
const struct system_ops *system_find(const char *name, struct bigm_error *err);

#endif
