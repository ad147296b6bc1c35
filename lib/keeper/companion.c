#include "config.h"

#include "keeper/companion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/buffer.h"
#include "base/error.h"
#include "machine/system.h"

#define OWN_PROGRAM "/proc/self/exe"

char *companion_find(const char *bigm_path, const char *name,
		     struct bigm_error *err)
{
	const char *slash = strrchr(bigm_path, '/');
	AUTO_FREE char *dir = slash ? xstrndup(bigm_path,
					       (size_t)(slash - bigm_path)) :
				      xstrdup(".");
	const struct {
		const char *dir, *below;
	} places[] = {
		{ dir, "" },
		{ dir, "/ec2" },
		{ dir, "/../libexec/bigm" },
		{ dir, "/../lib/bigm" },
		{ BIGM_PKGLIBEXECDIR, "" },
		{ BIGM_PKGLIBDIR, "" },
	};
	struct buffer looked_at = BUFFER_INIT(64 << 10);
	char *found = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		found = xasprintf("%s%s/%s", places[i].dir, places[i].below,
				  name);
		if (access(found, R_OK) == 0 &&
		    beside_is_ours(found, bigm_path))
			break;
		buffer_appendf(&looked_at, NULL, "%s%s",
			       looked_at.len > 0 ? ", " : "", found);
		free(found);
		found = NULL;
	}
	if (!found)
		bigm_error_set(err, BIGM_ENOTFOUND, "cannot find %s; looked at "
			       "%s", name, buffer_string(&looked_at));
	buffer_release(&looked_at);
	return found;
}

char *companion_find_own(const char *name, struct bigm_error *err)
{
	char self[4096];
	ssize_t n = readlink(OWN_PROGRAM, self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	return companion_find(self, name, err);
}

static bool is_ours(const char *system)
{
	for (size_t i = 0; system_table[i]; i++)
		if (strcmp(system_table[i]->name, system) == 0)
			return true;
	return false;
}

int companion_become(const char *system, char *const argv[],
		     struct bigm_error *err)
{
	static const struct {
		const char *system, *program;
	} table[] = {
		{ "ec2", "bigm-ec2" },
	};
	size_t i = 0;

	while (i < sizeof(table) / sizeof(*table) &&
	       strcmp(table[i].system, system) != 0)
		i++;
	if (i == sizeof(table) / sizeof(*table) || is_ours(system))
		return 0;
	AUTO_FREE char *program = companion_find_own(table[i].program, err);
	if (!program)
		return error_prefix(err, "system %s", system);
	execv(program, argv);
	return error_set_errno(err, errno, "system %s: cannot execute %s",
			       system, program);
}
