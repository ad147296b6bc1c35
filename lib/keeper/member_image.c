/*
 * member_image: what a machine is sent on its way to be what it shall be: the
 * order's program, a borrower's, or its own again.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "keeper/core.h"
#include "keeper/member_private.h"
#include "loop/process.h"

/* The borrower cannot have it; it is still its own. */
static void not_lent(struct member *m, const struct bigm_error *why)
{
	error_copy(&m->loan_reason, why);
	error_prefix(&m->loan_reason, "%s", m->name);
	m->use = MEMBER_OWN;
	m->image = m->order;
	m->least = m->incarnation;
	keeper_member_changed(m->keeper, m);
}

/* The bare worker is there. */
static void ship_on(struct member *m)
{
	m->hop = false;
	member_ship(m, m->image);
}

static void on_shipped(void *data, const struct bigm_error *why)
{
	struct member *m = data;
	bool untouched = ship_is_loading(m->ship);
	bool unwanted = m->use == MEMBER_RETURNING && m->image != m->order;
	struct bigm_error how = BIGM_ERROR_INIT;

	error_copy(&how, why ? why : &how);
	member_tell_shipped(m, why);
	ship_free(m->ship);
	m->ship = NULL;
	if (how.code == BIGM_EUNAVAILABLE)
		member_await_end(m, &how);
	else if (unwanted)
		member_change(m, m->order);
	else if (m->hop && how.code == 0)
		ship_on(m);
	else if (how.code && m->use == MEMBER_TAKING && untouched)
		not_lent(m, &how);
	else if (how.code)
		member_fail(m, &how, 0);
	else
		member_greet(m);
	member_note_phase(m);
}

/* The environment's changes on the way from one image to another: all that it
 * shall have, and what it shall not have any more. */
static char **env_changes(char *const *from, char *const *to)
{
	size_t n = 1, count = 0; /* one more, see add_change() */
	char **changes;

	for (char *const *e = from; *e; e++)
		n++;
	for (char *const *e = to; *e; e++)
		n++;
	changes = xcalloc(n + 1, sizeof(*changes));
	for (char *const *e = to; *e; e++)
		changes[count++] = xstrdup(*e);
	for (; *from; from++) {
		size_t len = strcspn(*from, "=") + 1;
		char *const *e = to;

		while (*e && strncmp(*e, *from, len) != 0)
			e++;
		if (!*e)
			changes[count++] = xstrndup(*from, len - 1);
	}
	return changes;
}

/* What is sent on the way to its image: that, or the bare worker first, since
 * nobody else can take cargo. */
static struct ship_order ship_order_of(const struct member *m)
{
	static char *const bare[] = { (char *)"bigm", NULL };
	const struct start_request *image = m->image;
	bool own = !m->hop && (image->program || image->cargo);

	return (struct ship_order){
		.shipments = &m->keeper->shipments,
		.stock = m->stock,
		.address = m->address,
		/* Those that were started, or are lent, together. */
		.expected = (size_t)image->n,
		.source = { .program = own ? image->program :
					     keeper_worker(m->keeper),
			    .fd = own ? image->program_fd : -1,
			    .cargo = own ? image->cargo : NULL },
		.exec = !own || !image->cargo || image->exec,
		.argv = own ? image->argv : bare,
	};
}

/* A plain program is for a machine of this host, and loads its profiler from
 * where that lies; a bundle has its own along.  NULL: none. */
static char *preload_of(const struct member *m, const struct ship_order *order)
{
	const struct keeper *k = m->keeper;
	const struct start_request *image = m->image;

	if (!k->preload || m->hop || image->cargo || !image->program ||
	    !order->exec)
		return NULL;
	/* Its file may be gone. */
	if (image->program_fd < 0)
		return k->preload(image->program, image->env);
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d",
					 image->program_fd);
	return k->preload(path, image->env);
}

/* change may be NULL, and becomes the list's. */
static void add_change(char **changes, char *change)
{
	while (*changes)
		changes++;
	*changes = change;
}

/* preload becomes the list's.  NULL: none. */
static char **ship_env(const struct member *m,
		       const struct start_request *before, char *preload)
{
	static char *nothing[] = { NULL };
	const struct start_request *image = m->image;
	char **ours, **changes;

	if (m->keeper->ops->elsewhere)
		return env_changes(before != image && before->wanted_env
					   ? before->wanted_env : nothing,
				   image->wanted_env ? image->wanted_env
						     : nothing);
	if (before == image && !image->env && !preload)
		return NULL;
	ours = process_env(NULL, NULL);
	changes = env_changes(before->env ? before->env : ours,
			      image->env ? image->env : ours);
	strings_free(ours);
	add_change(changes, preload);
	return changes;
}

static void on_progress(void *data)
{
	struct member *m = data;

	keeper_member_alive(m->keeper, m);
}

void member_ship(struct member *m, const struct start_request *before)
{
	static const struct ship_ops ops = {
		.done = on_shipped,
		.progress = on_progress,
	};
	struct ship_order order = ship_order_of(m);
	char **env = ship_env(m, before, preload_of(m, &order));

	order.env = env;
	if (order.exec)
		m->least = (m->incarnation > 0 ? m->incarnation : 1) + 1;
	m->splitter.begins = m->least > 0 ? m->least : 1;
	/* For Run, if it is not to become that. */
	snprintf(m->cargo, sizeof(m->cargo), "%s",
		 order.exec ? "" : order.source.cargo->digest);
	pulse_start(&m->pulse);
	member_tell_ship(m);
	m->ship = ship_start(&order, &ops, m);
	strings_free(env);
}

void member_change(struct member *m, const struct start_request *image)
{
	const struct start_request *before = m->image;

	ship_free(m->ship);
	bigm_call_free(m->reg);
	m->ship = NULL;
	m->reg = NULL;
	m->alive = m->registered = false;
	m->image = image;
	m->hop = image->cargo != NULL;
	member_ship(m, before);
}
