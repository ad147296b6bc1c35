/* A profile from a machine: decoded, and what was decoded encoded and decoded again. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct profile *p)
{
	for (uint32_t i = 0; i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[i];

		for (uint32_t k = 0; k < s->locations; k++)
			if (p->stacks[s->first_location + k] >= p->n_locations)
				abort();
		for (uint32_t k = 0; k < s->labels; k++)
			if (p->labels[s->first_label + k].key >= p->n_strings)
				abort();
	}
	for (uint32_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];

		if (l->mapping != PROFILE_NONE && l->mapping >= p->n_mappings)
			abort();
		for (uint32_t k = 0; k < l->lines; k++)
			if (p->lines[l->first_line + k].function >=
			    p->n_functions)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_PROFILE struct profile *p = profile_decode(data, size, &err);
	AUTO_PROFILE struct profile *again = NULL;
	struct buffer out = BUFFER_INIT(PROFILE_MAX_ENCODED);

	if (!p) {
		if (!err.code || !*err.text)
			abort();
		return 0;
	}
	check(p);
	if (profile_encode(p, &out, &err) < 0)
		abort();
	again = profile_decode(buffer_data(&out), out.len, &err);
	if (!again || again->n_samples != p->n_samples ||
	    again->n_locations != p->n_locations ||
	    again->n_comments != p->n_comments ||
	    again->n_values != p->n_values ||
	    (p->n_values > 0 && memcmp(again->values, p->values,
				       p->n_values * sizeof(*p->values)) != 0))
		abort();
	buffer_release(&out);
	return 0;
}
