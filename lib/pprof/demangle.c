#include "config.h"

#include "pprof/demangle.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libstdc++.so.6"

static void load(struct demangler *d)
{
	void *fn;

	d->tried = true;
	d->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	fn = d->library ? dlsym(d->library, "__cxa_demangle") : NULL;
	/* A conversion that C has no word for. */
	memcpy(&d->fn, &fn, sizeof(fn));
}

char *demangle(struct demangler *d, const char *name)
{
	int status;

	if (strncmp(name, "_Z", 2) != 0)
		return NULL;
	if (!d->tried)
		load(d);
	return d->fn ? d->fn(name, NULL, NULL, &status) : NULL;
}

void demangler_release(struct demangler *d)
{
	if (d->library)
		dlclose(d->library);
	*d = (struct demangler){ 0 };
}
