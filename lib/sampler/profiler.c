#include "config.h"

#include "sampler/profiler.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "machine/cluster.h"

/* In a static program that was linked with it; NULL elsewhere. */
extern const struct profiler bigm_profiler __attribute__((weak));

const struct profiler *profiler_loaded(void)
{
	const struct profiler *loaded = dlsym(RTLD_DEFAULT, PROFILER_SYMBOL);

	return loaded ? loaded : &bigm_profiler;
}

/* Beside bigm, or where it is installed; malloc'ed. */
static char *find_library(struct bigm_error *err)
{
	AUTO_FREE char *bigm = cluster_find_program(NULL);
	char *slash = bigm ? strrchr(bigm, '/') : NULL, *path;
	AUTO_FREE char *beside = NULL;

	if (slash) {
		*slash = '\0';
		path = xasprintf("%s/" PROFILER_LIBRARY, bigm);
		if (access(path, R_OK) == 0)
			return path;
		beside = path;
	}
	path = xstrdup(BIGM_PKGLIBDIR "/" PROFILER_LIBRARY);
	if (access(path, R_OK) == 0)
		return path;
	bigm_error_set(err, BIGM_EUNSUPPORTED, "profiles need "
		       PROFILER_LIBRARY ", which is not here; looked at %s%s%s",
		       beside ? beside : "", beside ? ", " : "", path);
	free(path);
	return NULL;
}

static const struct profiler *load(struct bigm_error *err)
{
	AUTO_FREE char *path = NULL;
	const struct profiler *found;
	void *library;

	/* A static program would load a second C library. */
	if (!dlsym(RTLD_DEFAULT, "dlopen")) {
		bigm_error_set(err, BIGM_EUNSUPPORTED, "this program is linked "
			       "statically, without libbigm_profile.a: no "
			       "profile can be taken of it");
		return NULL;
	}
	path = find_library(err);
	library = path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
	found = library ? dlsym(library, PROFILER_SYMBOL) : NULL;
	if (path && !found)
		bigm_error_set(err, BIGM_EUNSUPPORTED, "cannot load %s: %s",
			       path, dlerror());
	return found;
}

const struct profiler *profiler_find(struct bigm_error *err)
{
	const struct profiler *p = profiler_loaded();

	if (!p)
		p = load(err);
	if (p && strcmp(p->version, bigm_version()) != 0) {
		bigm_error_set(err, BIGM_EUNSUPPORTED, PROFILER_LIBRARY
			       " is of version %s, and this program's libbigm "
			       "of version %s", p->version, bigm_version());
		return NULL;
	}
	return p;
}
