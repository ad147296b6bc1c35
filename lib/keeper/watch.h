/*
 * watch: clients that follow the machines' states through Keeper.Watch.
 *
 * Loop thread only.
 */
#ifndef KEEPER_WATCH_H
#define KEEPER_WATCH_H

#include "base/json.h"
#include "rpc/server.h"

struct watch;

struct watch_list {
	struct watch *first;
	void (*on_gone)(void *data); /* one is; or NULL */
	void *data;
};

/* Takes over the request, which is deferred. */
struct watch *watch_start(struct watch_list *list, struct bigm_request *req);

/* Sends facts, as a line of JSON, to one or all.  A client that lets
 * megabytes pile up is dropped. */
void watch_send(struct watch *watch, const cJSON *facts);
void watch_send_all(struct watch_list *list, const cJSON *facts);
/* To those only for whom nothing waits: one that has stopped reading must not
 * be dropped for what comes again and again. */
void watch_offer_all(struct watch_list *list, const cJSON *facts);

/* Ends each stream behind what is on its way. */
void watch_end_all(struct watch_list *list);

#endif
