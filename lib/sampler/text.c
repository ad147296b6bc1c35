#include "config.h"

#include "sampler/text.h"

#include <dlfcn.h>
#include <inttypes.h>

static int put_label(const struct profile *p, const struct profile_label *l,
		     struct buffer *out, struct bigm_error *err)
{
	const char *key = profile_text(p, l->key);

	if (l->text)
		return buffer_appendf(out, err, "#\t%s: %s\n", key,
				      profile_text(p, l->text));
	return buffer_appendf(out, err, "#\t%s: %" PRId64 "\n", key, l->number);
}

static int put_frame(const struct profile *p,
		     const struct profile_location *l, struct buffer *out,
		     struct bigm_error *err)
{
	const struct profile_mapping *m = l->mapping == PROFILE_NONE ? NULL :
					  &p->mappings[l->mapping];
	const char *file = m ? profile_text(p, m->filename) : "?";
	Dl_info info;

	if (dladdr((void *)(uintptr_t)l->address, &info) && info.dli_sname)
		return buffer_appendf(out, err, "#\t0x%" PRIx64 "\t%s+0x%" PRIx64
				      "\t%s\n", l->address, info.dli_sname,
				      l->address - (uintptr_t)info.dli_saddr,
				      file);
	return buffer_appendf(out, err, "#\t0x%" PRIx64 "\t?\t%s+0x%" PRIx64
			      "\n", l->address, file,
			      m ? l->address - m->start + m->offset : 0);
}

static int put_sample(const struct profile *p, uint32_t at, struct buffer *out,
		      struct bigm_error *err)
{
	const struct profile_sample *s = &p->samples[at];
	const int64_t *values = &p->values[(size_t)at * p->n_types];
	const uint32_t *stack = &p->stacks[s->first_location];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < p->n_types; i++)
		rc = buffer_appendf(out, err, "%" PRId64 " ", values[i]);
	if (rc == 0)
		rc = buffer_append(out, "@", 1, err);
	for (uint32_t i = 0; rc == 0 && i < s->locations; i++)
		rc = buffer_appendf(out, err, " 0x%" PRIx64,
				    p->locations[stack[i]].address);
	if (rc == 0)
		rc = buffer_append(out, "\n", 1, err);
	for (uint32_t i = 0; rc == 0 && i < s->labels; i++)
		rc = put_label(p, &p->labels[s->first_label + i], out, err);
	for (uint32_t i = 0; rc == 0 && i < s->locations; i++)
		rc = put_frame(p, &p->locations[stack[i]], out, err);
	return rc == 0 ? buffer_append(out, "\n", 1, err) : rc;
}

int text_profile(const struct profile *p, const char *name, struct buffer *out,
		 struct bigm_error *err)
{
	int rc = buffer_appendf(out, err, "%s:", name);

	for (uint32_t i = 0; rc == 0 && i < p->n_types; i++)
		rc = buffer_appendf(out, err, " %s/%s",
				    profile_text(p, p->types[i].type),
				    profile_text(p, p->types[i].unit));
	if (rc == 0)
		rc = buffer_append(out, "\n", 1, err);
	for (uint32_t i = 0; rc == 0 && i < p->n_samples; i++)
		rc = put_sample(p, i, out, err);
	for (uint32_t i = 0; rc == 0 && i < p->n_comments; i++)
		rc = buffer_appendf(out, err, "# %s\n",
				    profile_text(p, p->comments[i]));
	return rc;
}
