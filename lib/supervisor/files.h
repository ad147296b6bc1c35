/*
 * files: the methods GetFiles and PutFiles of the Supervisor, by which files
 * come from a machine and go to it, see bigm-supervisor(7).
 *
 * Relative paths begin in the machine's working folder, or in the "dir" of the
 * argument, which with "binary" is what it is for Run: the folder of the bundle
 * that Setbinary has brought, or below it.
 *
 * PutFiles takes one frame 's' with its argument before those of the tree.
 */
#ifndef SUPERVISOR_FILES_H
#define SUPERVISOR_FILES_H

#include "base/json.h"
#include "supervisor/tree.h"

#define FILES_KINDS "s" TREE_KINDS

int files_get(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err);
int files_put(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err);

#endif
