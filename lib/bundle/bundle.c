#include "config.h"

#include "bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/archive.h"

#define INDEX_MAX (1u << 20)
#define TAR_BLOCK 512
#define TAR_MAGIC_AT 257

struct bundle_reader {
	int fd;
	struct archive *archive;
	char *what; /* for errors */
	uint64_t at; /* bytes of the part that were lent */
};

/* The first entry of a tar file has its name at the beginning. */
bool bundle_is(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char block[TAR_BLOCK];

	return fd >= 0 && pread(fd, block, sizeof(block), 0) == TAR_BLOCK &&
	       memcmp(block, BUNDLE_INDEX, sizeof(BUNDLE_INDEX)) == 0 &&
	       memcmp(block + TAR_MAGIC_AT, "ustar", 5) == 0;
}

/* ------------------------------------------------------------------ */
/* The index                                                           */

static int read_part(struct bundle_part *part, const cJSON *json,
		     struct bigm_error *err)
{
	const struct {
		const char *name;
		char **place;
		bool optional;
	} strings[] = {
		{ "name", &part->name, false },
		{ "arch", &part->arch, false },
		{ "digest", &part->digest, false },
		{ "program", &part->program, false },
		{ "program_digest", &part->program_digest, false },
		{ "loader", &part->loader, true },
	};
	const struct {
		const char *name;
		uint64_t *place;
	} numbers[] = {
		{ "size", &part->size },
		{ "libraries", &part->libraries },
		{ "files", &part->files },
		{ "unpacked", &part->unpacked },
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		const char *text = NULL;

		if ((strings[i].optional ?
			     json_opt_string(json, strings[i].name, &text, err) :
			     bigm_json_get_string(json, strings[i].name, &text,
						  err)) < 0)
			return BIGM_EINVALID;
		*strings[i].place = text ? xstrdup(text) : NULL;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (bigm_json_get_uint64(json, numbers[i].name,
					 numbers[i].place, err) < 0)
			return BIGM_EINVALID;
	if (!digest_is_text(part->digest) ||
	    !digest_is_text(part->program_digest))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: its digest is none", part->name);
	return json_opt_bool(json, "driver", &part->driver, err);
}

static int read_parts(struct bundle *bundle, const cJSON *json,
		      struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "parts");
	const cJSON *item;
	int64_t format = 0;

	if (bigm_json_get_int64(json, "format", &format, err) < 0)
		return BIGM_EINVALID;
	if (format != BUNDLE_FORMAT)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "its format is %lld; this bigm knows %d: "
				      "make it again with `bigm bundle`",
				      (long long)format, BUNDLE_FORMAT);
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0 ||
	    cJSON_GetArraySize(list) > BUNDLE_MAX_PARTS)
		return bigm_error_set(err, BIGM_EINVALID,
				      "parts must be an array of 1 to %d",
				      BUNDLE_MAX_PARTS);
	cJSON_ArrayForEach(item, list)
		if (read_part(&bundle->parts[bundle->nparts++], item, err) < 0)
			return error_prefix(err, "parts[%zu]",
					    bundle->nparts - 1);
	return 0;
}

int bundle_read_index(struct bundle *bundle, const void *text, size_t len,
		      struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(text, len, err);

	return json ? read_parts(bundle, json, err) : BIGM_EINVALID;
}

static cJSON *part_json(const struct bundle_part *part)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "name", part->name);
	cJSON_AddStringToObject(json, "arch", part->arch);
	cJSON_AddStringToObject(json, "digest", part->digest);
	json_add_uint64(json, "size", part->size);
	cJSON_AddStringToObject(json, "program", part->program);
	cJSON_AddStringToObject(json, "program_digest", part->program_digest);
	cJSON_AddBoolToObject(json, "driver", part->driver);
	if (part->loader)
		cJSON_AddStringToObject(json, "loader", part->loader);
	json_add_uint64(json, "libraries", part->libraries);
	json_add_uint64(json, "files", part->files);
	json_add_uint64(json, "unpacked", part->unpacked);
	return json;
}

cJSON *bundle_index(const struct bundle *bundle)
{
	cJSON *json = cJSON_CreateObject(), *parts;

	cJSON_AddNumberToObject(json, "format", BUNDLE_FORMAT);
	parts = cJSON_AddArrayToObject(json, "parts");
	for (size_t i = 0; i < bundle->nparts; i++)
		cJSON_AddItemToArray(parts, part_json(&bundle->parts[i]));
	return json;
}

