/*
 * request: what the Keeper's methods are asked, taken apart and checked.
 *
 * Pure functions on JSON from a client: every count, name and path that they
 * let through can be used as it is.
 */
#ifndef KEEPER_REQUEST_H
#define KEEPER_REQUEST_H

#include "base/json.h"
#include "keeper/cargo.h"
#include "keeper/output.h"

#define REQUEST_MAX_MACHINES 4096 /* of one Start */
#define REQUEST_MAX_PROCS 65536
#define REQUEST_MAX_MS (366ull * 24 * 3600 * 1000)

/* Keeper.Start. */
struct start_request {
	int n;
	int min;       /* 0: all n, and one that cannot even begin counts too */
	char *program; /* absolute; NULL: the bare worker */
	char *bundle;  /* absolute; for machines that cannot run program, or
			* without one for all; NULL: none */
	bool exec;     /* machines become what the bundle has; else they have
			* it ready for Run */
	char **argv;   /* never NULL; argv[0] is there with a program */
	char **env;    /* NULL: the keeper's own */
	char **wanted_env; /* what machines of other hosts get of it, added to
			    * what they have; NULL: nothing */
	char *dir;     /* absolute; NULL: the keeper's own */
	int procs;     /* 0: the system's default */
	bool replace;  /* a machine that dies gets an heir, see crew.h */
	char *label;   /* as output_is_label(); NULL: none */
	char *use;     /* the token of a loan; NULL: machines of its own */
	int program_fd; /* the keeper's, of the program as it was; -1: none */
	cJSON *services; /* for Supervisor.Register: {"services": […]}; NULL
			  * when there are none */

	struct cargo *cargo; /* the keeper's: what the machines are sent instead
			      * of the program; NULL: nothing */
};

/* NULL with *err set; the error names the member. */
struct start_request *start_request_parse(const cJSON *arg,
					  struct bigm_error *err);
void start_request_free(struct start_request *request);

/* Keeper.Tail. */
struct tail_request {
	char **machines; /* names; NULL: all */
	char *use;	 /* until this loan is over; NULL: no matter */
	bool follow;
	int64_t lines; /* -1: from the start */
	enum output_show show;
};

int tail_request_parse(const cJSON *arg, struct tail_request *request,
		       struct bigm_error *err);
void tail_request_release(struct tail_request *request);

/* The member "use" that Watch, Status and Return may have: a token, which
 * lives as long as arg.  *use stays as it is without. */
int use_request_parse(const cJSON *arg, const char **use,
		      struct bigm_error *err);

/* Keeper.ReadFile. */
#define REQUEST_MAX_FILE (16u << 20)
struct read_request {
	const char *machine; /* these point into the argument */
	const char *path;    /* absolute */
	size_t limit;	     /* of bytes; at most the above */
};

int read_request_parse(const cJSON *arg, struct read_request *request,
		       struct bigm_error *err);

/* Keeper.Ship: an order that has nothing but the bundle. */
struct start_request *ship_request_parse(const cJSON *arg,
					 struct bigm_error *err);

/* Keeper.Scale. */
struct scale_request {
	int n;		     /* machines; may be 0 */
	uint64_t timeout_ms; /* for those that leave; 0: none */
	bool now;	     /* they do not wait */
};

int scale_request_parse(const cJSON *arg, struct scale_request *request,
			struct bigm_error *err);

/* Keeper.Shutdown. */
int shutdown_request_parse(const cJSON *arg, bool *now,
			   struct bigm_error *err);

#endif
