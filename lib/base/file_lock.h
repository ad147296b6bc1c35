/*
 * file_lock: locks on files, by which processes tell that they live.
 *
 * A lock is the open file's (fcntl(2), "open file description locks"): those
 * who got the descriptor by a fork share it, it goes with the last of them,
 * and asking for it does not take it, as it would with flock().
 */
#ifndef BASE_FILE_LOCK_H
#define BASE_FILE_LOCK_H

#include <stdbool.h>

/* Opens the file, with flags such as O_CREAT besides, and takes its lock.  Does
 * not block.  0 with the descriptor, close-on-exec, in *fd; 1 when somebody else
 * has the lock; or -1 with errno: ENOENT also where somebody has just removed
 * the file. */
int file_lock_take(const char *path, int flags, int *fd);

/* Opens the file for asking; close-on-exec.  -1 with errno. */
int file_lock_open(const char *path);

/* Whether somebody else has it. */
bool file_lock_is_taken(int fd);

/* The same by the path.  Also where the file is there and cannot be looked at,
 * for want of descriptors or memory: what lives must not be taken for dead. */
bool file_lock_is_held(const char *path);

/* The path is still that of the open file: who removes it unlinks it before he
 * lets the lock go. */
bool file_lock_is_current(int fd, const char *path);

#endif
