#include "config.h"

#include "supervisor/env.h"

char **env_changes(const cJSON *json, const char *name, struct bigm_error *err)
{
	char **changes = json_get_strings(json, name, "env", err);

	for (char **c = changes; c && *c; c++)
		if (**c == '\0' || **c == '=') {
			bigm_error_set(err, BIGM_EINVALID,
				       "\"%s\" is no variable: write "
				       "NAME=VALUE, or NAME to remove it", *c);
			strings_free(changes);
			return NULL;
		}
	return changes;
}
