/*
 * config_file: bigm's configuration files, as lines.
 *
 * /etc/bigm.conf and then $XDG_CONFIG_HOME/bigm/config (~/.config/…), each if
 * there is one; INI, where what stands before the first [SECTION] is for
 * everything, and each section for the system of its name.
 */
#ifndef MACHINE_CONFIG_FILE_H
#define MACHINE_CONFIG_FILE_H

#include "bigm.h"

/* One NAME = VALUE of a section ("" for the first part); `place` is
 * "FILE:LINE".  A code ends the reading. */
typedef int config_pair_fn(void *data, const char *section, const char *name,
			   const char *value, const char *place,
			   struct bigm_error *err);

/* Reads both.  BIGM_EINVALID with file and line for what is no INI, a code of
 * BIGM_EIO for what cannot be read, or what fn returned. */
int config_files_read(config_pair_fn *fn, void *data, struct bigm_error *err);

#endif
