#include "config.h"

#include "keeper/ec2boot.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "bundle/elf_file.h"

char *ec2boot_find(const char *bigm_path, const char *arch,
		   struct bigm_error *err)
{
	const char *wanted = arch ? arch : elf_own_arch();
	const char *name = strchr(wanted, '/'), *slash = strrchr(bigm_path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(bigm_path,
					       (size_t)(slash - bigm_path)) :
				      xstrdup(".");
	const struct {
		const char *dir, *below;
	} places[] = {
		{ dir, "" },
		{ dir, "/ec2" },
		{ dir, "/../libexec/bigm" },
		{ BIGM_PKGLIBEXECDIR, "" },
	};
	struct buffer looked_at = BUFFER_INIT(64 << 10);
	char *found = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		found = xasprintf("%s%s/ec2boot-%s", places[i].dir,
				  places[i].below, name ? name + 1 : wanted);
		if (access(found, R_OK) == 0)
			break;
		buffer_appendf(&looked_at, NULL, "%s%s",
			       looked_at.len > 0 ? ", " : "", found);
		free(found);
		found = NULL;
	}
	if (!found)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "cannot find the worker that machines begin as, "
			       "for %s; looked at %s", wanted,
			       buffer_string(&looked_at));
	buffer_release(&looked_at);
	return found;
}
