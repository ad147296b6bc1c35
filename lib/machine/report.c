/*
 * report: what a driver tells of itself, when its keeper asks
 * (keeper/reporter.h).
 */
#include <stdlib.h>
#include <string.h>

#include "keeper/reporter.h"
#include "machine/cluster_private.h"

void cluster_on_report(struct cluster *c, char *(*report)(void *data),
		       void *data)
{
	c->report = report;
	c->report_data = data;
}

/* Each byte asks for a line; of several at once one is enough. */
static void answer(struct cluster *c)
{
	char *text = c->report(c->report_data);
	size_t len = strlen(text);

	if (len < REPORT_MAX &&
	    buffer_append(&c->reports, text, len, NULL) == 0)
		buffer_append(&c->reports, "\n", 1, NULL);
	free(text);
}

static void on_event(struct bigm_call *call, void *data)
{
	struct cluster *c = data;
	bool asked = false;
	char bytes[64];
	ssize_t n;

	while ((n = rpc_call_try_read(call, bytes, sizeof(bytes), NULL)) > 0)
		asked = true;
	/* The keeper ends it, or is gone. */
	if (n != RPC_AGAIN)
		return;
	/* Where the last one has not been taken yet, that will do. */
	if (asked && c->reports.len == 0)
		answer(c);
	rpc_call_try_flush(call, &c->reports, NULL);
}

void report_begin(struct cluster *c)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = true,
		.stream_reply = true,
	};

	if (!c->report || c->reporting)
		return;
	buffer_init(&c->reports, REPORT_MAX + 1);
	c->reporting = rpc_call_start(c->keeper, "Keeper.Vars", NULL, 0,
				      &options);
	rpc_call_on_event(c->reporting, on_event, c);
}

void report_end(struct cluster *c)
{
	bigm_call_free(c->reporting);
	c->reporting = NULL;
	buffer_release(&c->reports);
}
