#include "config.h"

#include "keeper/ec2boot.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/elf_file.h"
#include "keeper/companion.h"

char *ec2boot_find(const char *bigm_path, const char *arch,
		   struct bigm_error *err)
{
	const char *wanted = arch ? arch : elf_own_arch();
	const char *slash = strchr(wanted, '/');
	AUTO_FREE char *name = xasprintf("ec2boot-%s",
					 slash ? slash + 1 : wanted);
	char *found = companion_find(bigm_path, name, err);

	if (!found)
		error_prefix(err, "the worker that machines begin as, for %s",
			     wanted);
	return found;
}
