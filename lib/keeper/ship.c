#include "config.h"

#include "keeper/ship.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "keeper/fetch_call.h"

#define HOLD_STEP_MS 10

enum step { HAS, ARGS, ENV, EXEC, N_STEPS };

static const char *const methods[N_STEPS] = {
	[HAS] = "Supervisor.Has",
	[ARGS] = "Supervisor.Setargs",
	[ENV] = "Supervisor.Setenv",
	[EXEC] = "Supervisor.Exec",
};

struct ship_stock {
	struct leg leg; /* first */
	struct rpc_client *client;
	struct shipment *shipment; /* the leg's; NULL: none */
	struct ship *ship; /* that is at work; NULL */
	char *address;
	bool used; /* it may have something */
};

/* One call's way back to the ship. */
struct ship_call {
	struct ship *ship;
	struct bigm_call *call; /* NULL when not under way */
};

struct ship {
	struct ship_stock *stock;
	struct shipment_list *shipments;
	struct shipment_source source; /* its cargo is held */
	char *name; /* of what is shipped, for errors */
	size_t expected;
	bool exec, loaded, over;
	struct shipment *waiting; /* for its being ready; NULL: not */
	struct shipment_wait wait;
	struct ship_call calls[N_STEPS];
	struct fetch_call *fetch; /* NULL: none is under way */
	char *digest; /* as the machine has it; NULL: not yet */
	struct loop_timer hold;
	uint64_t held_ms;
	struct bigm_error why; /* it failed before there was a call */
	const struct ship_ops *ops;
	void *data;
};

static struct rpc_client *client_of(const struct ship *s)
{
	return s->stock->client;
}

/* ------------------------------------------------------------------ */
/* Stock                                                               */

struct ship_stock *ship_stock_new(const char *name, struct rpc_client *client)
{
	struct ship_stock *stock = xcalloc(1, sizeof(*stock));

	stock->leg.name = name;
	stock->client = client;
	return stock;
}

void ship_stock_leave(struct ship_stock *stock)
{
	leg_leave(&stock->leg, loop_now_ns());
	shipment_put(stock->shipment);
	stock->shipment = NULL;
	stock->leg.have = stock->leg.got = 0;
}

void ship_stock_free(struct ship_stock *stock)
{
	if (!stock)
		return;
	ship_stock_leave(stock);
	free(stock->address);
	free(stock);
}

void ship_stock_is_back(struct ship_stock *stock)
{
	stock->leg.away = false;
}

/* ------------------------------------------------------------------ */
/* Calls                                                               */

static void end_call(struct ship *s, enum step step)
{
	struct bigm_call *call = s->calls[step].call;

	s->calls[step].call = NULL;
	bigm_call_free(call);
}

static void end_fetch(struct ship *s)
{
	fetch_call_free(s->fetch);
	s->fetch = NULL;
}

void ship_free(struct ship *s)
{
	if (!s)
		return;
	end_fetch(s);
	for (int i = 0; i < N_STEPS; i++)
		end_call(s, (enum step)i);
	if (s->waiting)
		shipment_cancel(s->waiting, &s->wait);
	shipment_put(s->waiting);
	loop_timer_stop(s->shipments->loop, &s->hold);
	if (s->stock->ship == s)
		s->stock->ship = NULL;
	if (!s->stock->ship && s->stock->leg.state != LEG_HAS)
		ship_stock_leave(s->stock);
	cargo_put(s->source.cargo);
	free(s->name);
	free(s->digest);
	free(s);
}

static void fail(struct ship *s, const struct bigm_error *why)
{
	struct bigm_error how;

	if (s->over)
		return;
	s->over = true;
	error_copy(&how, why);
	error_prefix(&how, "shipping %s", s->name);
	s->ops->done(s->data, &how);
}

static void on_call_done(struct bigm_call *call, void *data);

static void start_call(struct ship *s, enum step step, const char *arg)
{
	const struct bigm_call_options options = {
		.size = sizeof(struct bigm_call_options),
		.timeout_ms = step == EXEC ? SHIP_EXEC_MS : 0,
		.on_done = on_call_done,
		.data = &s->calls[step],
	};

	s->calls[step].call = rpc_call_start(client_of(s), methods[step], arg,
					     arg ? strlen(arg) : 0, &options);
}

static void start_list(struct ship *s, enum step step, char *const *list)
{
	AUTO_JSON cJSON *arg = NULL;
	AUTO_FREE char *text = NULL;

	if (!list || !s->exec)
		return;
	arg = json_strings(list);
	text = json_print(arg);
	start_call(s, step, text);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static void exec(struct ship *s)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	s->loaded = true;
	s->stock->leg.away = true;
	cJSON_AddStringToObject(arg, "digest", s->digest);
	text = json_print(arg);
	start_call(s, EXEC, text);
}

