/* bigm-pprof: what `bigm pprof` becomes, and what the keeper runs for its pages. argv[0] is the command's name. */
#include "cmd/pprof.h"

static const struct command *const commands[] = { &command_pprof, NULL };

int main(int argc, char **argv)
{
	return command_only(&command_pprof, commands, argc, argv);
}
