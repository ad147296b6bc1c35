#include "map/halt.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A share says nothing of fewer. */
#define ENOUGH_FOR_SHARE 3

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

int halt_parse(struct halt *halt, const char *text, struct bigm_error *err)
{
	const char *at = text;
	unsigned long long n;
	int when, why;
	char *end;

	*halt = (struct halt){ .when = HALT_NEVER };
	if (strcmp(text, "never") == 0)
		return 0;
	when = take_word(&at, whens, ',');
	why = when > 0 ? take_word(&at, whys, '=') : -1;
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
			  uint64_t failed)
{
	uint64_t all = succeeded + failed;
	uint64_t n = halt->why == HALT_FAIL ? failed
		   : halt->why == HALT_SUCCESS ? succeeded : all;
	bool enough = halt->percent
		? all >= ENOUGH_FOR_SHARE && n * 100 >= halt->n * all
		: n >= halt->n;

	return enough ? halt->when : HALT_NEVER;
}
