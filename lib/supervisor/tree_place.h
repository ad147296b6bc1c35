/*
 * tree_place: where a copy belongs, and how it gets there.
 *
 * The destination is a path that the user gave; links in it are followed, as he
 * may mean them.  Nothing that is neither file nor folder is ever replaced.
 */
#ifndef SUPERVISOR_TREE_PLACE_H
#define SUPERVISOR_TREE_PLACE_H

#include <stdbool.h>

#include "bigm.h"

struct tree_place {
	int folder;  /* the copy is made in this one */
	char *name;  /* and gets that name; NULL: it is its contents that go
		      * into the folder */
	char *shown; /* for errors */
	bool only_folder; /* the path ends with a slash */
};

/* See struct tree_take_options.  To be released even after an error. */
int tree_place_find(struct tree_place *place, const char *dir,
		    const char *path, const char *name,
		    struct bigm_error *err);
void tree_place_release(struct tree_place *place);

/* Whether a file, or a folder, can be put there. */
int tree_place_check(const struct tree_place *place, bool folder,
		     struct bigm_error *err);

/* Puts there what is called `temporary` in place->folder: renames a file; a
 * folder too when there is none, else its contents, and what is left of it is
 * the caller's to remove. */
int tree_place_fill(const struct tree_place *place, const char *temporary,
		    bool folder, struct bigm_error *err);

#endif
