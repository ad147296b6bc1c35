#include "config.h"

#include "supervisor/tree_take.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "supervisor/tree_place.h"

#define INPUT_MAX (FRAME_HEADER + FRAME_MAX_PAYLOAD + (256u << 10))

struct tree_take {
	struct tree_take_options options;
	struct tree_place place;
	struct buffer in;
	char *temporary; /* its name in place.folder; NULL: nothing is made */
	int root;	 /* of what is a folder; -1: nothing, or a file */
	char *at;	 /* the folder that at_fd is; NULL: none */
	int at_fd;
	char *path;	 /* of the file that is being written */
	int fd;		 /* -1: none is */
	bool complete;	 /* 'z' has come */
	uint64_t size, files;
};

struct tree_take *tree_take_new(const struct tree_take_options *options,
				struct bigm_error *err)
{
	struct tree_take *take = xcalloc(1, sizeof(*take));

	take->options = *options;
	take->root = take->at_fd = take->fd = -1;
	buffer_init(&take->in, INPUT_MAX);
	if (tree_place_find(&take->place, options->dir, options->path,
			    options->name, err) == 0)
		return take;
	tree_take_free(take);
	return NULL;
}

static void close_fd(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

void tree_take_free(struct tree_take *take)
{
	close_fd(&take->root);
	close_fd(&take->at_fd);
	close_fd(&take->fd);
	if (take->temporary)
		folder_remove_at(take->place.folder, take->temporary, NULL);
	tree_place_release(&take->place);
	buffer_release(&take->in);
	free(take->temporary);
	free(take->at);
	free(take->path);
	free(take);
}

uint64_t tree_take_size(const struct tree_take *take)
{
	return take->size;
}

uint64_t tree_take_files(const struct tree_take *take)
{
	return take->files;
}

bool tree_take_is_empty(const struct tree_take *take)
{
	return !take->temporary && take->files == 0;
}

/* ------------------------------------------------------------------ */
/* Entries                                                             */

static int make_name(struct tree_take *take, struct bigm_error *err)
{
	const struct tree_take_options *o = &take->options;
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return error_set_errno(err, errno, "random numbers");
	take->temporary = xasprintf(TREE_TEMPORARY "%016" PRIx64, random);
	return !o->making ? 0 : o->making(o->data, take->place.folder,
					  take->temporary, err);
}

/* What the system said of an entry. */
static int cannot(const struct tree_take *take, const char *what,
		  const char *path, struct bigm_error *err)
{
	const char *shown = take->place.shown;

	if (strcmp(path, ".") == 0)
		return error_set_errno(err, errno, "cannot %s %s", what, shown);
	return error_set_errno(err, errno, "cannot %s %s/%s", what, shown, path);
}

static int make_file(struct tree_take *take, int folder, const char *name,
		     const struct tree_entry *entry, struct bigm_error *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	take->fd = openat(folder, name, flags, 0600);
	if (take->fd < 0)
		return cannot(take, "make", entry->path, err);
	free(take->path);
	take->path = xstrdup(entry->path);
	return 0;
}

/* What is copied, itself: a file or a folder, under its temporary name. */
static int take_root(struct tree_take *take, const struct tree_entry *entry,
		     struct bigm_error *err)
{
	int folder = take->place.folder;

	if (strcmp(entry->path, ".") != 0 || entry->kind == 'c')
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the copy does not begin with what is "
				      "copied");
	if (tree_place_check(&take->place, entry->kind == 'd', err) < 0 ||
	    make_name(take, err) < 0)
		return err->code;
	if (entry->kind == 'f')
		return make_file(take, folder, take->temporary, entry, err);
	if (mkdirat(folder, take->temporary, 0700) < 0)
		return cannot(take, "make", entry->path, err);
	take->root = openat(folder, take->temporary,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return take->root >= 0 ? 0 : cannot(take, "make", entry->path, err);
}

/* Opens the folder of that path, going through real folders only. */
static int open_below(struct tree_take *take, const char *path,
		      struct bigm_error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	AUTO_FREE char *copy = xstrdup(path);
	int fd = openat(take->root, ".", flags);
	char *rest = copy, *part;

	while (fd >= 0 && (part = strsep(&rest, "/"))) {
		int below = openat(fd, part, flags);

		close(fd);
		fd = below;
	}
	return fd >= 0 ? fd : cannot(take, "enter", path, err);
}

/* The folder that an entry belongs in, and its name there. */
static int find_folder(struct tree_take *take, const char *path,
		       const char **name, struct bigm_error *err)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *folder = slash ? xstrndup(path, (size_t)(slash - path))
				       : xstrdup(".");

	*name = slash ? slash + 1 : path;
	if (take->at && strcmp(take->at, folder) == 0)
		return take->at_fd;
	close_fd(&take->at_fd);
	free(take->at);
	take->at = NULL;
	take->at_fd = open_below(take, folder, err);
	if (take->at_fd >= 0)
		take->at = xstrdup(folder);
	return take->at_fd;
}

