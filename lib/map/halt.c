#include "map/halt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const whens[] = { "never", "soon", "now", NULL };
static const char *const whys[] = { "fail", "success", "done", NULL };

/* The word that `*text` begins with, up to `end`; steps over both. */
static int take_word(const char **text, const char *const *words, char end)
{
	for (int i = 0; words[i] != NULL; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(*text, words[i], len) == 0 && (*text)[len] == end) {
			*text += len + (end != '\0');
			return i;
		}
	}
	return -1;
}

static int refuse(const char *text, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\" is not never, soon or now,fail=N, "
			      "success=N or done=N, as in now,fail=1 or "
			      "soon,fail=10%%", text);
}

/* How it was said once. */
static const char *modern(const char *text)
{
	static const char *const old[][2] = {
		{ "0", "never" }, { "1", "soon,fail=1" }, { "2", "now,fail=1" },
		{ "-1", "soon,success=1" }, { "-2", "now,success=1" },
	};

	for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++)
		if (strcmp(text, old[i][0]) == 0)
			return old[i][1];
	return text;
}

int halt_parse(struct halt *halt, const char *text, struct bigm_error *err)
{
	const char *at = modern(text);
	int when = HALT_SOON, why = HALT_FAIL;
	unsigned long long n;
	char *end;

	*halt = (struct halt){ .when = HALT_NEVER };
	if (strcmp(at, "never") == 0)
		return 0;
	if (!isdigit((unsigned char)*at) || strchr(at, '%') == NULL) {
		when = take_word(&at, whens, ',');
		why = when > 0 ? take_word(&at, whys, '=') : -1;
	}
	if (why < 0 || !isdigit((unsigned char)*at))
		return refuse(text, err);
	errno = 0;
	n = strtoull(at, &end, 10);
	halt->percent = *end == '%';
	if (errno != 0 || n == 0 || end[halt->percent] != '\0' ||
	    (halt->percent && n > 100))
		return refuse(text, err);
	halt->when = (enum halt_when)when;
	halt->why = (enum halt_why)why;
	halt->n = n;
	return 0;
}

enum halt_when halt_check(const struct halt *halt, uint64_t succeeded,
			  uint64_t failed, uint64_t total)
{
	uint64_t all = succeeded + failed;
	uint64_t n = halt->why == HALT_FAIL ? failed
		   : halt->why == HALT_SUCCESS ? succeeded : all;
	bool enough = halt->percent
		? total > 0 && n * 100 >= halt->n * total
		: n >= halt->n;

	return enough ? halt->when : HALT_NEVER;
}
