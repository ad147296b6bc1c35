/*
 * tree_take: makes files and folders of a stream, see supervisor/tree.h.
 *
 *	tree_take_new → tree_take_bytes … → tree_take_end → tree_take_free
 *
 * All of it is made under another name (TREE_TEMPORARY) beside where it belongs,
 * and gets its own name when the stream is complete.  A folder that is there
 * already keeps what is in it; the new files take the place of those that are
 * called the same, each at once.  tree_take_free() before the end leaves
 * nothing.
 *
 * The sender is not trusted: whatever it says, nothing outside of the
 * destination is made, changed or followed.  Any thread; blocks.
 */
#ifndef SUPERVISOR_TREE_TAKE_H
#define SUPERVISOR_TREE_TAKE_H

#include "supervisor/tree.h"

struct tree_take_options {
	const char *dir;  /* where path begins; "": the working folder */
	const char *path; /* where it shall be, */
	const char *name; /* or, when that is a folder, what it is called in it;
			   * NULL: then it is its contents */
	/* NULL: links are made as they are.  Else one that leads out of what is
	 * copied is left out, and this told why; or refused if it says so. */
	int (*on_link_out)(void *data, const struct bigm_error *why);
	void *data;
	bool salvage; /* what has come is better than nothing */
	/* NULL, or told of the name, in the open folder, under which something
	 * is made next; an error prevents it. */
	int (*making)(void *data, int folder, const char *name,
		      struct bigm_error *err);
};

struct tree_take;

/* NULL with *err set when nothing can be made there.  The options are
 * copied, with their strings. */
struct tree_take *tree_take_new(const struct tree_take_options *options,
				struct bigm_error *err);

/* The next bytes of the stream. */
int tree_take_bytes(struct tree_take *take, const void *bytes, size_t len,
		    struct bigm_error *err);

/* The stream is over: everything gets its place.  BIGM_EUNAVAILABLE when it
 * was cut off. */
int tree_take_end(struct tree_take *take, struct bigm_error *err);

/* Instead of the end, when the stream broke: with `salvage` the complete files
 * get their places. */
int tree_take_broken(struct tree_take *take, struct bigm_error *err);

/* How many bytes of files, and how many files and links, have come. */
uint64_t tree_take_size(const struct tree_take *take);
uint64_t tree_take_files(const struct tree_take *take);

/* Nothing that was wanted was there. */
bool tree_take_is_empty(const struct tree_take *take);

void tree_take_free(struct tree_take *take);

#endif
