/*
 * peers: machines that are dialled by their address, and the list of all that
 * a handle knows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "machine/handle_private.h"

static bool is_at(const struct bigm_machine *m, const char *address)
{
	return strcmp(bigm_machine_address(m), address) == 0;
}

static bool is_stopped(const struct bigm_machine *m)
{
	return bigm_machine_state(m) == BIGM_STOPPED;
}

/* Locked.  Our own of that address; the last one, since addresses are used
 * again. */
static struct bigm_machine *find_owned(struct bigm *b, const char *address)
{
	struct bigm_machine **all, *found = NULL;
	size_t n;

	if (!b->cluster)
		return NULL;
	n = cluster_machines(b->cluster, &all);
	for (size_t i = 0; i < n; i++)
		if (is_at(all[i], address) &&
		    (!found || is_stopped(found) || !is_stopped(all[i])))
			found = all[i];
	free(all);
	return found;
}

/* Locked.  One that has stopped may be there again. */
static struct bigm_machine *find_dialled(struct bigm *b, const char *address)
{
	for (size_t i = 0; i < b->ndialled; i++)
		if (is_at(b->dialled[i], address) && !is_stopped(b->dialled[i]))
			return b->dialled[i];
	return NULL;
}

/* Locked. */
static struct bigm_machine *dial_new(struct bigm *b, const char *address,
				     struct bigm_error *err)
{
	struct machine_facts facts = { .state = BIGM_RUNNING,
				       .address = address,
				       .reason = BIGM_ERROR_INIT };
	struct tls_context *tls = b->tls;
	const char *id = b->id;
	struct bigm_machine *m;

	if (b->cluster) {
		tls = cluster_tls(b->cluster);
		id = cluster_info(b->cluster)->id;
	}
	if (!tls) {
		bigm_error_set(err, BIGM_EINVALID,
			       "cannot dial %s before bigm_start()", address);
		return NULL;
	}
	m = machine_new(b->loop, address, MACHINE_DIALLED);
	machine_update(m, &facts, tls, id);
	if (bigm_machine_error(m, err) < 0) {
		machine_free(m);
		return NULL;
	}
	machine_ping(m, NULL);
	b->dialled = xrealloc(b->dialled,
			      (b->ndialled + 1) * sizeof(*b->dialled));
	b->dialled[b->ndialled++] = m;
	return m;
}

struct bigm_machine *bigm_dial(struct bigm *b, const char *address,
			       struct bigm_error *err)
{
	pthread_mutex_lock(&b->lock);
	struct bigm_machine *m = find_owned(b, address);
	if (!m)
		m = find_dialled(b, address);
	if (!m)
		m = dial_new(b, address, err);
	pthread_mutex_unlock(&b->lock);
	return m;
}

int bigm_machines(struct bigm *b, struct bigm_machine ***machines)
{
	struct bigm_machine **all = NULL;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	if (b->cluster)
		n = cluster_machines(b->cluster, &all);
	all = xrealloc(all, (n + b->ndialled + 1) * sizeof(*all));
	for (size_t i = 0; i < b->ndialled; i++)
		if (!is_stopped(b->dialled[i]))
			all[n++] = b->dialled[i];
	pthread_mutex_unlock(&b->lock);
	all[n] = NULL;
	*machines = all;
	return (int)n;
}

void peers_stop(struct bigm *b)
{
	const struct bigm_error as_asked = BIGM_ERROR_INIT;

	for (size_t i = 0; i < b->ndialled; i++)
		machine_stop(b->dialled[i], &as_asked);
}

void peers_release(struct bigm *b)
{
	for (size_t i = 0; i < b->ndialled; i++)
		machine_free(b->dialled[i]);
	free(b->dialled);
}
