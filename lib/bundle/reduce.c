#include "config.h"

#include "bundle/reduce.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/manifest.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The manifest's text; the archive then stands before the next entry. */
static char *read_text(struct archive *part, size_t *len,
		       struct bigm_error *err)
{
	struct archive_entry *entry;

	if (archive_read_next_header(part, &entry) != ARCHIVE_OK) {
		archive_error_set(err, part, "the bundle");
		return NULL;
	}
	return archive_read_entry(part, BUNDLE_MAX_MANIFEST, len, err);
}

char **reduce_files(struct archive *part, struct bigm_error *err)
{
	size_t len, n = 0, distinct = 0;
	AUTO_FREE char *text = read_text(part, &len, err);
	struct manifest *m = text ? manifest_read(text, len, err) : NULL;
	char **list;

	if (!m)
		return NULL;
	list = xcalloc(m->nfiles + 1, sizeof(*list));
	for (size_t i = 0; i < m->nfiles; i++)
		if (m->files[i].kind == MANIFEST_FILE)
			list[n++] = xstrdup(m->files[i].digest);
	qsort(list, n, sizeof(*list), by_text);
	for (size_t i = 0; i < n; i++)
		if (distinct > 0 && strcmp(list[distinct - 1], list[i]) == 0)
			free(list[i]);
		else
			list[distinct++] = list[i];
	list[distinct] = NULL;
	manifest_free(m);
	return list;
}

/* ------------------------------------------------------------------ */
/* Copying                                                             */

struct reduction {
	struct archive *from, *to; /* to: NULL until it is decided how */
	struct archive_sink *sink;
	char *const *lacks;
	size_t nlacks;
	uint64_t link;
	const struct manifest *m;
	const char *text; /* of the manifest */
	size_t len;
	char *piece;
	struct bigm_error *err;
};

static int begin(struct reduction *r, const void *sample, size_t len)
{
	struct gain gain = { 0 };

	if (r->to)
		return 0;
	if (len > 0)
		gain_measure(&gain, sample, len);
	r->to = archive_create(r->sink, gain_is_worth(&gain, r->link), r->err);
	return r->to ? archive_add_bytes(r->to, MANIFEST_NAME, r->text, r->len,
					 r->err) :
		       BIGM_EFAILED;
}

static bool is_lacking(const struct reduction *r,
		       const struct manifest_file *file)
{
	const char *digest = file->digest;

	return bsearch(&digest, r->lacks, r->nlacks, sizeof(*r->lacks),
		       by_text) != NULL;
}

static int put(struct reduction *r, struct archive_entry *entry, size_t n)
{
	int rc = begin(r, r->piece, n);

	if (rc == 0 && entry &&
	    archive_write_header(r->to, entry) != ARCHIVE_OK)
		rc = archive_error_set(r->err, r->to, "the bundle");
	if (rc == 0 && n > 0 &&
	    archive_write_data(r->to, r->piece, n) != (la_ssize_t)n)
		rc = archive_error_set(r->err, r->to, "the bundle");
	return rc;
}

static int copy_entry(struct reduction *r, struct archive_entry *entry)
{
	ssize_t n;
	int rc;

	do {
		n = archive_read_data(r->from, r->piece, GAIN_SAMPLE);
		rc = n < 0 ? archive_error_set(r->err, r->from, "the bundle") :
			     put(r, entry, (size_t)n);
		entry = NULL;
	} while (rc == 0 && n > 0);
	return rc;
}

static int copy_lacking(struct reduction *r)
{
	struct archive_entry *entry;
	int rc = 0, got;

	while (rc == 0 && (got = archive_read_next_header(r->from, &entry)) ==
				  ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);
		const struct manifest_file *file =
			name ? manifest_find(r->m, name) : NULL;

		/* Links and folders are always sent; what is the same as
		 * another file never is. */
		if (!file || file->kind != MANIFEST_FILE ||
		    (!archive_entry_hardlink(entry) && is_lacking(r, file)))
			rc = copy_entry(r, entry);
	}
	if (rc == 0 && got != ARCHIVE_EOF)
		rc = archive_error_set(r->err, r->from, "the bundle");
	return rc == 0 ? begin(r, NULL, 0) : rc;
}

int reduce_part(struct archive *part, char *const *lacks, uint64_t link,
		struct archive_sink *sink, struct bigm_error *err)
{
	struct reduction r = { .from = part, .sink = sink, .lacks = lacks,
			       .link = link, .err = err };
	AUTO_FREE char *text = read_text(part, &r.len, err);
	struct manifest *m = text ? manifest_read(text, r.len, err) : NULL;
	int rc;

	if (!m)
		return BIGM_EINVALID;
	while (lacks[r.nlacks])
		r.nlacks++;
	r.text = text;
	r.m = m;
	r.piece = xmalloc(GAIN_SAMPLE);
	rc = copy_lacking(&r);
	if (r.to && archive_close(r.to, "the bundle", rc < 0 ? NULL : err) < 0 &&
	    rc == 0)
		rc = err->code;
	free(r.piece);
	manifest_free(m);
	return rc;
}
