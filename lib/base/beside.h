/*
 * beside: files that nobody has named, and that were found in the folder of a
 * program.
 *
 * Anybody may put a file into a folder as /tmp is.  What is found there is used
 * only when it belongs to who is trusted anyway.
 */
#ifndef BASE_BESIDE_H
#define BASE_BESIDE_H

#include <stdbool.h>

/*
 * Whether path, found beside program, is there and belongs to our user, to
 * root, or to whom the program belongs; so does the link, where path is one.
 * One that is there and another's is warned of in the log.  Any thread.
 */
bool beside_is_ours(const char *path, const char *program);

#endif
