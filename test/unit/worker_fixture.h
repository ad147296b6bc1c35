/*
 * worker_fixture: a real machine process for a test, and its keeper's side.
 *
 * The machine is the test's own program, started again with BIGM_BOOT; the
 * test's main() begins with fixture_main(), which serves when it is wanted.
 * It registers the types "Echo" and "Bad", see worker_machine.c.  What begins
 * with TOY it unpacks: into the file "app" of a folder, the name of which ends
 * with TOY_COMING until all of it is good.
 */
#ifndef TEST_WORKER_FIXTURE_H
#define TEST_WORKER_FIXTURE_H

#include "forge.h"
#include "keeper/authority.h"
#include "loop/loop.h"
#include "rpc/client.h"
#include "base/json.h"

#define FIXTURE_CALLERS 16
#define TOY "toy\n"
#define TOY_COMING ".coming"
#define FIXTURE_MARKER "-- the log of m0 is over --"

struct fixture {
	struct authority *authority;
	struct forge *forge; /* the authority instead, or NULL */
	const char *machine; /* what runs as that; NULL: the test's own program */
	char dir[64];	   /* the machine's own folder */
	char *address;
	pid_t pid;	   /* of the machine; 0: reaped */
	int keeper_fd;	   /* our end of the boot socket; -1: closed */
	int out_fd;	   /* what the machine prints */
	struct loop *loop;
	struct rpc_client *client; /* the keeper's */
	/* The clients, the first one the keeper's, and who they are. */
	struct caller {
		struct identity *id;
		struct tls_context *tls;
		struct rpc_client *client;
	} callers[FIXTURE_CALLERS];
	int ncallers;
};

/* Becomes a machine when the environment says so; else returns. */
void fixture_main(int argc, char **argv);

/* A machine with a first lease of so long, and a client as `role`. */
struct fixture *fixture_new(uint64_t lease_ms);
void fixture_free(struct fixture *f);

/* The machine is that program, a bare worker. */
struct fixture *fixture_new_bare(const char *machine, uint64_t lease_ms);

/* A machine of forge's cluster, which fixture_forged() may call.  The forge
 * stays the caller's. */
struct fixture *fixture_new_forged(struct forge *forge);
struct rpc_client *fixture_forged(struct fixture *f, struct forge *forge,
				  const struct forge_order *order);

/* Another client of the same machine; fixture_free() frees it. */
struct rpc_client *fixture_client(struct fixture *f, enum role role);

/* One call, 20 s; the reply, or NULL with *err.  arg NULL: null. */
cJSON *call_as(struct rpc_client *client, const char *method, const char *arg,
	       struct bigm_error *err);
cJSON *call(struct fixture *f, const char *method, const char *arg,
	    struct bigm_error *err);
/* The same, and it has to succeed, or to fail with the code. */
cJSON *call_ok(struct fixture *f, const char *method, const char *arg);
void call_fails(struct fixture *f, const char *method, const char *arg,
		int code, const char *word);

/* Sends bytes as a stream argument. */
cJSON *call_stream(struct fixture *f, const char *method, const void *bytes,
		   size_t len, struct bigm_error *err);
/* Reads a stream reply to its end. */
int call_read(struct fixture *f, const char *method, struct buffer *reply,
	      struct bigm_error *err);

/* Reads this much of what the machine prints, and it has to be this. */
void fixture_await(struct fixture *f, const char *text);
/* All that the machine prints until it closes its output. */
char *fixture_output(struct fixture *f);
/* Its wait status; -1 when it lives after timeout_ms. */
int fixture_wait(struct fixture *f, int timeout_ms);
/* The next "failed" over the boot socket, malloc'ed. */
char *fixture_failed(struct fixture *f);

#endif
