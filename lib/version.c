#include "config.h"

#include "bigm.h"

const char *bigm_version(void)
{
	return PACKAGE_VERSION;
}