/* The reader stands before the first entry. */
static int open_index(struct bundle *bundle, struct archive *a,
		      struct bigm_error *err)
{
	struct archive_entry *entry;
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return archive_error_set(err, a, "is no bundle");
	if (!archive_entry_pathname(entry) ||
	    strcmp(archive_entry_pathname(entry), BUNDLE_INDEX) != 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "is no bundle: it does not begin with "
				      BUNDLE_INDEX);
	text = archive_read_entry(a, INDEX_MAX, &len, err);
	return text ? bundle_read_index(bundle, text, len, err) :
		      BIGM_EINVALID;
}

static struct bundle_reader *reader_open(const char *path,
					 struct bigm_error *err)
{
	struct bundle_reader *r = xcalloc(1, sizeof(*r));

	r->what = xstrdup(path);
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		error_set_errno(err, errno, "cannot open %s", path);
	else
		r->archive = archive_open_fd(r->fd, path, err);
	if (r->archive)
		return r;
	bundle_reader_free(r);
	return NULL;
}

int bundle_open(struct bundle *bundle, const char *path,
		struct bigm_error *err)
{
	struct bundle_reader *r = reader_open(path, err);
	int rc;

	*bundle = (struct bundle){ .path = xstrdup(path) };
	if (!r)
		return BIGM_EINVALID;
	rc = open_index(bundle, r->archive, err);
	bundle_reader_free(r);
	return rc < 0 ? error_prefix(err, "%s", path) : 0;
}

void bundle_release(struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->nparts; i++) {
		struct bundle_part *part = &bundle->parts[i];

		free(part->name);
		free(part->arch);
		free(part->digest);
		free(part->program);
		free(part->program_digest);
		free(part->loader);
	}
	free(bundle->path);
	*bundle = (struct bundle){ 0 };
}

/* ------------------------------------------------------------------ */
/* Parts                                                               */

static const struct bundle_part *with_arch(const struct bundle *bundle,
					   const char *arch)
{
	for (size_t i = 0; i < bundle->nparts; i++)
		if (strcmp(bundle->parts[i].arch, arch) == 0)
			return &bundle->parts[i];
	return NULL;
}

const struct bundle_part *bundle_find(const struct bundle *bundle,
				      const char *arch, struct bigm_error *err)
{
	const struct bundle_part *part = with_arch(bundle, arch);
	struct buffer have = BUFFER_INIT(4096);

	if (!part)
		part = with_arch(bundle, BUNDLE_ANY_ARCH);
	if (part)
		return part;
	for (size_t i = 0; i < bundle->nparts; i++)
		buffer_appendf(&have, NULL, "%s%.40s", i > 0 ? ", " : "",
			       bundle->parts[i].arch);
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "%s has nothing for %s, only for %s: make it again with "
		       "`bigm bundle … %s=PROGRAM`", bundle->path, arch,
		       buffer_string(&have), arch);
	buffer_release(&have);
	return NULL;
}

struct bundle_reader *bundle_reader_new(const struct bundle *bundle,
					const struct bundle_part *part,
					struct bigm_error *err)
{
	struct bundle_reader *r = reader_open(bundle->path, err);
	struct archive_entry *entry;
	int rc = ARCHIVE_OK;

	while (r && (rc = archive_read_next_header(r->archive, &entry)) ==
			    ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		if (name && strcmp(name, part->name) == 0)
			return r;
	}
	if (!r)
		return NULL;
	if (rc == ARCHIVE_EOF)
		bigm_error_set(err, BIGM_EINVALID,
			       "%s: is cut off: %s is not in it", bundle->path,
			       part->name);
	else
		archive_error_set(err, r->archive, bundle->path);
	bundle_reader_free(r);
	return NULL;
}

ssize_t bundle_reader_next(struct bundle_reader *r, const void **bytes,
			   struct bigm_error *err)
{
	la_int64_t at;
	size_t n;
	int rc;

	do
		rc = archive_read_data_block(r->archive, bytes, &n, &at);
	while (rc == ARCHIVE_OK && n == 0);
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK)
		return archive_error_set(err, r->archive, r->what);
	if ((uint64_t)at != r->at)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: a part of it has holes, which nobody "
				      "makes", r->what);
	r->at += n;
	return (ssize_t)n;
}

void bundle_reader_free(struct bundle_reader *r)
{
	if (!r)
		return;
	archive_read_free(r->archive);
	if (r->fd >= 0)
		close(r->fd);
	free(r->what);
	free(r);
}
