/* bigm version: which bigm this is, and how it was built. */
#include "config.h"

#include "bigm.h"
#include "cmd/command.h"

static int run(const struct invocation *in)
{
	printf("bigm %s\n", bigm_version());
	if (in->verbose)
		fputs(BIGM_FEATURES, stdout);
	return command_finish_output(in, 0);
}

const struct command command_version = {
	.name = "version",
	.synopsis = "[-v]",
	.summary = "Show the version; with -v also how it was built",
	.run = run,
};
