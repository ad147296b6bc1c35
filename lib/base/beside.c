#include "config.h"

#include "base/beside.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

bool beside_is_ours(const char *path, const char *program)
{
	struct stat link, file, trusted;
	const struct stat *const both[] = { &link, &file };

	if (lstat(path, &link) < 0 || stat(path, &file) < 0)
		return false;
	if (stat(program, &trusted) < 0)
		trusted.st_uid = geteuid();
	for (int i = 0; i < 2; i++) {
		uid_t owner = both[i]->st_uid;

		if (owner == geteuid() || owner == 0 ||
		    owner == trusted.st_uid)
			continue;
		log_warn("%s is not used: it belongs to user %u, and nobody "
			 "has named it", path, (unsigned)owner);
		return false;
	}
	return true;
}
