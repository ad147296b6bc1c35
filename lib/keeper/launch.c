/*
 * launch: how machines begin: as many as this host can hold, all that were asked
 * for or none.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/limits.h"
#include "keeper/member.h"

/* What the keeper has besides machines, with some for clients and for
 * spawning. */
#define FDS_BESIDES 80

static uint64_t living_after(const struct keeper *k, int n)
{
	uint64_t living = (uint64_t)n;

	for (size_t i = 0; i < k->nmembers; i++)
		living += !member_is_over(k->members[i]);
	return living;
}

int keeper_allow(const struct keeper *k, int n, struct bigm_error *err)
{
	const struct limits_order order = {
		.machines = n,
		/* One more for its connection. */
		.files = FDS_BESIDES +
			 living_after(k, n) * (1 + k->ops->host_files),
		.processes = (uint64_t)n * k->ops->host_processes,
		.memory = (uint64_t)n * k->ops->host_memory,
	};

	return limits_allow(&order, err);
}

int keeper_find_cargo(struct keeper *k, struct start_request *request,
		      struct bigm_error *err)
{
	const char *arch = k->ops->arch ? k->ops->arch(k->system) : NULL;

	/* Elsewhere nobody has the program's libraries. */
	if (!request->bundle && !(arch && request->program))
		return 0;
	if (!k->find_cargo)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "%s: this keeper cannot ship bundles",
				      request->bundle ? request->bundle
						      : request->program);
	return k->find_cargo(request->program, request->bundle, arch,
			     k->record->dir, &request->cargo, err);
}

/* As many as this host can hold, from min to n. */
static int allow_some(const struct keeper *k, int min, int n,
		      struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	int most = n;

	if (keeper_allow(k, n, &why) == 0)
		return n;
	/* What would hold more is not known, but what would not. */
	for (int least = min; least < most;) {
		int middle = least + (most - least) / 2;

		if (keeper_allow(k, middle, NULL) == 0)
			least = middle + 1;
		else
			most = middle;
	}
	if (most <= min)
		return error_copy(err, &why);
	log_info("%d of %d machines: %s", most - 1, n, why.text);
	return most - 1;
}

/* Some could not even begin.  When that is too many, none is wanted. */
static int check_begun(struct keeper *k, const struct start_request *request,
		       size_t first, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const struct member *failed = NULL;
	int begun = 0;

	for (size_t i = first; i < k->nmembers; i++)
		if (k->members[i]->state != BIGM_STOPPED)
			begun++;
		else if (!failed)
			failed = k->members[i];
	if (begun >= request->min || !failed)
		return 0;
	error_copy(err, &failed->reason);
	error_prefix(err, "%d of %d machines could begin, %d are needed", begun,
		     request->n, request->min);
	bigm_error_set(&why, BIGM_ECANCELED, "given up, for there are too few");
	for (size_t i = first; i < k->nmembers; i++)
		member_fail(k->members[i], &why, 0);
	return failed->reason.code;
}

void keeper_launch(struct keeper *k, const struct start_request *order, int n)
{
	k->members = xrealloc(k->members, (k->nmembers + (size_t)n) *
						  sizeof(*k->members));
	for (int i = 0; i < n; i++) {
		struct member *m = member_new(k, (int)k->nmembers, order);

		k->members[k->nmembers++] = m;
		member_launch(m);
	}
}

int keeper_start(struct keeper *k, struct start_request *request,
		 size_t *first, struct bigm_error *err)
{
	int min = request->min > 0 ? request->min : request->n;
	int rc = k->phase == KEEPER_UP ?
			 allow_some(k, min, request->n, err) :
			 bigm_error_set(err, BIGM_EUNAVAILABLE,
					"cluster %s: is shutting down",
					k->record->name);
	int n = rc;

	if (rc > 0)
		rc = keeper_find_cargo(k, request, err);
	if (rc < 0) {
		start_request_free(request);
		return rc;
	}
	keepalive_fill(&k->keepalive, &k->ops->keepalive);
	request->n = n;
	/* As it is now; a machine that is given back gets it again. */
	if (request->program)
		request->program_fd = open(request->program,
					   O_RDONLY | O_CLOEXEC);
	k->orders = xrealloc(k->orders,
			     (k->norders + 1) * sizeof(*k->orders));
	k->orders[k->norders++] = request;
	*first = k->nmembers;
	keeper_launch(k, request, n);
	return check_begun(k, request, *first, err);
}
