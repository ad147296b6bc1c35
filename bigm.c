/* bigm: starts a cluster of throw-away machines and runs a program on it. */
#include "cmd/command.h"

static const struct command *const commands[] = {
	&command_help,
	&command_version,
	NULL,
};

int main(int argc, char **argv)
{
	return command_main(argc, argv, commands);
}
