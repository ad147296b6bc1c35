/*
 * run_unpacked: an internal role of bigm: unpacks the part of a bundle that
 * this host can run, and becomes its program.
 *
 *	bigm --unpacked NAME ARGUMENT…
 *
 * with the bundle in BIGM_BUNDLE and the folder for it in BIGM_FILES.
 */
#ifndef CMD_RUN_UNPACKED_H
#define CMD_RUN_UNPACKED_H

#define RUN_UNPACKED_ROLE "--unpacked" /* bigm's argv[1] */

/* argv begins with NAME.  Returns the exit status, if at all. */
int run_unpacked_main(char **argv);

#endif
