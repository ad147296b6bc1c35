#include "config.h"

#include "keeper/fetch_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"

#define LINE_MAX_LEN 4096

struct fetch_call {
	struct bigm_call *call; /* NULL: it is over */
	struct shipment *shipment;
	struct buffer order; /* the first line, as far as it is not sent */
	struct shipment_reader *reader; /* NULL: a peer sends */
	const uint8_t *bytes; /* the reader's, of which `left` are not sent */
	size_t left;
	bool ended;
	struct buffer line; /* of the reply */
	char *digest;
	struct bigm_error why; /* what went wrong here */
	const struct fetch_call_ops *ops;
	void *data;
};

void fetch_call_free(struct fetch_call *f)
{
	if (!f)
		return;
	bigm_call_free(f->call);
	shipment_close(f->reader);
	buffer_release(&f->order);
	buffer_release(&f->line);
	free(f->digest);
	free(f);
}

/* ------------------------------------------------------------------ */
/* What the machine says                                               */

static int take_line(struct fetch_call *f, const char *text, size_t len)
{
	AUTO_JSON cJSON *json = json_parse(text, len, &f->why);
	uint64_t have = 0, got = 0, size = f->shipment->order.size;
	const char *digest = NULL;

	if (!json || json_opt_string(json, "digest", &digest, &f->why) < 0)
		return error_prefix(&f->why, "the machine's reply");
	if (digest) {
		if (!f->digest)
			f->digest = xstrdup(digest);
		return 0;
	}
	if (bigm_json_get_uint64(json, "have", &have, &f->why) < 0 ||
	    bigm_json_get_uint64(json, "got", &got, &f->why) < 0)
		return error_prefix(&f->why, "the machine's reply");
	if (have > size || got < have || got > size)
		return bigm_error_set(&f->why, BIGM_EPROTOCOL,
				      "the machine has more than there is");
	f->ops->progress(f->data, have, got);
	return 0;
}

static int take_lines(struct fetch_call *f)
{
	const char *line;
	size_t len;
	int rc = 0;

	while (rc == 0 && (line = buffer_line(&f->line, &len))) {
		rc = take_line(f, line, len);
		buffer_consume(&f->line, len + 1);
	}
	return rc;
}

/* True while there may be more. */
static bool read_lines(struct fetch_call *f)
{
	char piece[4096];
	ssize_t n;

	while ((n = rpc_call_try_read(f->call, piece, sizeof(piece), NULL)) > 0)
		if (buffer_append(&f->line, piece, (size_t)n, &f->why) < 0 ||
		    take_lines(f) < 0) {
			bigm_call_cancel(f->call);
			return false;
		}
	return n == RPC_AGAIN;
}

/* ------------------------------------------------------------------ */
/* What it is sent                                                     */

/* The next bytes to be sent; false when there is none, or on error. */
static bool fill(struct fetch_call *f)
{
	const void *bytes;
	ssize_t n = f->reader ? shipment_next(f->reader, &bytes, &f->why) : 0;

	if (n <= 0)
		return false;
	f->bytes = bytes;
	f->left = (size_t)n;
	f->shipment->broadcast.sent += f->left;
	return true;
}

static void send_bytes(struct fetch_call *f)
{
	if (f->ended ||
	    rpc_call_try_flush(f->call, &f->order, NULL) <= 0)
		return;
	while (f->left > 0 || fill(f)) {
		ssize_t n = rpc_call_try_write(f->call, f->bytes, f->left, NULL);

		if (n <= 0)
			return; /* no room now, or it is over: done tells */
		f->bytes += n;
		f->left -= (size_t)n;
	}
	if (f->why.code) {
		bigm_call_cancel(f->call);
	} else if (f->reader) {
		f->ended = true;
		bigm_call_end(f->call, NULL);
	}
}

static void on_event(struct bigm_call *call, void *data)
{
	struct fetch_call *f = data;

	if (f->call == call && read_lines(f))
		send_bytes(f);
}

/* ------------------------------------------------------------------ */
/* The call                                                            */

static void on_done(struct bigm_call *call, void *data)
{
	struct fetch_call *f = data;
	struct fetch_call_end end = { .why = BIGM_ERROR_INIT,
				      .ours = f->why.code != 0,
				      .digest = f->digest };

	end.rc = bigm_call_status(call, &end.why);
	f->call = NULL;
	bigm_call_free(call);
	if (end.ours && end.rc < 0)
		error_copy(&end.why, &f->why);
	f->ops->done(f->data, &end);
}

/* Its first line. */
static void write_order(struct fetch_call *f,
			const struct fetch_call_order *order)
{
	const size_t most = FETCH_CALL_SELDOM_MS - FETCH_CALL_EVERY_MS;
	struct parcel_order o = order->shipment->order;
	AUTO_JSON cJSON *json = NULL;
	AUTO_FREE char *text = NULL;

	o.offset = order->have;
	o.every_ms = FETCH_CALL_EVERY_MS +
		     (order->expected < most ? order->expected : most);
	o.name = (char *)order->name;
	o.address = (char *)order->address;
	json = parcel_order_json(&o);
	text = json_print(json);
	buffer_appendf(&f->order, NULL, "%s\n", text);
}

struct fetch_call *fetch_call_start(const struct fetch_call_order *order,
				    const struct fetch_call_ops *ops,
				    void *data)
{
	struct fetch_call *f = xcalloc(1, sizeof(*f));
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = true,
		.stream_reply = true,
		.on_done = on_done,
		.data = f,
	};

	f->shipment = order->shipment;
	f->ops = ops;
	f->data = data;
	f->why = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&f->order, SIZE_MAX);
	buffer_init(&f->line, LINE_MAX_LEN);
	write_order(f, order);
	if (!order->address)
		f->reader = shipment_open(order->shipment, order->have, &f->why);
	f->call = rpc_call_start(order->client, "Supervisor.Fetch", NULL, 0,
				 &options);
	rpc_call_on_event(f->call, on_event, f);
	return f;
}
