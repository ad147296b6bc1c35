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

/* Errors of calls name the machine already. */
static void blame(struct delivery *d, const struct member *m,
		  const struct bigm_error *why)
{
	AUTO_FREE char *name = xasprintf("%s: ", m->name);

	error_copy(&d->why, why);
	if (!strstr(why->text, name))
		error_prefix(&d->why, "%s", m->name);
}

static void on_shipped(void *data, const struct bigm_error *why)
{
	struct slot *slot = data;
	struct delivery *d = slot->delivery;
	struct member *m = slot->member;

	ship_free(slot->ship);
	slot->ship = NULL;
	keeper_member_alive(m->keeper, m);
	if (!why)
		snprintf(m->cargo, sizeof(m->cargo), "%s", d->order->cargo->digest);
	else if (m->state == BIGM_RUNNING && !d->why.code)
		blame(d, m, why);
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

static void on_progress(void *data)
{
	struct slot *slot = data;

	keeper_member_alive(slot->member->keeper, slot->member);
}

static void send_to(struct delivery *d, struct member *m, size_t expected)
{
	static const struct ship_ops ops = { .done = on_shipped,
					     .progress = on_progress };
	const struct ship_order order = {
		.shipments = &m->keeper->shipments,
		.stock = m->stock,
		.address = m->address,
		.expected = expected,
		.source = { .fd = -1, .cargo = d->order->cargo },
	};
	struct slot *slot = &d->slots[d->n++];

	*slot = (struct slot){ .delivery = d, .member = m };
	d->left++;
	slot->ship = ship_start(&order, &ops, slot);
}

static bool is_wanting(const struct delivery *d, const struct member *m)
{
	return m->state == BIGM_RUNNING &&
	       strcmp(m->cargo, d->order->cargo->digest) != 0;
}

void delivery_start(struct keeper *k, struct bigm_request *req,
		    struct start_request *order)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	size_t expected = 0;

	d->list = &k->deliveries;
	d->next = d->list->first;
	d->list->first = d;
	d->req = req;
	d->order = order;
	d->why = (struct bigm_error)BIGM_ERROR_INIT;
	d->slots = xcalloc(k->nmembers + 1, sizeof(*d->slots));
	rpc_request_on_event(req, on_request_event, d);
	for (size_t i = 0; i < k->nmembers; i++)
		expected += is_wanting(d, k->members[i]);
	for (size_t i = 0; i < k->nmembers; i++)
		if (is_wanting(d, k->members[i]))
			send_to(d, k->members[i], expected);
	if (d->left == 0)
		finish(d);
}

void delivery_free_all(struct delivery_list *list)
{
	while (list->first)
		delivery_free(list->first);
}
