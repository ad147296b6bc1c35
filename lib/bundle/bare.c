#include "config.h"

#include "bundle/bare.h"

#include <stdlib.h>
#include <unistd.h>

#include "bundle/unpack.h"
#include "rpc/crypto.h"
#include "supervisor/supervisor.h"

_Noreturn void bare_main(int argc, char **argv)
{
	struct boot *boot;

	crypto_init_lean(); /* it is nobody's program */
	boot = boot_receive(NULL);
	if (boot)
		bare_serve(boot, argc, argv);
	_exit(EXIT_FAILURE);
}

_Noreturn void bare_serve(struct boot *boot, int argc, char **argv)
{
	worker_main(boot, argc, argv, NULL, &bundle_intake);
}
