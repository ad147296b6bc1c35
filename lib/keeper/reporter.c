#include "config.h"

#include "keeper/reporter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rpc/client.h"

static void reporter_free(struct reporter *r)
{
	struct reporter **p = &r->list->first;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	if (r->take)
		r->take(r->data, NULL, 0);
	buffer_release(&r->line);
	free(r);
}

static void end(struct reporter *r)
{
	struct bigm_request *req = r->req;

	reporter_free(r);
	rpc_request_end(req);
}

static void take_lines(struct reporter *r)
{
	const char *line;
	size_t len;

	while ((line = buffer_line(&r->line, &len))) {
		if (r->take)
			r->take(r->data, line, len);
		buffer_consume(&r->line, len + 1);
	}
}

static void on_event(struct bigm_request *req, void *data)
{
	struct reporter *r = data;
	char block[16 << 10];
	ssize_t n = 0;

	if (bigm_request_canceled(req)) {
		end(r);
		return;
	}
	while ((n = rpc_request_try_read(req, block, sizeof(block), NULL)) >
	       0) {
		if (buffer_append(&r->line, block, (size_t)n, NULL) < 0)
			break;
		take_lines(r);
	}
	/* It is over, or says what nobody has asked for. */
	if (n != RPC_AGAIN)
		end(r);
}

void reporter_start(struct reporter_list *list, struct bigm_request *req)
{
	struct reporter *r = xcalloc(1, sizeof(*r)), **p = &list->first;

	r->list = list;
	r->req = req;
	buffer_init(&r->line, REPORT_MAX);
	while (*p)
		p = &(*p)->next;
	*p = r;
	rpc_request_on_event(req, on_event, r);
}

void reporter_ask(struct reporter *r)
{
	/* Where there is no room it has been asked often enough. */
	rpc_request_try_write(r->req, "?", 1, NULL);
}

void reporter_end_all(struct reporter_list *list)
{
	while (list->first)
		end(list->first);
}
