/* What a machine says of itself (Expvars), as it is shown: /debug/vars is JSON,
 * and no line of /metrics is anything but a comment or a value, for one wrong
 * line costs Prometheus all machines. */
#include "config.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "debug/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (16u << 20)

/* NAME{LABELS} VALUE, where labels may hold anything between quotes. */
static bool is_value(const char *line)
{
	const char *at = line, *space;
	char *end;

	if (!isalpha((unsigned char)*at) && *at != '_' && *at != ':')
		return false;
	while (isalnum((unsigned char)*at) || *at == '_' || *at == ':')
		at++;
	space = strrchr(at, ' ');
	if (!space || (*at != '{' && at != space) ||
	    (*at == '{' && space[-1] != '}'))
		return false;
	strtod(space + 1, &end);
	return end > space + 1 && *end == '\0';
}

static void check_metrics(struct buffer *out)
{
	char *rest = (char *)(uintptr_t)buffer_string(out);

	for (char *line; (line = strtok_r(rest, "\n", &rest));)
		if (strncmp(line, "# HELP ", 7) != 0 &&
		    strncmp(line, "# TYPE ", 7) != 0 && !is_value(line))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer vars = BUFFER_INIT(ROOM), metrics = BUFFER_INIT(ROOM),
		      status = BUFFER_INIT(ROOM);
	AUTO_JSON cJSON *json = json_parse(data, size, NULL);
	const struct shown all[] = {
		{ .name = "m0", .vars = json },
		{ .name = "m1", .note = "it does not answer" },
		{ .name = "m2", .vars = json },
	};

	if (!cJSON_IsObject(json))
		return 0;
	if (show_vars(&vars, all, 3, NULL) == 0) {
		AUTO_JSON cJSON *again = json_parse(buffer_data(&vars),
						    vars.len, NULL);

		if (!cJSON_IsObject(again))
			abort();
	}
	if (show_metrics(&metrics, all, 3, NULL) == 0)
		check_metrics(&metrics);
	show_status(&status, all, 3, NULL);
	buffer_release(&vars);
	buffer_release(&metrics);
	buffer_release(&status);
	return 0;
}
