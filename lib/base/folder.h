/*
 * folder: making folders, and emptying and removing those that somebody else
 * may have filled.
 *
 * When one is emptied, no link is ever followed, and a folder that its maker
 * closed to himself is opened.
 */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include "bigm.h"

/* Makes the folder, if it is not there.  An error names it. */
int folder_make(const char *path, struct bigm_error *err);

/* Deletes all that is in the folder, but for one name (NULL: none).  0 when
 * there is no such folder. */
int folder_empty(const char *path, const char *keep, struct bigm_error *err);

/* Deletes what has that name in the open folder, whatever it is; 0 when it is
 * not there. */
int folder_remove_at(int fd, const char *name, struct bigm_error *err);

#endif
