#include "config.h"

#include "keeper/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Each machine changes a few times in its life, in less than 1 KiB. */
#define MAX_PENDING (32u << 20)

struct watch {
	struct watch *next;
	struct watch_list *list;
	struct bigm_request *req;
	struct buffer pending;
	bool ending;
};

static void watch_free(struct watch *w)
{
	struct watch_list *list = w->list;
	struct watch **p = &list->first;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	buffer_release(&w->pending);
	free(w);
	if (list->on_gone)
		list->on_gone(list->data);
}

static void pump(struct watch *w)
{
	if (rpc_request_try_flush(w->req, &w->pending, NULL) <= 0)
		return;
	if (w->ending) {
		rpc_request_end(w->req);
		watch_free(w);
	}
}

static void on_event(struct bigm_request *req, void *data)
{
	struct watch *w = data;

	if (!bigm_request_canceled(req)) {
		pump(w);
		return;
	}
	rpc_request_end(req);
	watch_free(w);
}

struct watch *watch_start(struct watch_list *list, struct bigm_request *req)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->list = list;
	w->req = req;
	buffer_init(&w->pending, MAX_PENDING);
	w->next = list->first;
	list->first = w;
	rpc_request_on_event(req, on_event, w);
	return w;
}

void watch_send(struct watch *w, const cJSON *facts)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *text = json_print(facts);

	if (w->ending)
		return;
	if (buffer_appendf(&w->pending, &why, "%s\n", text) < 0) {
		rpc_request_fail(w->req, &why);
		watch_free(w);
		return;
	}
	pump(w);
}

void watch_send_all(struct watch_list *list, const cJSON *facts)
{
	struct watch *next;

	for (struct watch *w = list->first; w; w = next) {
		next = w->next;
		watch_send(w, facts);
	}
}

void watch_offer_all(struct watch_list *list, const cJSON *facts)
{
	struct watch *next;

	for (struct watch *w = list->first; w; w = next) {
		next = w->next;
		if (w->pending.len == 0)
			watch_send(w, facts);
	}
}

void watch_end_all(struct watch_list *list)
{
	struct watch *next;

	for (struct watch *w = list->first; w; w = next) {
		next = w->next;
		w->ending = true;
		pump(w);
	}
}
