#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>

#include "base/json.h"
#include "rpc_methods.h"

static int echo(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int refuse(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	bigm_error_set(err, BIGM_EEXIST, "there is one already");
	err->retriable = true;
	return err->code;
}

/* Returns when it is canceled, or the gate opens. */
static int wait_canceled(struct bigm_request *req, const struct cJSON *arg,
			 struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);

	s->time_left = bigm_request_time_left(req);
	s->begun++;
	while (!bigm_request_canceled(req) && !s->gate)
		poll(NULL, 0, 1);
	if (bigm_request_canceled(req))
		s->canceled++;
	return 0;
}

/* A connection has its own. */
static int note_peer(struct bigm_request *req, const struct cJSON *arg,
		     struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);

	if (s->peer != rpc_request_peer(req))
		s->changes++;
	s->peer = rpc_request_peer(req);
	return 0;
}

const struct bigm_method rpc_methods[] = {
	{ "Echo", echo, 0 },
	{ "Peer", note_peer, BIGM_INLINE },
	{ "EchoInline", echo, BIGM_INLINE },
	{ "Refuse", refuse, 0 },
	{ "Wait", wait_canceled, 0 },
	{ 0 },
};

struct pair *pair_with(struct shared *s)
{
	return pair_new(&(struct pair_options){ 0 }, rpc_methods, NULL, s);
}

bool has_begun(void *data)
{
	struct shared *s = data;

	return s->begun > 0;
}

bool was_canceled(void *data)
{
	struct shared *s = data;

	return s->canceled > 0;
}

struct bigm_call *start_with(struct rpc_client *client, const char *method,
			     struct bigm_call_options options)
{
	options.size = sizeof(options);
	return rpc_call_start(client, method, NULL, 0, &options);
}

void count_lost(struct rpc_client *client, const struct bigm_error *why,
		void *data)
{
	_Atomic int *lost = data;

	++*lost;
}
