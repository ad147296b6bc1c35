#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },	   { "ms", 1 },	     { "", 1000 },
};
#define NUNITS (sizeof(units) / sizeof(*units))

int duration_parse(const char *text, uint64_t *ms, struct bigm_error *err)
{
	size_t digits = strspn(text, "0123456789.");
	char *end;
	double value = strtod(text, &end);

	for (size_t i = 0; i < NUNITS; i++) {
		if (digits == 0 || end != text + digits ||
		    strcmp(end, units[i].name) != 0)
			continue;
		value *= (double)units[i].ms;
		if (!(value >= 0.5 && value < 1e15))
			break;
		*ms = (uint64_t)(value + 0.5);
		return 0;
	}
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s is no time: write seconds, or a number with "
			      "ms, s, m, h or d", text);
}

char *duration_text(uint64_t ms, char buf[DURATION_TEXT])
{
	size_t i = 0;

	while (ms % units[i].ms != 0)
		i++;
	if (ms == 0)
		i = NUNITS - 3;
	snprintf(buf, DURATION_TEXT, "%" PRIu64 "%s", ms / units[i].ms,
		 units[i].name);
	return buf;
}
