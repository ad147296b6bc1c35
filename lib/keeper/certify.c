#include "config.h"

#include "keeper/certify.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "loop/backoff.h"
#include "rpc/client.h"
#include "rpc/connection.h"

#define CALL_MS 10000 /* for the connection, and for one call */

struct certify {
	struct certify_order order;
	char *name, *cluster, *address, *marker, *host;
	struct rpc_client *client;
	struct bigm_call *call;
	struct backoff backoff;
	struct loop_timer timer; /* for the next try */
	uint64_t end_ns;
	char *request, *answer; /* of the one key; NULL: not signed yet */
	bool sent;		/* the answer may have arrived */
	void (*done)(void *data, const struct bigm_error *why);
	void *data;
};

void certify_free(struct certify *c)
{
	if (!c)
		return;
	loop_timer_stop(c->order.loop, &c->timer);
	bigm_call_free(c->call);
	rpc_client_free(c->client);
	free(c->name);
	free(c->cluster);
	free(c->address);
	free(c->marker);
	free(c->host);
	free(c->request);
	free(c->answer);
	free(c);
}

static void ask(struct certify *c);

static void on_timer(struct loop_timer *timer)
{
	ask(loop_container(timer, struct certify, timer));
}

/* That nobody is there yet, or the way is bad, passes. */
static bool passes(const struct bigm_error *why)
{
	return why->code == BIGM_EUNAVAILABLE || why->code == BIGM_EDEADLINE ||
	       why->code == BIGM_EIO;
}

static void failed(struct certify *c, const struct bigm_error *how)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	uint64_t now = loop_now_ns();
	char waited[DURATION_TEXT];

	/* It has left its bootstrap identity behind, so it has its certificate,
	 * only we were not told; who dials it now will see. */
	if (c->sent && how->code == BIGM_EPERMISSION) {
		c->done(c->data, NULL);
		return;
	}
	if (passes(how) && now < c->end_ns) {
		loop_timer_start(c->order.loop, &c->timer,
				 backoff_next(&c->backoff), on_timer);
		return;
	}
	error_copy(&why, how);
	if (passes(how))
		bigm_error_set(&why, how->code,
			       "could not be certified within %s: %s",
			       duration_text(c->order.limit_ms, waited),
			       how->text);
	else
		error_prefix(&why, "cannot be certified");
	c->done(c->data, &why);
}

static void start_call(struct certify *c, const char *method, const char *arg,
		       void (*on_done)(struct bigm_call *call, void *data))
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = CALL_MS,
		.on_done = on_done,
		.data = c,
	};

	c->call = rpc_call_start(c->client, method, arg, arg ? strlen(arg) : 0,
				 &options);
}

/* The call is over: its status and, if it succeeded, its reply. */
static int end_call(struct certify *c, struct bigm_call *call, cJSON **reply,
		    struct bigm_error *why)
{
	int rc = bigm_call_status(call, why);

	if (rc == 0)
		*reply = bigm_call_take_reply(call);
	c->call = NULL;
	bigm_call_free(call);
	return rc;
}

static void on_certified(struct bigm_call *call, void *data)
{
	struct certify *c = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = NULL;

	if (end_call(c, call, &reply, &why) < 0)
		failed(c, &why);
	else
		c->done(c->data, NULL);
}

static int sign(struct certify *c, const char *request, struct bigm_error *err)
{
	AUTO_FREE char *certificate = NULL, *authority = NULL;
	AUTO_JSON cJSON *answer = NULL;

	if (c->order.sign(c->order.keeper, request, c->name, c->host,
			  &certificate, &authority, err) < 0)
		return err->code;
	answer = signing_answer(&c->order.facts, certificate, authority);
	c->answer = json_print(answer);
	c->request = xstrdup(request);
	return 0;
}

static int take_request(struct certify *c, const cJSON *reply,
			struct bigm_error *err)
{
	const char *request;

	if (signing_check_request(reply, &request, err) < 0)
		return BIGM_EPROTOCOL;
	if (!c->request)
		return sign(c, request, err);
	if (strcmp(request, c->request) == 0)
		return 0;
	return bigm_error_set(err, BIGM_EFAILED,
			      "%s: another machine asks for its certificate "
			      "there than at first", c->address);
}

static void on_request(struct bigm_call *call, void *data)
{
	struct certify *c = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = NULL;

	if (end_call(c, call, &reply, &why) < 0 ||
	    take_request(c, reply, &why) < 0) {
		failed(c, &why);
		return;
	}
	c->sent = true;
	start_call(c, "Bootstrap.Certify", c->answer, on_certified);
}

static void ask(struct certify *c)
{
	start_call(c, "Bootstrap.SigningRequest", NULL, on_request);
}

static int open_client(struct certify *c, struct bigm_error *err)
{
	struct connection_target parts = { 0 };
	struct rpc_target target = {
		.address = c->address,
		.fd = -1,
		.tls = c->order.tls,
		.expect = { .role = ROLE_BOOTSTRAP },
		.connect_timeout_ms = CALL_MS,
		.at_once = true,
	};
	int rc = connection_parse_address(c->address, &parts, err);

	if (rc < 0)
		return rc;
	c->host = xstrdup(parts.host ? parts.host : "");
	connection_target_release(&parts);
	snprintf(target.expect.cluster, sizeof(target.expect.cluster), "%s",
		 c->cluster);
	return rpc_client_open(c->client, &target, err);
}

/* The strings become ours, wherever they are asked for. */
static void copy_facts(struct certify *c)
{
	struct signing_facts *facts = &c->order.facts;

	facts->name = c->name = xstrdup(facts->name);
	facts->cluster = c->cluster = xstrdup(facts->cluster);
	facts->address = c->address = xstrdup(facts->address);
	facts->marker = c->marker = xstrdup(facts->marker);
	facts->dir = ""; /* its own business */
}

struct certify *certify_start(const struct certify_order *order,
			      void (*done)(void *data,
					   const struct bigm_error *why),
			      void *data, struct bigm_error *err)
{
	struct certify *c = xcalloc(1, sizeof(*c));

	c->order = *order;
	copy_facts(c);
	c->client = rpc_client_new(order->loop, c->name);
	/* It serves a moment after it has been told of. */
	c->backoff = (struct backoff){ .first_ms = 25, .factor = 1.2,
				       .max_ms = 2000 };
	c->end_ns = loop_now_ns() + order->limit_ms * NS_PER_MS;
	c->done = done;
	c->data = data;
	if (open_client(c, err) < 0) {
		certify_free(c);
		return NULL;
	}
	ask(c);
	return c;
}
