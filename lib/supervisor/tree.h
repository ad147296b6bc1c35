/*
 * tree: the stream format of files on their way, by Supervisor.GetFiles and
 * Supervisor.PutFiles.
 *
 * Frames (base/frame.h), depth first:
 *
 *	'd'  a folder begins; what is in it follows
 *	'f'  a file begins
 *	'b'  bytes of the file that began last
 *	'l'  a symbolic link
 *	'c'  a folder is complete, or the file
 *	'z'  nothing; the end, without which the stream was cut off
 *
 * An entry ('d', 'f', 'l', 'c') is "MODE PATH": permission bits as four octal
 * digits, a space, and the path; that of a link has a NUL and the target behind
 * it.  The first entry is ".", the file or folder that is copied, whatever it is
 * called on either side; the other paths are below it.  A stream without
 * entries has nothing that was wanted.
 *
 * Paths come from peers: tree_entry_read() refuses every one that is absolute,
 * has "..", ".", empty or overlong parts, a temporary name, or a NUL.  Names
 * need not be UTF-8.
 *
 * Why not tar: the far side is a user's program with the small libbigm, and
 * needs nothing installed; and half of a tar reader's work is to refuse what tar
 * can say.
 */
#ifndef SUPERVISOR_TREE_H
#define SUPERVISOR_TREE_H

#include <sys/stat.h>

#include "base/frame.h"

#define TREE_KINDS "dfblcz"
/* Deeper folders are refused, on either side. */
#define TREE_DEPTH 100
/* What is half copied is called so, and 16 hexadecimal digits; it is copied
 * by nobody. */
#define TREE_TEMPORARY ".bigm-copy-"

struct tree_entry {
	char kind;
	mode_t mode;	    /* 0777 and below */
	const char *path;   /* points into the copy */
	const char *target; /* NULL: is no link */
	char *copy;
};

/* Takes the entry of a frame apart.  BIGM_EPROTOCOL for one that must not be;
 * to be released even then. */
int tree_entry_read(struct tree_entry *entry, char kind, const void *data,
		    size_t len, struct bigm_error *err);
void tree_entry_release(struct tree_entry *entry);

/* Whether a link at `path`, in a tree where all folders are real ones, cannot
 * lead out of the tree. */
bool tree_link_stays(const char *path, const char *target);

/* "FOLDER/NAME", or NAME in ".", malloc'ed. */
char *tree_join(const char *folder, const char *name);

#endif
