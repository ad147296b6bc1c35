#include "config.h"

#include "machine/cluster.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/error.h"

struct search {
	char *found;
	struct buffer looked_at; /* for the error */
};

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* beside: what it is found beside; NULL: its folder was named. */
static void try_path(struct search *s, const char *dir, size_t dir_len,
		     const char *rest, const char *beside)
{
	if (s->found)
		return;
	s->found = xasprintf("%.*s%s", (int)dir_len, dir, rest);
	if (is_program(s->found) &&
	    (!beside || beside_is_ours(s->found, beside)))
		return;
	buffer_appendf(&s->looked_at, NULL, "%s%s",
		       s->looked_at.len > 0 ? ", " : "", s->found);
	free(s->found);
	s->found = NULL;
}

/* The length of a path's folder. */
static size_t dir_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static void try_beside_program(struct search *s)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len <= 0)
		return;
	exe[len] = '\0';
	try_path(s, exe, dir_len(exe), "/bigm", exe);
}

static void try_beside_library(struct search *s)
{
	Dl_info info;
	AUTO_FREE char *path = NULL;

	/* A static libbigm is in the program itself, as are bigm's own
	 * commands; that has been tried. */
	if (dladdr((void *)(uintptr_t)bigm_version, &info) == 0 ||
	    !info.dli_fname || !strstr(info.dli_fname, "libbigm"))
		return;
	path = realpath(info.dli_fname, NULL);
	if (!path)
		return;
	size_t lib = dir_len(path);
	try_path(s, path, lib, "/bigm", path);
	/* lib/libbigm.so and lib/x86_64-linux-gnu/libbigm.so. */
	try_path(s, path, lib, "/../bin/bigm", path);
	try_path(s, path, lib, "/../../bin/bigm", path);
}

static void try_search_path(struct search *s)
{
	const char *dir = getenv("PATH");

	while (dir && !s->found) {
		size_t len = strcspn(dir, ":");

		/* Only absolute folders: a bigm that lies in the present
		 * folder by chance is not to be run. */
		if (*dir == '/')
			try_path(s, dir, len, "/bigm", NULL);
		dir = dir[len] == ':' ? dir + len + 1 : NULL;
	}
}

char *cluster_find_program(struct bigm_error *err)
{
	struct search s = { NULL, BUFFER_INIT(64 << 10) };
	const char *said = getenv("BIGM");

	if (said && *said) {
		if (is_program(said))
			return xstrdup(said);
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "BIGM=%s is no program; it must be the path of "
			       "bigm", said);
		return NULL;
	}
	try_beside_program(&s);
	try_beside_library(&s);
	try_path(&s, BIGM_BINDIR, strlen(BIGM_BINDIR), "/bigm", NULL);
	try_search_path(&s);
	if (!s.found)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "cannot find the program bigm; set BIGM to its "
			       "path; looked at %s",
			       buffer_string(&s.looked_at));
	buffer_release(&s.looked_at);
	return s.found;
}
