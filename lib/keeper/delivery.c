#include "config.h"

#include "keeper/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "keeper/core.h"
#include "keeper/member.h"
#include "keeper/ship.h"

/* One machine's. */
struct slot {
	struct delivery *delivery;
	struct member *member;
	struct ship *ship; /* NULL when it is through */
};

struct delivery {
	struct delivery *next;
	struct delivery_list *list;
	struct bigm_request *req; /* NULL once answered */
	struct start_request *order; /* with the cargo */
	struct slot *slots;
	size_t n, left;
	struct bigm_error why; /* the first failure; code 0: none */
};

static void delivery_free(struct delivery *d)
{
	struct delivery **at = &d->list->first;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	for (size_t i = 0; i < d->n; i++)
		ship_free(d->slots[i].ship);
	start_request_free(d->order);
	free(d->slots);
	free(d);
}

static void finish(struct delivery *d)
{
	if (d->why.code)
		rpc_request_fail(d->req, &d->why);
	else
		rpc_request_reply(d->req, NULL);
	delivery_free(d);
}

static void on_shipped(void *data, const struct bigm_error *why)
{
	struct slot *slot = data;
	struct delivery *d = slot->delivery;
	struct member *m = slot->member;

	ship_free(slot->ship);
	slot->ship = NULL;
	if (!why)
		snprintf(m->cargo, sizeof(m->cargo), "%s", d->order->cargo->digest);
	else if (m->state == BIGM_RUNNING && !d->why.code)
		error_copy(&d->why, why);
	if (--d->left == 0)
		finish(d);
}

static void on_request_event(struct bigm_request *req, void *data)
{
	if (!bigm_request_canceled(req))
		return;
	delivery_free(data);
	rpc_request_end(req);
}

static void send_to(struct delivery *d, struct member *m)
{
	const struct ship_order order = {
		.fd = -1, .cargo = d->order->cargo,
	};
	struct slot *slot = &d->slots[d->n++];

	*slot = (struct slot){ .delivery = d, .member = m };
	d->left++;
	slot->ship = ship_start(m->client, &order, on_shipped, slot);
}

void delivery_start(struct keeper *k, struct bigm_request *req,
		    struct start_request *order)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->list = &k->deliveries;
	d->next = d->list->first;
	d->list->first = d;
	d->req = req;
	d->order = order;
	d->why = (struct bigm_error)BIGM_ERROR_INIT;
	d->slots = xcalloc(k->nmembers + 1, sizeof(*d->slots));
	rpc_request_on_event(req, on_request_event, d);
	for (size_t i = 0; i < k->nmembers; i++) {
		struct member *m = k->members[i];

		if (m->state == BIGM_RUNNING &&
		    strcmp(m->cargo, order->cargo->digest) != 0)
			send_to(d, m);
	}
	if (d->left == 0)
		finish(d);
}

void delivery_free_all(struct delivery_list *list)
{
	while (list->first)
		delivery_free(list->first);
}