static int take_folder(struct tree_take *take, int folder, const char *name,
		       const struct tree_entry *entry, struct bigm_error *err)
{
	struct stat st;

	if (mkdirat(folder, name, 0700) == 0)
		return 0;
	if (errno == EEXIST &&
	    fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	return cannot(take, "make", entry->path, err);
}

static int take_link(struct tree_take *take, int folder, const char *name,
		     const struct tree_entry *entry, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const struct tree_take_options *o = &take->options;

	if (o->on_link_out && !tree_link_stays(entry->path, entry->target)) {
		bigm_error_set(&why, BIGM_EINVALID,
			       "%s: is a link to %s, out of what is copied",
			       entry->path, entry->target);
		return o->on_link_out(o->data, &why) < 0 ?
			       error_copy(err, &why) : 0;
	}
	if (symlinkat(entry->target, folder, name) < 0)
		return cannot(take, "make", entry->path, err);
	take->files++;
	return 0;
}

/* A folder is closed with the permissions that it shall have. */
static int take_complete(struct tree_take *take,
			 const struct tree_entry *entry, struct bigm_error *err)
{
	AUTO_CLOSE int fd = open_below(take, entry->path, err);

	if (fd < 0)
		return fd;
	if (fchmod(fd, entry->mode) < 0)
		return cannot(take, "change", entry->path, err);
	return 0;
}

static int take_below(struct tree_take *take, const struct tree_entry *entry,
		      struct bigm_error *err)
{
	const char *name;
	int folder;

	if (take->root < 0 || (strcmp(entry->path, ".") == 0 &&
			       entry->kind != 'c'))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the entry \"%s\" of the copy is out of "
				      "place", entry->path);
	if (entry->kind == 'c')
		return take_complete(take, entry, err);
	folder = find_folder(take, entry->path, &name, err);
	if (folder < 0)
		return folder;
	if (entry->kind == 'd')
		return take_folder(take, folder, name, entry, err);
	return entry->kind == 'l' ?
		       take_link(take, folder, name, entry, err) :
		       make_file(take, folder, name, entry, err);
}

static int finish_file(struct tree_take *take, const struct tree_entry *entry,
		       struct bigm_error *err)
{
	int fd = take->fd;
	int rc;

	if (entry->kind != 'c' || strcmp(entry->path, take->path) != 0)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "\"%s\" is in the middle of the file \"%s\" "
				      "of the copy", entry->path, take->path);
	take->fd = -1;
	rc = fchmod(fd, entry->mode);
	/* Some file systems tell of a full disk only now. */
	if (close(fd) < 0 || rc < 0)
		return cannot(take, "write", take->path, err);
	take->files++;
	return 0;
}

static int take_bytes(struct tree_take *take, const uint8_t *p, size_t len,
		      struct bigm_error *err)
{
	if (take->fd < 0)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the copy has bytes of no file");
	take->size += len;
	return files_write(take->fd, p, len) == 0 ?
		       0 : cannot(take, "write", take->path, err);
}

static int take_entry(struct tree_take *take, const struct tree_entry *entry,
		      struct bigm_error *err)
{
	if (take->fd >= 0)
		return finish_file(take, entry, err);
	return take->temporary ? take_below(take, entry, err) :
				 take_root(take, entry, err);
}

static int take_frame(struct tree_take *take, char kind, const uint8_t *data,
		      size_t len, struct bigm_error *err)
{
	struct tree_entry entry;
	int rc;

	if (take->complete || (kind == 'z' && take->fd >= 0))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the copy ends before it is complete, or "
				      "goes on behind its end");
	if (kind == 'b')
		return take_bytes(take, data, len, err);
	if (kind == 'z') {
		take->complete = true;
		return 0;
	}
	rc = tree_entry_read(&entry, kind, data, len, err);
	if (rc == 0)
		rc = take_entry(take, &entry, err);
	tree_entry_release(&entry);
	return rc;
}

int tree_take_bytes(struct tree_take *take, const void *bytes, size_t len,
		    struct bigm_error *err)
{
	const uint8_t *data;
	size_t frame_len;
	char kind;
	int rc = buffer_append(&take->in, bytes, len, err);

	while (rc >= 0) {
		rc = frame_next(&take->in, TREE_KINDS, &kind, &data, &len,
				&frame_len, err);
		if (rc == 0)
			return 0;
		if (rc > 0) {
			rc = take_frame(take, kind, data, len, err);
			buffer_consume(&take->in, frame_len);
		}
	}
	return rc;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static int put_in_place(struct tree_take *take, struct bigm_error *err)
{
	int rc;

	if (!take->temporary)
		return 0;
	rc = tree_place_fill(&take->place, take->temporary, take->root >= 0,
			     err);
	if (rc == 0 && take->root < 0) {
		free(take->temporary); /* it has its own name now */
		take->temporary = NULL;
	}
	return rc;
}

int tree_take_end(struct tree_take *take, struct bigm_error *err)
{
	if (!take->complete)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "the copy was cut off");
	return put_in_place(take, err);
}

int tree_take_broken(struct tree_take *take, struct bigm_error *err)
{
	if (!take->options.salvage || take->root < 0)
		return 0;
	if (take->fd >= 0) {
		const char *slash = strrchr(take->path, '/');

		close_fd(&take->fd);
		unlinkat(take->at_fd, slash ? slash + 1 : take->path, 0);
	}
	return put_in_place(take, err);
}
