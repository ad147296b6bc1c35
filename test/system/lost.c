#include "test/system/lost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static cJSON *lost_find(struct bigm_error *err)
{
	const char *text = getenv("LOST_MACHINES");

	if (text)
		return json_parse(text, strlen(text), err);
	bigm_error_set(err, BIGM_EPERMISSION, "no credentials");
	return NULL;
}

static int lost_end(cJSON *machines, struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = fopen(getenv("LOST_ENDED"), "ae");
	cJSON *facts;
	int r = 0;

	cJSON_ArrayForEach(facts, machines) {
		const char *id = cJSON_GetStringValue(
			cJSON_GetObjectItem(facts, "id"));

		if (strncmp(id, "stuck", 5) == 0) {
			r = bigm_error_set(err, BIGM_EFAILED,
					   "%s cannot be ended", id);
			cJSON_AddStringToObject(facts, "error", err->text);
		} else {
			fprintf(file, "%s\n", id);
			cJSON_AddTrueToObject(facts, "ended");
		}
	}
	return r;
}

static const struct system_strays strays = { lost_find, lost_end, NULL };

const struct system_ops system_lost = { .name = "lost", .strays = &strays };
