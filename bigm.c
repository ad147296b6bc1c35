/* bigm: starts clusters of throw-away machines and runs programs on them. */
#include <string.h>

#include "bundle/bare.h"
#include "cmd/command.h"
#include "cmd/run_unpacked.h"
#include "cmd/sweeper.h"
#include "keeper/keeper.h"
#include "supervisor/boot.h"

static const struct command *const commands[] = {
	&command_bundle,
	&command_call,
	&command_completion,
	&command_config,
	&command_cp,
	&command_exec,
	&command_help,
	&command_map,
	&command_pprof,
	&command_run,
	&command_scale,
	&command_shutdown,
	&command_start,
	&command_status,
	&command_tail,
	&command_version,
	&command_wait,
	NULL,
};

int main(int argc, char **argv)
{
	/* A machine without a program, with nothing but its Supervisor. */
	if (boot_wanted())
		bare_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], KEEPER_ROLE) == 0)
		return keeper_main(argc - 2, argv + 2);
	if (argc > 2 && strcmp(argv[1], RUN_UNPACKED_ROLE) == 0)
		return run_unpacked_main(argv + 2);
	if (argc > 1 && strcmp(argv[1], SWEEPER_ROLE) == 0)
		return sweeper_main();
	return command_main(argc, argv, commands);
}
