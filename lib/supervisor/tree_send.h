/*
 * tree_send: writes files and folders as a stream, see supervisor/tree.h.
 *
 * Modes are kept, owners and times are not.  A link below the folder that is
 * copied stays a link; one that is named itself is followed.  What is neither
 * file, folder nor link is refused.
 *
 * Any thread; blocks, with as much memory as one piece takes.
 */
#ifndef SUPERVISOR_TREE_SEND_H
#define SUPERVISOR_TREE_SEND_H

#include "supervisor/tree.h"

struct tree_sink {
	/* Takes it all, or returns a code. */
	int (*write)(void *data, const void *bytes, size_t len,
		     struct bigm_error *err);
	void *data;
};

/* The file or folder `path`, which begins in `dir` ("": the working folder)
 * unless it is absolute. */
int tree_send_path(const char *dir, const char *path,
		   const struct tree_sink *sink, struct bigm_error *err);

/*
 * What matches the pattern, as glob(7) says, part by part, below dir; a folder
 * with all that is in it.  It goes by its name below dir, and the stream is
 * without entries when nothing matches.  A link that matches is sent as one, and
 * none is followed on the way.
 */
int tree_send_matches(const char *dir, const char *pattern,
		      const struct tree_sink *sink, struct bigm_error *err);

/* What an open file has from here to its end, as a file of that mode. */
int tree_send_fd(int fd, mode_t mode, const struct tree_sink *sink,
		 struct bigm_error *err);

/* Whether a pattern is one: relative, not empty, without "..". */
int tree_check_pattern(const char *pattern, struct bigm_error *err);

#endif
