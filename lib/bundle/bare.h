/*
 * bare: the bare worker: a machine with nothing but its Supervisor, which can
 * take a program, or a bundle, and become it.  It is bigm itself, or ec2boot
 * where there is no bigm.
 */
#ifndef BUNDLE_BARE_H
#define BUNDLE_BARE_H

#include "supervisor/boot.h"

/* When boot_wanted(): is a machine.  Never returns. */
_Noreturn void bare_main(int argc, char **argv);

/* The same, of a machine that has what it needs, which it takes over. */
_Noreturn void bare_serve(struct boot *boot, int argc, char **argv);

#endif
