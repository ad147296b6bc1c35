#include "config.h"

#include "keeper/ship.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#define CHUNK (256u << 10)
#define LINE_MAX_LEN 4096
#define HOLD_STEP_MS 10
/* How often a machine tells how far it is: of many, each more seldom. */
#define EVERY_MS 100
#define SELDOM_MS 250

enum step { HAS, FETCH, ARGS, ENV, EXEC, N_STEPS };

static const char *const methods[N_STEPS] = {
	[HAS] = "Supervisor.Has",
	[FETCH] = "Supervisor.Fetch",
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
	char *digest; /* as the machine has it; NULL: not yet */
	struct loop_timer hold;
	uint64_t held_ms;

	/* Of Fetch. */
	struct buffer order; /* the first line, as far as it is not sent */
	struct shipment_reader *reader; /* NULL: a peer sends */
	uint8_t *chunk;
	size_t chunk_len, chunk_sent;
	bool ended;
	struct buffer line; /* of the reply */
	struct bigm_error why;

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
	end_call(s, FETCH);
	shipment_close(s->reader);
	s->reader = NULL;
	buffer_release(&s->order);
	buffer_release(&s->line);
	s->chunk_len = s->chunk_sent = 0;
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
	free(s->chunk);
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
		.stream_arg = step == FETCH,
		.stream_reply = step == FETCH,
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
	arg = json_strings((const char *const *)list);
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

static int take_line(struct ship *s, const char *text, size_t len)
{
	AUTO_JSON cJSON *json = json_parse(text, len, &s->why);
	const char *digest = NULL;
	uint64_t have = 0, got = 0;

	if (!json || json_opt_string(json, "digest", &digest, &s->why) < 0)
		return error_prefix(&s->why, "the machine's reply");
	if (digest) {
		if (!s->digest)
			s->digest = xstrdup(digest);
		return 0;
	}
	if (bigm_json_get_uint64(json, "have", &have, &s->why) < 0 ||
	    bigm_json_get_uint64(json, "got", &got, &s->why) < 0)
		return error_prefix(&s->why, "the machine's reply");
	if (have > s->stock->shipment->order.size || got < have ||
	    got > s->stock->shipment->order.size)
		return bigm_error_set(&s->why, BIGM_EPROTOCOL,
				      "the machine has more than there is");
	leg_progress(&s->stock->leg, have, got, loop_now_ns());
	return 0;
}

static int take_lines(struct ship *s)
{
	int rc = 0;

	while (rc == 0 && s->line.len > 0) {
		const char *text = (const char *)buffer_data(&s->line);
		const char *end = memchr(text, '\n', s->line.len);

		if (!end)
			break;
		rc = take_line(s, text, (size_t)(end - text));
		buffer_consume(&s->line, (size_t)(end - text) + 1);
	}
	return rc;
}

/* What the machine says; true while there may be more. */
static bool read_lines(struct ship *s, struct bigm_call *call)
{
	char piece[4096];
	uint64_t before = s->stock->leg.got;
	ssize_t n;

	while ((n = rpc_call_try_read(call, piece, sizeof(piece), NULL)) > 0)
		if (buffer_append(&s->line, piece, (size_t)n, &s->why) < 0 ||
		    take_lines(s) < 0) {
			bigm_call_cancel(call);
			return false;
		}
	if (s->stock->leg.got != before && s->ops->progress)
		s->ops->progress(s->data);
	return n == RPC_AGAIN;
}

/* The next bytes to be sent; false when there is none, or on error. */
static bool fill(struct ship *s)
{
	ssize_t n;

	if (s->order.len > 0 || !s->reader)
		return false;
	n = shipment_read(s->reader, s->chunk, CHUNK, &s->why);
	s->chunk_sent = 0;
	s->chunk_len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		s->stock->shipment->broadcast.sent += (uint64_t)n;
	return n > 0;
}

static bool send_order(struct ship *s, struct bigm_call *call)
{
	while (s->order.len > 0) {
		ssize_t n = rpc_call_try_write(call, buffer_data(&s->order),
					       s->order.len, NULL);

		if (n <= 0)
			return false;
		buffer_consume(&s->order, (size_t)n);
	}
	return true;
}

static void send_bytes(struct ship *s, struct bigm_call *call)
{
	if (s->ended || !send_order(s, call))
		return;
	while (s->chunk_sent < s->chunk_len || fill(s)) {
		ssize_t n = rpc_call_try_write(call, s->chunk + s->chunk_sent,
					       s->chunk_len - s->chunk_sent,
					       NULL);

		if (n <= 0)
			return; /* no room now, or it is over: done tells */
		s->chunk_sent += (size_t)n;
	}
	if (s->why.code) {
		bigm_call_cancel(call);
	} else if (s->reader) {
		s->ended = true;
		bigm_call_end(call, NULL);
	}
}

static void on_event(struct bigm_call *call, void *data)
{
	struct ship *s = data;

	if (s->calls[FETCH].call == call && read_lines(s, call))
		send_bytes(s, call);
}

/* As the broadcast orders. */
static void write_order(struct ship *s)
{
	const struct ship_stock *from = (void *)s->stock->leg.from;
	struct parcel_order order = s->stock->shipment->order;
	AUTO_JSON cJSON *json = NULL;
	AUTO_FREE char *text = NULL;

	order.offset = s->stock->leg.have;
	order.every_ms = s->expected < SELDOM_MS - EVERY_MS ?
				 EVERY_MS + s->expected : SELDOM_MS;
	if (from) {
		order.name = (char *)from->leg.name;
		order.address = from->address;
	}
	json = parcel_order_json(&order);
	text = json_print(json);
	buffer_init(&s->order, SIZE_MAX);
	buffer_appendf(&s->order, NULL, "%s\n", text);
	buffer_init(&s->line, LINE_MAX_LEN);
}

static void fetch(struct leg *leg)
{
	struct ship_stock *stock = (struct ship_stock *)leg;
	struct ship *s = stock->ship;

	log_debug("%s: fetches %s from %s at %llu", leg->name, s->name,
		  leg->from ? leg->from->name : "the keeper",
		  (unsigned long long)leg->have);
	end_fetch(s);
	s->ended = false;
	write_order(s);
	if (!leg->from)
		s->reader = shipment_open(stock->shipment, leg->have, &s->why);
	start_call(s, FETCH, NULL);
	rpc_call_on_event(s->calls[FETCH].call, on_event, s);
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

static void fetch_done(struct ship *s, int rc, struct bigm_error *why)
{
	struct leg *leg = &s->stock->leg;

	end_fetch(s);
	if (!leg->b) {
		fail(s, why); /* the machine has ended */
	} else if (rc == 0 && s->digest) {
		s->stock->used = true;
		leg_complete(leg);
		advance(s);
	} else if (rc == 0) {
		bigm_error_set(why, BIGM_EPROTOCOL,
			       "the machine does not say what it has got");
		fail(s, why);
	} else if (leg->from && why->retriable && !s->why.code &&
		   (rc == BIGM_EFAILED || rc == BIGM_EPROTOCOL)) {
		log_info("%s", why->text);
		leg_lost_source(leg, rc == BIGM_EPROTOCOL, loop_now_ns());
	} else {
		fail(s, why);
	}
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
		json_strings((const char *const *)s->waiting->files));
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
	size_t n = 0, count = 0;
	char **lacks;

	while (files[n])
		n++;
	lacks = xcalloc(n + 1, sizeof(*lacks));
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsNumber(item) || item->valuedouble < 0 ||
		    item->valuedouble >= (double)n || count == n) {
			bigm_error_set(err, BIGM_EPROTOCOL,
				       "the machine lacks what nobody spoke of");
			json_strings_free(lacks);
			return NULL;
		}
		lacks[count++] = xstrdup(files[(size_t)item->valuedouble]);
	}
	return lacks;
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
		get(s, lacks);
	}
	json_strings_free(lacks);
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
	if (s->why.code && rc < 0)
		error_copy(&why, &s->why);
	if (step == FETCH) {
		fetch_done(s, rc, &why);
	} else if (rc < 0) {
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
	s->chunk = xmalloc(CHUNK);
	s->why = (struct bigm_error)BIGM_ERROR_INIT;
	s->ops = ops;
	s->data = data;
	buffer_init(&s->order, SIZE_MAX);
	buffer_init(&s->line, LINE_MAX_LEN);
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
