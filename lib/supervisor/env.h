/*
 * env: changes to an environment, as they travel: a JSON list of "K=V", which
 * sets, and "K", which removes; process_env() (loop/process.h) applies them.
 */
#ifndef SUPERVISOR_ENV_H
#define SUPERVISOR_ENV_H

#include "base/json.h"

/* The changes in member `name` of json (NULL: json itself), freed by
 * strings_free().  NULL with BIGM_EINVALID when there is no such list or
 * one of them names no variable. */
char **env_changes(const cJSON *json, const char *name,
		   struct bigm_error *err);

#endif
