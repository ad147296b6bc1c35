#include "config.h"

#include "supervisor/tree_send.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define PIECE (256u << 10)

struct send {
	const struct tree_sink *sink;
	const char *root; /* what "." is called in errors; NULL: nothing */
	uint8_t *piece; /* a header, and PIECE bytes behind it */
};

/* A folder on the way to what matches; it is sent when something does. */
struct level {
	struct level *above;
	const char *path;
	mode_t mode;
	bool sent;
};

static int send_folder(struct send *s, int fd, const char *path, int depth,
		       struct bigm_error *err);

/* ------------------------------------------------------------------ */
/* Errors                                                              */

#define SHOWN 300

/* A path as the user would write it. */
#define SHOW(s, path) show(s, path, (char[SHOWN]){ 0 })

static const char *show(const struct send *s, const char *path, char *buf)
{
	if (!s->root)
		return path;
	if (strcmp(path, ".") == 0)
		return s->root;
	text_format(buf, SHOWN, "%s/%s", s->root, path);
	return buf;
}

static int refuse_special(const struct send *s, const char *path,
			  struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: is neither a file nor a folder; such things "
			      "are not copied", SHOW(s, path));
}

/* ------------------------------------------------------------------ */
/* Frames                                                              */

static int send_frame(struct send *s, char kind, size_t len,
		      struct bigm_error *err)
{
	frame_header(s->piece, kind, len);
	return s->sink->write(s->sink->data, s->piece, FRAME_HEADER + len, err);
}

/* target NULL: it is no link. */
static int send_entry(struct send *s, char kind, mode_t mode, const char *path,
		      const char *target, struct bigm_error *err)
{
	char *text = (char *)s->piece + FRAME_HEADER;
	size_t len;

	if (strlen(path) >= PATH_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%.100s…: the name is too long", path);
	len = (size_t)snprintf(text, PIECE, "%04o %s", (unsigned)mode & 0777,
			       path);
	if (target) {
		size_t n = strlen(target);

		memcpy(text + len + 1, target, n);
		len += 1 + n;
	}
	return send_frame(s, kind, len, err);
}

static int send_bytes(struct send *s, int fd, const char *path,
		      struct bigm_error *err)
{
	for (;;) {
		ssize_t n = read(fd, s->piece + FRAME_HEADER, PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "cannot read %s",
					       SHOW(s, path));
		if (n == 0)
			return 0;
		if (send_frame(s, 'b', (size_t)n, err) < 0)
			return err->code;
	}
}

static int send_file(struct send *s, int fd, mode_t mode, const char *path,
		     struct bigm_error *err)
{
	if (send_entry(s, 'f', mode, path, NULL, err) < 0 ||
	    send_bytes(s, fd, path, err) < 0)
		return err->code;
	return send_entry(s, 'c', mode, path, NULL, err);
}

/* ------------------------------------------------------------------ */
/* Files and folders                                                   */

/* One that is open; takes fd over. */
static int send_open(struct send *s, int fd, const char *path, int depth,
		     struct bigm_error *err)
{
	struct stat st;
	int rc = fstat(fd, &st);

	if (rc < 0)
		rc = error_set_errno(err, errno, "%s", SHOW(s, path));
	else if (S_ISDIR(st.st_mode))
		return send_folder(s, fd, path, depth, err);
	else if (!S_ISREG(st.st_mode))
		rc = refuse_special(s, path, err);
	else
		rc = send_file(s, fd, st.st_mode, path, err);
	close(fd);
	return rc;
}

static int send_link(struct send *s, int dir, const char *name,
		     const char *path, struct bigm_error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return error_set_errno(err, errno, "cannot read the link %s",
				       SHOW(s, path));
	target[n] = '\0';
	return send_entry(s, 'l', 0777, path, target, err);
}

/* What is special is not even opened. */
static int send_name(struct send *s, int dir, const char *name,
		     const char *path, int depth, struct bigm_error *err)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, errno, "%s", SHOW(s, path));
	if (S_ISLNK(st.st_mode))
		return send_link(s, dir, name, path, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return refuse_special(s, path, err);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", SHOW(s, path));
	return send_open(s, fd, path, depth, err);
}

/* The names in a folder, in order, NULL-terminated, but for copies that are
 * under way; to be freed by strings_free(). */
static char **list_names(const struct send *s, int fd, const char *path,
			 struct bigm_error *err)
{
	struct dirent **entries = NULL;
	char **names;
	size_t kept = 0;
	int n = scandirat(fd, ".", &entries, NULL, alphasort);

