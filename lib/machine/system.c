#include "config.h"

#include "machine/system.h"

#include <string.h>

const struct system_ops *system_find(const char *name, struct bigm_error *err)
{
	char names[200] = "";

	for (size_t i = 0; system_table[i]; i++) {
		if (!strcmp(system_table[i]->name, name))
			return system_table[i];
		if (i > 0)
			strncat(names, ", ", sizeof(names) - strlen(names) - 1);
		strncat(names, system_table[i]->name,
			sizeof(names) - strlen(names) - 1);
	}
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "system \"%s\": is none; there is: %s", name, names);
	return NULL;
}
