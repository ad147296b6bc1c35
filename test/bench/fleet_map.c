#include "config.h"

#include "test/bench/fleet_map.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/client.h"
#include "supervisor/map.h"

#define PIECE 65536u

/* One call. */
struct mapped {
	struct buffer in, out;
	bool input_over;
};

static int end_job(struct mapped *m, const uint8_t *data, size_t len,
		   struct bigm_error *err)
{
	char text[96];
	uint64_t number;
	int n;

	if (len < sizeof(number))
		return bigm_error_set(err, BIGM_EPROTOCOL, "a job of %zu bytes",
				      len);
	memcpy(&number, data, sizeof(number));
	n = snprintf(text, sizeof(text),
		     "{\"job\":%" PRIu64 ",\"seconds\":1e-06,\"status\":0}",
		     be64toh(number));
	return map_frame_append(&m->out, 'x', text, (size_t)n, err);
}

static int take_frames(struct mapped *m, struct bigm_error *err)
{
	const uint8_t *data;
	size_t len, frame_len;
	char kind;
	int rc;

	while ((rc = map_frame_next(&m->in, &kind, &data, &len, &frame_len,
				    err)) > 0) {
		if (kind == 'j' && end_job(m, data, len, err) < 0)
			return err->code;
		buffer_consume(&m->in, frame_len);
	}
	return rc;
}

static int take_input(struct mapped *m, struct bigm_request *req,
		      struct bigm_error *err)
{
	ssize_t n = 1;

	while (n > 0 && !m->input_over) {
		uint8_t *place = buffer_reserve(&m->in, PIECE, err);

		n = place ? rpc_request_try_read(req, place, PIECE, err)
			  : BIGM_EEXHAUSTED;
		if (n == RPC_AGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		buffer_commit(&m->in, (size_t)n);
		m->input_over = n == 0;
		if (take_frames(m, err) < 0)
			return err->code;
	}
	return 0;
}

static void on_event(struct bigm_request *req, void *data)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct mapped *m = data;
	int rc = take_input(m, req, &err);

	if (rc == 0)
		rc = rpc_request_try_flush(req, &m->out, &err);
	if (rc >= 0 && !bigm_request_canceled(req) &&
	    !(m->input_over && m->out.len == 0))
		return;
	if (rc < 0)
		rpc_request_fail(req, &err);
	else
		rpc_request_end(req);
	buffer_release(&m->in);
	buffer_release(&m->out);
	free(m);
}

int fleet_map(struct bigm_request *req, const struct cJSON *arg,
	      struct cJSON **reply, struct bigm_error *err)
{
	struct mapped *m = xcalloc(1, sizeof(*m));

	(void)arg, (void)reply, (void)err;
	buffer_init(&m->in, FRAME_HEADER + FRAME_MAX_PAYLOAD + PIECE);
	buffer_init(&m->out, MAP_MOST_BYTES);
	rpc_request_defer(req);
	rpc_request_on_event(req, on_event, m);
	return 0;
}
