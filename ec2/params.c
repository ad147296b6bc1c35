#include "config.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/params.h"

#define API_VERSION "2016-11-15" /* the only one now */

static void append(struct params *p, const char *text, size_t len)
{
	if (!p->too_long && buffer_append(&p->form, text, len, NULL) < 0)
		p->too_long = true;
}

/* RFC 3986's unreserved characters stay as they are, as SigV4 has it. */
static void append_encoded(struct params *p, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	while (*text && !p->too_long) {
		size_t len = strspn(text, plain);
		char code[4];

		append(p, text, len);
		text += len;
		if (!*text)
			break;
		snprintf(code, sizeof(code), "%%%02X", (unsigned char)*text++);
		append(p, code, 3);
	}
}

void params_string(struct params *p, const char *name, const char *value)
{
	const char *prefix = p->levels[p->depth].prefix;

	if (!value)
		return;
	if (p->form.len > 0)
		append(p, "&", 1);
	append(p, prefix, strlen(prefix));
	append(p, name, strlen(name));
	append(p, "=", 1);
	append_encoded(p, value);
}

void params_init(struct params *p, const char *action)
{
	*p = (struct params){ .action = action };
	buffer_init(&p->form, PARAMS_LIMIT);
	params_string(p, "Action", action);
	params_string(p, "Version", API_VERSION);
}

void params_release(struct params *p)
{
	buffer_release(&p->form);
}

void params_int(struct params *p, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	params_string(p, name, text);
}

void params_bool(struct params *p, const char *name, bool value)
{
	params_string(p, name, value ? "true" : "false");
}

void params_base64(struct params *p, const char *name, const void *data,
		   size_t len)
{
	unsigned char *text;

	if (!data)
		return;
	if (len > PARAMS_LIMIT) {
		p->too_long = true;
		return;
	}
	text = xmalloc((len + 2) / 3 * 4 + 1);
	EVP_EncodeBlock(text, data, (int)len);
	params_string(p, name, (const char *)text);
	free(text);
}

void params_strings(struct params *p, const char *name,
		    const char *const *values, size_t n)
{
	char numbered[96];

	for (size_t i = 0; i < n; i++) {
		snprintf(numbered, sizeof(numbered), "%s.%zu", name, i + 1);
		params_string(p, numbered, values[i]);
	}
}

/* The names are literals of ours: they fit. */
static void push(struct params *p, const char *name)
{
	struct params_level level = { 0 };
	int n = snprintf(level.prefix, sizeof(level.prefix), "%s%s.",
			 p->levels[p->depth].prefix, name);

	if (p->depth + 1 == PARAMS_DEPTH || n < 0 ||
	    (size_t)n >= sizeof(level.prefix))
		abort();
	p->levels[++p->depth] = level;
}

void params_begin(struct params *p, const char *name)
{
	push(p, name);
}

void params_item(struct params *p, const char *list)
{
	struct params_level *level = &p->levels[p->depth];
	char numbered[96];

	if (strcmp(level->list, list) != 0) {
		snprintf(level->list, sizeof(level->list), "%s", list);
		level->count = 0;
	}
	snprintf(numbered, sizeof(numbered), "%s.%u", list, ++level->count);
	push(p, numbered);
}

void params_end(struct params *p)
{
	if (p->depth == 0)
		abort();
	p->depth--;
}

size_t params_mark(const struct params *p)
{
	return p->form.len;
}

void params_cut(struct params *p, size_t mark)
{
	p->form.len = mark;
}

int params_check(const struct params *p, struct bigm_error *err)
{
	if (!p->too_long)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: the request is longer than %u bytes",
			      p->action, PARAMS_LIMIT);
}
