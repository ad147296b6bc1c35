/*
 * program: the program that a user names: where it is, whether it can run
 * here, and which kind it is.
 */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <stdbool.h>

#include "bigm.h"

/*
 * Finds a program as a shell does: by path when the name has a slash, else in
 * PATH.  Returns 0 with *path malloc'ed, or the exit status that a shell would
 * give, STATUS_NOT_FOUND or STATUS_NOT_EXECUTABLE, with *err.
 */
int program_find(const char *name, char **path, struct bigm_error *err);

/* Whether this host can run it, by its processor; returns and fails alike. */
int program_check_machine(const char *path, struct bigm_error *err);

/* True when the program carries bigm.h's ELF note, and so is a driver. */
bool program_is_driver(const char *path);

/* The path of the running bigm, malloc'ed. */
char *program_self(void);

#endif