	if (n < 0) {
		error_set_errno(err, errno, "cannot read the folder %s", SHOW(s, path));
		return NULL;
	}
	names = xcalloc((size_t)n + 1, sizeof(*names));
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    strncmp(name, TREE_TEMPORARY, strlen(TREE_TEMPORARY)) != 0)
			names[kept++] = xstrdup(name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

static int send_folder(struct send *s, int fd, const char *path, int depth,
		       struct bigm_error *err)
{
	char **names = NULL;
	struct stat st;
	int rc = 0;

	if (depth >= TREE_DEPTH)
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "%s: folders in it are too deep (%d)",
				    SHOW(s, path), TREE_DEPTH);
	else if (fstat(fd, &st) < 0)
		rc = error_set_errno(err, errno, "%s", SHOW(s, path));
	else if (!(names = list_names(s, fd, path, err)))
		rc = err->code;
	else
		rc = send_entry(s, 'd', st.st_mode, path, NULL, err);
	for (char **name = names; rc == 0 && *name; name++) {
		AUTO_FREE char *below = tree_join(path, *name);

		rc = send_name(s, fd, *name, below, depth + 1, err);
	}
	if (rc == 0)
		rc = send_entry(s, 'c', st.st_mode, path, NULL, err);
	strings_free(names);
	close(fd);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Patterns                                                            */

int tree_check_pattern(const char *pattern, struct bigm_error *err)
{
	const char *part = pattern;

	if (*pattern == '/' || *pattern == '\0' || strlen(pattern) >= PATH_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the pattern \"%.100s\" has to name files "
				      "below the program's folder", pattern);
	while (*part) {
		size_t len = strcspn(part, "/");

		if (len == 2 && memcmp(part, "..", 2) == 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "the pattern \"%.100s\" leads out of "
					      "the program's folder", pattern);
		part += len + (part[len] == '/');
	}
	return 0;
}

/* Empty parts, and those that are ".", say nothing. */
static const char *skip_nothing(const char *pattern)
{
	while (*pattern == '/' ||
	       (pattern[0] == '.' && (pattern[1] == '/' || !pattern[1])))
		pattern++;
	return pattern;
}

static int send_levels(struct send *s, struct level *level,
		       struct bigm_error *err)
{
	if (!level || level->sent)
		return 0;
	level->sent = true;
	if (send_levels(s, level->above, err) < 0)
		return err->code;
	return send_entry(s, 'd', level->mode, level->path, NULL, err);
}

static int send_below(struct send *s, int fd, const char *pattern,
		      struct level *above, const char *path, int depth,
		      struct bigm_error *err);

/* A name that fits the pattern's first part. */
static int send_match(struct send *s, int dir, const char *name,
		      const char *rest, struct level *level, int depth,
		      struct bigm_error *err)
{
	AUTO_FREE char *path = tree_join(level->path, name);
	int fd;

	if (!*rest) {
		if (send_levels(s, level, err) < 0)
			return err->code;
		return send_name(s, dir, name, path, depth, err);
	}
	fd = openat(dir, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return 0; /* the pattern wants a folder here */
	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", SHOW(s, path));
	return send_below(s, fd, rest, level, path, depth, err);
}

/* What fits in an open folder, which is taken over. */
static int send_below(struct send *s, int fd, const char *pattern,
		      struct level *above, const char *path, int depth,
		      struct bigm_error *err)
{
	struct level level = { .above = above, .path = path };
	size_t len = strcspn(pattern, "/");
	AUTO_FREE char *part = xstrndup(pattern, len);
	char **names = NULL;
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		rc = error_set_errno(err, errno, "%s", SHOW(s, path));
	else if (!(names = list_names(s, fd, path, err)))
		rc = err->code;
	else
		level.mode = st.st_mode;
	for (char **name = names; rc == 0 && *name; name++)
		if (fnmatch(part, *name, FNM_PERIOD) == 0)
			rc = send_match(s, fd, *name,
					skip_nothing(pattern + len), &level,
					depth + 1, err);
	if (rc == 0 && level.sent)
		rc = send_entry(s, 'c', level.mode, path, NULL, err);
	strings_free(names);
	close(fd);
	return rc;
}

/* ------------------------------------------------------------------ */

static int open_base(const char *dir, struct bigm_error *err)
{
	int fd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : error_set_errno(err, errno, "the folder %s", dir);
}

/* root: see struct send. */
static void send_init(struct send *s, const char *root,
		      const struct tree_sink *sink)
{
	s->sink = sink;
	s->root = root;
	s->piece = xmalloc(FRAME_HEADER + PIECE);
}

static int send_end(struct send *s, int rc, struct bigm_error *err)
{
	if (rc == 0)
		rc = send_frame(s, 'z', 0, err);
	free(s->piece);
	return rc;
}

/* What is special is not even opened. */
static int open_root(const struct send *s, int base, struct bigm_error *err)
{
	struct stat st;
	int fd;

	if (fstatat(base, s->root, &st, 0) < 0)
		return error_set_errno(err, errno, "%s", s->root);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return refuse_special(s, ".", err);
	fd = openat(base, s->root, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd
		: error_set_errno(err, errno, "cannot open %s", s->root);
}

int tree_send_path(const char *dir, const char *path,
		   const struct tree_sink *sink, struct bigm_error *err)
{
	AUTO_CLOSE int base = open_base(dir, err);
	struct send s;
	int rc;

	if (base < 0)
		return base;
	send_init(&s, *path ? path : ".", sink);
	rc = open_root(&s, base, err);
	if (rc >= 0)
		rc = send_open(&s, rc, ".", 0, err);
	return send_end(&s, rc, err);
}

int tree_send_matches(const char *dir, const char *pattern,
		      const struct tree_sink *sink, struct bigm_error *err)
{
	struct send s;
	int fd;

	if (tree_check_pattern(pattern, err) < 0)
		return err->code;
	fd = open_base(dir, err);
	if (fd < 0)
		return fd;
	pattern = skip_nothing(pattern);
	send_init(&s, NULL, sink);
	return send_end(&s, *pattern ? send_below(&s, fd, pattern, NULL, ".",
						  0, err) :
				       send_open(&s, fd, ".", 0, err), err);
}

int tree_send_fd(int fd, mode_t mode, const struct tree_sink *sink,
		 struct bigm_error *err)
{
	struct send s;
	int rc;

	send_init(&s, "standard input", sink);
	rc = send_file(&s, fd, mode, ".", err);
	return send_end(&s, rc, err);
}
