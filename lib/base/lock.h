/*
 * lock: locks on files, by which processes tell that they live.
 *
 * A lock is the open file's (fcntl(2), "open file description locks"): those
 * who got the descriptor by a fork share it, it goes with the last of them,
 * and asking for it does not take it, as it would with flock().
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

/* Takes the lock of a file that is open for writing.  Does not block.  0, 1
 * when somebody else has it, or -1 with errno. */
int lock_take(int fd);

/* Whether somebody else has it. */
bool lock_is_taken(int fd);

/* The path is still that of the open file: who removes it unlinks it before he
 * lets the lock go. */
bool lock_is_current(int fd, const char *path);

#endif
