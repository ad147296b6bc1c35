/* What machines are sent that have none of this host's files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/error.h"
#include "bundle/elf_file.h"
#include "bundle/make.h"
#include "cmd/session.h"

bool run_is_local(const struct run_options *o)
{
	return o->system == NULL || strcmp(o->system, "local") == 0;
}

bool run_may_pack(const struct run_order *order)
{
	const struct run_options *o = &order->options;

	return o->cluster != NULL || o->ship || o->files.n > 0 ||
	       !run_is_local(o);
}

/* Machines of a cluster that is there, and of this host, run what lies here,
 * whatever they began as. */
static bool is_wanted(const struct run_order *order, const struct session *s)
{
	return cluster_info(s->cluster)->arch != NULL ||
	       order->options.files.n > 0 || (order->options.ship && !s->attach);
}

/* It stays as long as machines of the cluster may begin: in the record. */
static int make(struct run_order *order, struct session *s,
		struct bigm_error *err)
{
	const struct make_program program = { .path = order->path };
	AUTO_FREE char *path = session_place(s, "job.bigm", err);
	const struct make_order make = {
		.programs = &program,
		.nprograms = 1,
		.files = order->options.files.items,
		.no_libs = order->options.no_libs,
		.path = path,
		.link = cluster_info(s->cluster)->arch != NULL ? GAIN_NETWORK
							       : GAIN_THIS_HOST,
	};

	if (path == NULL || make_bundle(&make, err) != 0)
		return err->code;
	order->packed = true;
	return bundle_open(&order->bundle, path, err);
}

/* The user may have made one that is for others, too. */
static int use_other(struct run_order *order, const struct bigm_error *why,
		     struct bigm_error *err)
{
	const char *named = order->settings.bundle;
	AUTO_FREE char *beside = xasprintf("%s.bigm", order->path);
	AUTO_FREE char *path = NULL;

	if (named != NULL || beside_is_ours(beside, order->path))
		path = realpath(named != NULL ? named : beside, NULL);
	if (path == NULL && named != NULL)
		return error_set_errno(err, errno, "the bundle %s", named);
	return path != NULL ? bundle_open(&order->bundle, path, err)
			    : error_copy(err, why);
}

int run_pack(struct run_order *order, struct session *s, struct bigm_error *err)
{
	const struct cluster_info *info = cluster_info(s->cluster);
	const char *arch = info->arch != NULL ? info->arch : elf_own_arch();
	struct bigm_error why = BIGM_ERROR_INIT;

	if (order->bundle.path != NULL || order->path == NULL ||
	    !is_wanted(order, s))
		return 0;
	return make_suits(order->path, arch, &why) >= 0
		       ? make(order, s, err)
		       : use_other(order, &why, err);
}

void run_unpack(struct run_order *order)
{
	if (order->packed)
		unlink(order->bundle.path);
}
