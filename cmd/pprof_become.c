#include "cmd/pprof.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "keeper/companion.h"

int pprof_run(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *program = companion_find_own(PPROF_PROGRAM, &err);

	if (!program)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	execv(program, in->argv);
	return command_fail(in, STATUS_FAILED, "cannot execute %s: %s", program,
			    strerror(errno));
}
