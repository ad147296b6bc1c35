/*
 * error: what the layers share to fill the caller's struct bigm_error.
 *
 * The one that notices writes the message with bigm_error_set(); each layer
 * above puts its context in front: "m3: Supervisor.Exec: cannot …".
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "bigm.h"

/* As bigm_error_set(), and marks the error as one that a retry can help. */
int error_set_retriable(struct bigm_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "WHAT: strerror(errnum)", code BIGM_EIO (EEXHAUSTED for ENOMEM, EMFILE,
 * ENFILE, ENOSPC, EDQUOT; EPERMISSION for EACCES, EPERM; ENOTFOUND for
 * ENOENT; EEXIST for EEXIST).  Returns the code. */
int error_set_errno(struct bigm_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts the formatted context and ": " before the text; keeps the code, and
 * returns it (BIGM_EFAILED where err is NULL: nobody knows the code then). */
int error_prefix(struct bigm_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Copies src to *dst (unless NULL); returns src's code. */
int error_copy(struct bigm_error *dst, const struct bigm_error *src);

void error_clear(struct bigm_error *err);

/* The code of a name from the wire; BIGM_EFAILED for one that is not ours. */
int error_code_from_name(const char *name);

#endif