static void on_hold(struct loop_timer *timer)
{
	struct ship *s = loop_container(timer, struct ship, hold);

	s->held_ms += HOLD_STEP_MS;
	if (s->stock->leg.readers > 0 && s->held_ms < SHIP_HOLD_MS)
		loop_timer_start(s->shipments->loop, &s->hold, HOLD_STEP_MS,
				 on_hold);
	else
		exec(s);
}

/* All that has to be there before Exec is. */
static void advance(struct ship *s)
{
	if (!s->digest || s->calls[ARGS].call || s->calls[ENV].call || s->over)
		return;
	if (!s->exec) {
		s->over = true;
		s->ops->done(s->data, NULL);
	} else if (s->stock->leg.readers > 0) {
		loop_timer_start(s->shipments->loop, &s->hold, HOLD_STEP_MS,
				 on_hold);
	} else {
		exec(s);
	}
}

/* ------------------------------------------------------------------ */
/* Fetch                                                               */

static void fetch_progress(void *data, uint64_t have, uint64_t got)
{
	struct ship *s = data;

	leg_progress(&s->stock->leg, have, got, loop_now_ns());
	if (s->ops->progress)
		s->ops->progress(s->data);
}

static void fetch_done(void *data, struct fetch_call_end *end)
{
	struct ship *s = data;
	struct leg *leg = &s->stock->leg;

	if (end->rc == 0 && end->digest && !s->digest)
		s->digest = xstrdup(end->digest);
	end_fetch(s);
	if (!leg->b) {
		fail(s, &end->why); /* the machine has ended */
	} else if (end->rc == 0 && s->digest) {
		s->stock->used = true;
		leg_complete(leg);
		advance(s);
	} else if (end->rc == 0) {
		bigm_error_set(&end->why, BIGM_EPROTOCOL,
			       "the machine does not say what it has got");
		fail(s, &end->why);
	} else if (leg->from && end->why.retriable && !end->ours &&
		   (end->rc == BIGM_EFAILED || end->rc == BIGM_EPROTOCOL)) {
		log_info("%s", end->why.text);
		leg_lost_source(leg, end->rc == BIGM_EPROTOCOL, loop_now_ns());
	} else {
		fail(s, &end->why);
	}
}

/* As the broadcast orders. */
static void fetch(struct leg *leg)
{
	static const struct fetch_call_ops ops = {
		.progress = fetch_progress,
		.done = fetch_done,
	};
	struct ship_stock *stock = (struct ship_stock *)leg;
	struct ship *s = stock->ship;
	const struct ship_stock *from = (void *)leg->from;
	const struct fetch_call_order order = {
		.client = stock->client,
		.shipment = stock->shipment,
		.have = leg->have,
		.name = from ? from->leg.name : NULL,
		.address = from ? from->address : NULL,
		.expected = s->expected,
	};

	log_debug("%s: fetches %s from %s at %llu", leg->name, s->name,
		  leg->from ? leg->from->name : "the keeper",
		  (unsigned long long)leg->have);
	end_fetch(s);
	s->fetch = fetch_call_start(&order, &ops, s);
}

static void given_up(struct leg *leg, const struct bigm_error *why)
{
	fail(((struct ship_stock *)leg)->ship, why);
}

void ship_list_init(struct shipment_list *list, struct loop *loop)
{
	static const struct broadcast_ops ops = {
		.fetch = fetch,
		.fail = given_up,
	};

	list->loop = loop;
	list->ops = &ops;
}

/* ------------------------------------------------------------------ */
/* Before it                                                           */

static void join(struct ship *s)
{
	struct ship_stock *stock = s->stock;

	ship_stock_leave(stock);
	stock->shipment = s->waiting;
	s->waiting = NULL;
	leg_join(&stock->shipment->broadcast, &stock->leg, loop_now_ns());
	shipment_stir(stock->shipment);
}

static void ask(struct ship *s)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	cJSON_AddItemToObject(
		arg, "digests",
		json_strings(s->waiting->files));
	text = json_print(arg);
	start_call(s, HAS, text);
}

static void ready(void *data)
{
	struct ship *s = data;

	if (s->waiting->state == SHIPMENT_FAILED)
		fail(s, &s->waiting->why);
	else if (s->waiting->index)
		ask(s);
	else
		join(s);
}

/* Takes the shipment over. */
static void await(struct ship *s, struct shipment *shipment)
{
	s->waiting = shipment;
	s->wait = (struct shipment_wait){ .done = ready, .data = s };
	if (shipment->state == SHIPMENT_WORKING)
		shipment_wait(shipment, &s->wait);
	else
		ready(s);
}

