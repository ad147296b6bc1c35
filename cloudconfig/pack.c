#include "config.h"

#include "cloudconfig/pack.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cloudconfig/private.h"

#define GZIP_WINDOW (15 + 16) /* zlib: a gzip header, of which nothing is said */
#define PARTS_NAMED 5

int pack_gzip(const void *bytes, size_t len, struct buffer *out,
	      struct bigm_error *err)
{
	z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)len };
	uint8_t *to;
	size_t bound;
	int r;

	if (len > CLOUDCONFIG_MAX * 1024u)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "%zu bytes are too much to compress", len);
	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW,
			 MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "zlib: out of memory");
	bound = deflateBound(&z, (uLong)len);
	to = buffer_reserve(out, bound, err);
	z.next_out = to;
	z.avail_out = (uInt)bound;
	r = to ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	deflateEnd(&z);
	if (!to)
		return BIGM_EEXHAUSTED;
	if (r != Z_STREAM_END)
		return bigm_error_set(err, BIGM_EFAILED,
				      "zlib: cannot compress (%d)", r);
	buffer_commit(out, z.total_out);
	return 0;
}

char *pack_base64(const void *bytes, size_t len)
{
	char *text = xmalloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

/* ------------------------------------------------------------------ */
/* What takes the room                                                 */

struct part {
	const char *kind, *name;
	size_t len;
};

static int larger_first(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? 1 : -1;
	return strcmp(x->name, y->name);
}

/* malloc'ed, *n of them. */
static struct part *list_parts(const struct cloudconfig *c, size_t *n)
{
	struct part *parts = NULL;
	struct part commands = { "the", "commands", 0 };
	struct part keys = { "the", "SSH keys", 0 };

	*n = 0;
	for (size_t i = 0; i < c->nfiles; i++)
		*CLOUDCONFIG_GROW(parts, *n) = (struct part){
			"file", c->files[i].path, c->files[i].len
		};
	for (size_t i = 0; i < c->nunits; i++)
		if (c->units[i].content)
			*CLOUDCONFIG_GROW(parts, *n) = (struct part){
				"unit", c->units[i].name,
				strlen(c->units[i].content)
			};
	for (size_t i = 0; i < c->ncommands; i++)
		for (char **word = c->commands[i]; *word; word++)
			commands.len += strlen(*word);
	for (size_t i = 0; i < c->nkeys; i++)
		keys.len += strlen(c->keys[i].line);
	*CLOUDCONFIG_GROW(parts, *n) = commands;
	*CLOUDCONFIG_GROW(parts, *n) = keys;
	qsort(parts, *n, sizeof(*parts), larger_first);
	return parts;
}

static int too_large(const struct cloudconfig *c, size_t len, size_t packed,
		     struct bigm_error *err)
{
	struct buffer text = BUFFER_INIT(4096);
	size_t n;
	AUTO_FREE struct part *parts = list_parts(c, &n);
	int r;

	for (size_t i = 0; i < n && i < PARTS_NAMED && parts[i].len > 0; i++)
		if (buffer_appendf(&text, NULL, "%s%s %s %zu", i ? ", " : "",
				   parts[i].kind, parts[i].name,
				   parts[i].len) < 0)
			break;
	r = bigm_error_set(err, BIGM_EEXHAUSTED,
			   "the document that boots an instance has %zu bytes, "
			   "compressed %zu, of which EC2 takes %d; most have: "
			   "%s", len, packed, CLOUDCONFIG_MAX,
			   buffer_string(&text));
	buffer_release(&text);
	return r;
}

static int pack_into(const struct cloudconfig *c, struct buffer *plain,
		     struct buffer *packed, struct buffer *out,
		     struct bigm_error *err)
{
	int r;

	if (plain->len <= CLOUDCONFIG_MAX)
		return buffer_append(out, buffer_data(plain), plain->len, err);
	r = pack_gzip(buffer_data(plain), plain->len, packed, err);
	if (r < 0)
		return r;
	if (packed->len > CLOUDCONFIG_MAX)
		return too_large(c, plain->len, packed->len, err);
	return buffer_append(out, buffer_data(packed), packed->len, err);
}

int cloudconfig_pack(const struct cloudconfig *c,
		     enum cloudconfig_flavor flavor, struct buffer *out,
		     struct bigm_error *err)
{
	struct buffer plain = BUFFER_INIT(CLOUDCONFIG_MAX * 1024u);
	struct buffer packed = BUFFER_INIT(CLOUDCONFIG_MAX * 2048u);
	int r = cloudconfig_emit(c, flavor, &plain, err);

	if (r == 0)
		r = pack_into(c, &plain, &packed, out, err);
	buffer_release(&plain);
	buffer_release(&packed);
	return r;
}
