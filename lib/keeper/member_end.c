#include "config.h"

#include <string.h>

#include "base/error.h"
#include "keeper/member_private.h"

#define LAST_WORDS_SIZE 200 /* leaves room for the rest of the error */

void member_quote(const struct member *m, struct bigm_error *why)
{
	char words[LAST_WORDS_SIZE];

	output_last_words(&m->splitter, words, sizeof(words));
	if (*words && !strstr(words, why->text) && !strstr(why->text, words))
		bigm_error_set(why, why->code, "%s; it printed last: \"%s\"",
			       why->text, words);
}

void member_explain(const struct member *m, const struct bigm_error *how,
		    struct bigm_error *why)
{
	const char *text = how->code ? how->text : "exited with status 0";

	if (m->state != BIGM_STARTING)
		bigm_error_set(why, how->code == BIGM_EEXHAUSTED ?
					    how->code : BIGM_EUNAVAILABLE,
			       "%s", text);
	else if (how->code == 0)
		bigm_error_set(why, BIGM_EFAILED,
			       "%s while starting: does %s call bigm_init() "
			       "first thing in main()?", text,
			       m->order->program ? m->order->program :
						   "the program");
	else
		bigm_error_set(why, how->code, "%s while starting", text);
	if (m->state == BIGM_STARTING)
		member_quote(m, why);
}