static void on_failed(struct loop_timer *timer)
{
	struct ship *s = loop_container(timer, struct ship, hold);

	fail(s, &s->why);
}

/* Not before ship_start() has returned. */
static void get(struct ship *s, char *const *lacks)
{
	struct shipment *shipment = shipment_get(s->shipments, &s->source,
						 lacks, s->expected, &s->why);

	if (shipment)
		await(s, shipment);
	else
		loop_timer_start(s->shipments->loop, &s->hold, 0, on_failed);
}

/* The digests of what it lacks; NULL for what is no answer. */
static char **lacking(char *const *files, const cJSON *reply,
		      struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(reply, "lacks");
	const cJSON *item;
	size_t n = strings_count(files), count = 0;
	char **lacks = xcalloc(n + 1, sizeof(*lacks));

	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
		    item->valuedouble >= (double)n || count == n) {
			bigm_error_set(err, BIGM_EPROTOCOL,
				       "the machine lacks what nobody spoke of");
			strings_free(lacks);
			return NULL;
		}
		lacks[count++] = xstrdup(files[(size_t)item->valuedouble]);
	}
	return lacks;
}

static bool lacks_all(char *const *files, char *const *lacks)
{
	size_t n = 0;

	while (files[n] && lacks[n])
		n++;
	return !files[n];
}

/* A program of which nothing is lacking need just be executed. */
static void answered(struct ship *s, const cJSON *reply, struct bigm_error *why)
{
	struct shipment *index = s->waiting;
	char **lacks = lacking(index->files, reply, why);

	if (!lacks) {
		fail(s, why);
		return;
	}
	s->waiting = NULL;
	if (!s->source.cargo && !lacks[0]) {
		s->digest = xstrdup(index->files[0]);
		ship_stock_leave(s->stock);
		advance(s);
	} else {
		/* All of it is sent as it lies there. */
		get(s, lacks_all(index->files, lacks) ? NULL : lacks);
	}
	strings_free(lacks);
	shipment_put(index);
}

/* ------------------------------------------------------------------ */
/* What has come of a call                                             */

static void on_call_done(struct bigm_call *call, void *data)
{
	struct ship_call *slot = data;
	struct ship *s = slot->ship;
	enum step step = (enum step)(slot - s->calls);
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = bigm_call_status(call, &why);
	AUTO_JSON cJSON *reply = rc == 0 && step == HAS ?
					 bigm_call_take_reply(call) : NULL;

	slot->call = NULL;
	bigm_call_free(call);
	if (rc < 0) {
		fail(s, &why);
	} else if (step == HAS) {
		answered(s, reply, &why);
	} else if (step == EXEC) {
		rpc_client_reconnect(client_of(s));
		s->over = true;
		s->ops->done(s->data, NULL);
	} else {
		advance(s);
	}
}

/* ------------------------------------------------------------------ */
/* The ship                                                            */

bool ship_is_loading(const struct ship *s)
{
	return !s->loaded;
}

bool ship_stock_progress(const struct ship_stock *stock, uint64_t *have,
			 uint64_t *size)
{
	if (!stock->ship || !stock->shipment || stock->leg.state == LEG_IDLE)
		return false;
	*have = stock->leg.got;
	*size = stock->shipment->order.size;
	return true;
}

struct ship *ship_start(const struct ship_order *order,
			const struct ship_ops *ops, void *data)
{
	struct ship *s = xcalloc(1, sizeof(*s));
	struct cargo *cargo = order->source.cargo;
	struct shipment *index;

	s->stock = order->stock;
	s->shipments = order->shipments;
	s->source = order->source;
	if (cargo)
		cargo_hold(cargo);
	s->name = xstrdup(cargo ? cargo->name : order->source.program);
	s->expected = order->expected;
	s->exec = order->exec;
	s->why = (struct bigm_error)BIGM_ERROR_INIT;
	s->ops = ops;
	s->data = data;
	for (int i = 0; i < N_STEPS; i++)
		s->calls[i].ship = s;
	if (s->stock->ship) {
		bigm_error_set(&s->why, BIGM_EEXIST,
			       "something else is being sent there");
		loop_timer_start(s->shipments->loop, &s->hold, 0, on_failed);
		return s;
	}
	s->stock->ship = s;
	free(s->stock->address);
	s->stock->address = xstrdup(order->address);
	start_list(s, ARGS, order->argv);
	start_list(s, ENV, order->env);
	index = s->stock->used ? shipment_index(s->shipments, &s->source,
						&s->why) : NULL;
	if (index)
		await(s, index);
	else
		get(s, NULL);
	return s;
}
