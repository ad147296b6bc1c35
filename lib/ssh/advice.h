/*
 * advice: what to do about what ssh says.
 */
#ifndef SSH_ADVICE_H
#define SSH_ADVICE_H

#include <stddef.h>

#include "bigm.h"

/* What ssh said, of any bytes, as one line: its lines with "; " between them,
 * without control characters, up to a NUL; "" for nothing.  malloc'ed. */
char *ssh_one_line(const void *bytes, size_t len);

/*
 * Sets *err to "HOST: STEP: what ssh said; what to do", of its words as one line
 * ("" for none), and returns the code: BIGM_EUNAVAILABLE where the host was not
 * reached, else BIGM_EFAILED.
 */
int ssh_advise(struct bigm_error *err, const char *host, const char *step,
	       const char *words);

#endif
