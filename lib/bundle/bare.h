/*
 * bare: the bare worker: a machine with nothing but its Supervisor, which can
 * take a program, or a bundle, and become it.  It is bigm itself.
 */
#ifndef BUNDLE_BARE_H
#define BUNDLE_BARE_H

/* When boot_wanted(): is a machine.  Never returns. */
_Noreturn void bare_main(int argc, char **argv);

#endif
