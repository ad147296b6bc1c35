#include "config.h"

#include "machine/system.h"

#include <string.h>

#include "machine/local.h"

static const struct system_ops *const systems[] = {
	&system_local,
};

#define N_SYSTEMS (sizeof(systems) / sizeof(systems[0]))

const struct system_ops *system_find(const char *name, struct bigm_error *err)
{
	char names[200] = "";

	for (size_t i = 0; i < N_SYSTEMS; i++) {
		if (!strcmp(systems[i]->name, name))
			return systems[i];
		if (i > 0)
			strncat(names, ", ", sizeof(names) - strlen(names) - 1);
		strncat(names, systems[i]->name,
			sizeof(names) - strlen(names) - 1);
	}
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "system \"%s\": is none; there is: %s", name, names);
	return NULL;
}
