#include "config.h"

#include "supervisor/tree_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* ------------------------------------------------------------------ */
/* Finding                                                             */

/* Neither is a file's name, nor says where a new one belongs. */
static bool is_nameless(const char *name)
{
	return *name == '\0' || strcmp(name, ".") == 0 ||
	       strcmp(name, "..") == 0;
}

static int open_dir(int base, const char *path, struct bigm_error *err)
{
	int fd = openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : error_set_errno(err, errno, "the folder %s", path);
}

/* The path's last part belongs in the folder before it. */
static int split(struct tree_place *place, int base, const char *path,
		 struct bigm_error *err)
{
	AUTO_FREE char *folder = xstrdup(path);
	size_t len = strlen(folder);
	char *slash;

	while (len > 1 && folder[len - 1] == '/')
		folder[--len] = '\0';
	place->only_folder = path[len] == '/';
	slash = strrchr(folder, '/');
	place->name = xstrdup(slash ? slash + 1 : folder);
	if (is_nameless(place->name))
		return bigm_error_set(err, BIGM_ENOTFOUND, "%s: is not there",
				      path);
	if (slash)
		slash[slash == folder] = '\0';
	place->folder = open_dir(base, slash ? folder : ".", err);
	return place->folder < 0 ? place->folder : 0;
}

int tree_place_find(struct tree_place *place, const char *dir,
		    const char *path, const char *name,
		    struct bigm_error *err)
{
	AUTO_CLOSE int base = -1;
	struct stat st;

	*place = (struct tree_place){ .folder = -1 };
	path = *path ? path : ".";
	base = open_dir(AT_FDCWD, *dir ? dir : ".", err);
	if (base < 0)
		return base;
	if (fstatat(base, path, &st, 0) < 0 || !S_ISDIR(st.st_mode)) {
		place->shown = xstrdup(path);
		return split(place, base, path, err);
	}
	place->shown = name ? xasprintf("%s/%s", path, name) : xstrdup(path);
	place->folder = open_dir(base, path, err);
	if (place->folder < 0)
		return place->folder;
	if (!name)
		return 0;
	if (is_nameless(name) || strchr(name, '/'))
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "\"%s\" is no name of a file", name);
	place->name = xstrdup(name);
	return 0;
}

void tree_place_release(struct tree_place *place)
{
	if (place->folder >= 0)
		close(place->folder);
	free(place->name);
	free(place->shown);
}

/* ------------------------------------------------------------------ */
/* Checking                                                            */

static mode_t type_of(int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ?
		       0 : st.st_mode & S_IFMT;
}

/* Whether what has the name may be replaced by a file, or, if it is a folder,
 * be joined by one. */
static int check_name(int folder, const char *name, bool is_folder,
		      const char *shown, struct bigm_error *err)
{
	mode_t type = type_of(folder, name);
	struct stat st;

	if (type == 0 || type == (is_folder ? S_IFDIR : S_IFREG))
		return 0;
	/* A link gives way to a file, but /dev/stdout does not. */
	if (type == S_IFLNK && !is_folder &&
	    (fstatat(folder, name, &st, 0) < 0 || S_ISREG(st.st_mode)))
		return 0;
	if (type == S_IFDIR)
		return bigm_error_set(err, BIGM_EEXIST,
				      "%s: is a folder, and a file would take "
				      "its place", shown);
	return bigm_error_set(err, BIGM_EEXIST, "%s: is there, and is no %s",
			      shown, is_folder ? "folder" : "file");
}

int tree_place_check(const struct tree_place *place, bool folder,
		     struct bigm_error *err)
{
	if (!folder && (!place->name || place->only_folder))
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "%s: is no folder to put a file in, or "
				      "has no name for it", place->shown);
	return !place->name ? 0 : check_name(place->folder, place->name, folder,
					     place->shown, err);
}

/* ------------------------------------------------------------------ */
/* Joining folders                                                     */

struct join {
	int from, to; /* folders; `from` is ours */
	const char *shown; /* `to` */
	bool move; /* else just look whether all can be moved */
};

static int join_folders(const struct join *join, struct bigm_error *err);

/* Another copy to the same place was faster: it is joined then. */
static bool is_taken(int errnum)
{
	return errnum == ENOTEMPTY || errnum == EEXIST;
}

/* A folder that goes elsewhere has to be writable, for its "..". */
static int move_folder(const struct join *join, const char *name)
{
	struct stat st;

	if (fstatat(join->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(join->from, name, 0700, 0) < 0 ||
	    renameat(join->from, name, join->to, name) < 0)
		return -1;
	return fchmodat(join->to, name, st.st_mode & 0777, 0);
}

static int join_below(const struct join *join, const char *name,
		      const char *shown, struct bigm_error *err)
{
	AUTO_CLOSE int from = openat(join->from, name, OPEN_FOLDER);
	AUTO_CLOSE int to = openat(join->to, name, OPEN_FOLDER);
	const struct join below = { from, to, shown, join->move };

	if (from < 0 || to < 0)
		return error_set_errno(err, errno, "%s", shown);
	return join_folders(&below, err);
}

static int join_name(const struct join *join, const char *name,
		     struct bigm_error *err)
{
	AUTO_FREE char *shown = xasprintf("%s/%s", join->shown, name);
	bool folder = type_of(join->from, name) == S_IFDIR;
	int rc;

	if (check_name(join->to, name, folder, shown, err) < 0)
		return err->code;
	if (folder && type_of(join->to, name) == S_IFDIR)
		return join_below(join, name, shown, err);
	if (!join->move)
		return 0;
	rc = folder ? move_folder(join, name) :
		      renameat(join->from, name, join->to, name);
	if (rc < 0 && folder && is_taken(errno))
		return join_below(join, name, shown, err);
	return rc < 0 ? error_set_errno(err, errno, "%s", shown) : 0;
}

static int join_folders(const struct join *join, struct bigm_error *err)
{
	struct dirent **entries = NULL;
	int n, rc = 0;

	if (fchmod(join->from, 0700) < 0)
		return error_set_errno(err, errno, "%s", join->shown);
	n = scandirat(join->from, ".", &entries, NULL, alphasort);
	if (n < 0)
		return error_set_errno(err, errno, "%s", join->shown);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (rc == 0 && strcmp(name, ".") != 0 &&
		    strcmp(name, "..") != 0)
			rc = join_name(join, name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* Nothing is moved unless all can be. */
static int join(const struct tree_place *place, const char *temporary,
		struct bigm_error *err)
{
	AUTO_CLOSE int from = openat(place->folder, temporary, OPEN_FOLDER);
	AUTO_CLOSE int to = openat(place->folder,
				   place->name ? place->name : ".",
				   OPEN_FOLDER);
	struct join join = { from, to, place->shown, false };
	int rc;

	if (from < 0 || to < 0)
		return error_set_errno(err, errno, "%s", place->shown);
	rc = join_folders(&join, err);
	join.move = true;
	return rc == 0 ? join_folders(&join, err) : rc;
}

int tree_place_fill(const struct tree_place *place, const char *temporary,
		    bool folder, struct bigm_error *err)
{
	if (tree_place_check(place, folder, err) < 0)
		return err->code;
	if (folder && (!place->name ||
		       type_of(place->folder, place->name) == S_IFDIR))
		return join(place, temporary, err);
	if (renameat(place->folder, temporary, place->folder, place->name) == 0)
		return 0;
	if (folder && is_taken(errno))
		return join(place, temporary, err);
	return error_set_errno(err, errno, "cannot make %s", place->shown);
}
