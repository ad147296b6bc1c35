#include "config.h"

#include "keeper/read.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "keeper/core.h"

/* Waits for the system, then for its client. */
struct reading {
	struct bigm_request *req; /* NULL: the client has gone */
	bool read;
	struct buffer bytes;
};

static void reading_free(struct reading *r)
{
	buffer_release(&r->bytes);
	free(r);
}

static void pump(struct reading *r)
{
	if (rpc_request_try_flush(r->req, &r->bytes, NULL) <= 0)
		return;
	rpc_request_end(r->req);
	reading_free(r);
}

static void on_event(struct bigm_request *req, void *data)
{
	struct reading *r = data;

	if (bigm_request_canceled(req)) {
		r->req = NULL;
		rpc_request_end(req);
		if (r->read)
			reading_free(r);
	} else if (r->read) {
		pump(r);
	}
}

static void on_read(void *data, const void *bytes, size_t len,
		    const struct bigm_error *why)
{
	struct reading *r = data;
	struct bigm_error full = BIGM_ERROR_INIT;

	r->read = true;
	if (!why && buffer_append(&r->bytes, bytes, len, &full) < 0)
		why = &full;
	if (r->req && why)
		rpc_request_fail(r->req, why);
	if (!r->req || why)
		reading_free(r);
	else
		pump(r);
}

void read_start(struct keeper *k, struct bigm_request *req,
		const struct read_request *what)
{
	struct reading *r = xcalloc(1, sizeof(*r));

	r->req = req;
	buffer_init(&r->bytes, what->limit);
	rpc_request_defer(req);
	rpc_request_on_event(req, on_event, r);
	k->ops->read_file(k->system, what->machine, what->path, what->limit,
			  on_read, r);
}
