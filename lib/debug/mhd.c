#include "config.h"

#include "debug/mhd.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include "base/error.h"

/* What the headers describe. */
#define SONAME "libmicrohttpd.so.12"

bool mhd_is_possible(void)
{
	return getauxval(AT_BASE) != 0;
}

int mhd_load(struct mhd *mhd, struct bigm_error *err)
{
#define MHD_SYMBOL(name) { "MHD_" #name, (void **)&mhd->name },
	const struct {
		const char *name;
		void **to;
	} symbols[] = { MHD_FUNCTIONS(MHD_SYMBOL) };
#undef MHD_SYMBOL
	void *library;

	if (!mhd_is_possible())
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "a static program cannot load " SONAME);
	library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "%s (Debian package libmicrohttpd12)",
				      dlerror());
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		*symbols[i].to = dlsym(library, symbols[i].name);
		if (!*symbols[i].to)
			return bigm_error_set(err, BIGM_EUNSUPPORTED, "%s",
					      dlerror());
	}
	return 0;
}
