/*
 * host_file: a file of this host, read without holding up the loop: what a
 * system whose machines are here does to read files of their host.
 */
#ifndef MACHINE_HOST_FILE_H
#define MACHINE_HOST_FILE_H

#include "machine/system.h"

/* As system_ops.read_file.  Regular files only: others may never end.  path is
 * copied. */
void host_file_read(struct loop *loop, const char *path, size_t limit,
		    system_read_fn *done, void *data);

#endif
