#include "config.h"

#include "bundle/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define NAME_LONGEST 255

/* ------------------------------------------------------------------ */
/* Paths                                                               */

int manifest_check_path(const char *path, struct bigm_error *err)
{
	if (strlen(path) > BUNDLE_MAX_PATH)
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%.40s…\": a path of more than %d bytes",
				      path, BUNDLE_MAX_PATH);
	for (const char *name = path;; name += strcspn(name, "/") + 1) {
		size_t len = strcspn(name, "/");

		if (len == 0 || len > NAME_LONGEST ||
		    (len == 1 && name[0] == '.') ||
		    (len == 2 && name[0] == '.' && name[1] == '.'))
			return bigm_error_set(err, BIGM_EINVALID,
					      "\"%s\": a path has to be relative, "
					      "without . and .., and without "
					      "names that are empty or longer "
					      "than %d bytes",
					      path, NAME_LONGEST);
		if (name[len] == '\0')
			return 0;
	}
}

static size_t depth_of(const char *path)
{
	size_t depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

int manifest_check_link(const char *path, const char *target,
			struct bigm_error *err)
{
	size_t depth = depth_of(path);
	const char *rest = target;

	while (strncmp(rest, "../", 3) == 0 && depth > 0) {
		rest += 3;
		depth--;
	}
	if (depth > 0 && strcmp(rest, "..") == 0)
		return 0;
	if (manifest_check_path(rest, NULL) == 0)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: a link to \"%s\", out of the bundle's folder",
			      path, target);
}

/* ------------------------------------------------------------------ */
/* Checks                                                              */

static int by_path(const void *key, const void *file)
{
	return strcmp(key, ((const struct manifest_file *)file)->path);
}

const struct manifest_file *manifest_find(const struct manifest *m,
					  const char *path)
{
	return m->nfiles == 0 ? NULL :
				bsearch(path, m->files, m->nfiles,
					sizeof(*m->files), by_path);
}

/* For qsort_r() and bsearch: numbers of files by their digests, the first one
 * first. */
static int by_digest(const void *a, const void *b, void *manifest)
{
	const struct manifest *m = manifest;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(m->files[x].digest, m->files[y].digest);

	return order ? order : (x > y) - (x < y);
}

uint32_t *manifest_twins(const struct manifest *m)
{
	uint32_t *twins = xcalloc(m->nfiles + 1, sizeof(*twins));
	uint32_t *sorted = xcalloc(m->nfiles + 1, sizeof(*sorted));
	size_t first = 0;

	for (size_t i = 0; i < m->nfiles; i++)
		sorted[i] = twins[i] = (uint32_t)i;
	qsort_r(sorted, m->nfiles, sizeof(*sorted), by_digest, (void *)m);
	for (size_t i = 1; i < m->nfiles; i++) {
		const struct manifest_file *file = &m->files[sorted[i]];

		if (strcmp(file->digest, m->files[sorted[first]].digest) != 0)
			first = i;
		else if (file->kind == MANIFEST_FILE)
			twins[sorted[i]] = sorted[first];
	}
	free(sorted);
	return twins;
}

/* A part of the recipe that has to be among the files. */
static int check_member(const struct manifest *m, const char *what,
			const char *path, struct bigm_error *err)
{
	const struct manifest_file *file = path ? manifest_find(m, path) : NULL;

	if (!path || (file && file->kind == MANIFEST_FILE && file->executable))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "the %s \"%s\" is no executable file of the "
			      "bundle", what, path);
}

static int check_file(const struct manifest_file *file,
		      struct bigm_error *err)
{
	int rc = manifest_check_path(file->path, err);

	if (rc == 0 && file->kind == MANIFEST_LINK)
		rc = manifest_check_link(file->path, file->target, err);
	if (rc == 0 && file->kind == MANIFEST_FILE &&
	    !digest_is_text(file->digest))
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "%s: its digest is none", file->path);
	return rc;
}

static int check_files(const struct manifest *m, struct bigm_error *err)
{
	uint64_t total = 0;

	for (size_t i = 0; i < m->nfiles; i++) {
		const struct manifest_file *file = &m->files[i];

		if (check_file(file, err) < 0)
			return BIGM_EINVALID;
		if (i > 0 && strcmp(file[-1].path, file->path) >= 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "%s: twice, or out of order",
					      file->path);
		if (file->size > BUNDLE_MAX_UNPACKED - total)
			return bigm_error_set(err, BIGM_EEXHAUSTED,
					      "%s: with it the files have more "
					      "than %llu bytes", file->path,
					      BUNDLE_MAX_UNPACKED);
		total += file->size;
	}
	return 0;
}

int manifest_check(const struct manifest *m, struct bigm_error *err)
{
	if (m->nfiles > BUNDLE_MAX_FILES)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "%zu files; a bundle has at most %d",
				      m->nfiles, BUNDLE_MAX_FILES);
	if (check_files(m, err) < 0)
		return BIGM_EINVALID;
	if (check_member(m, "program", m->program, err) < 0 ||
	    check_member(m, "loader", m->loader, err) < 0 ||
	    check_member(m, "preload", m->preload, err) < 0)
		return BIGM_EINVALID;
	return check_member(m, "interpreter", m->interpreter, err);
}

/* ------------------------------------------------------------------ */
/* JSON                                                                */

static int read_kind(struct manifest_file *file, const cJSON *json,
		     struct bigm_error *err)
{
	const char *target = NULL, *digest = NULL;
	bool folder = false;

	if (json_opt_string(json, "link", &target, err) < 0 ||
	    json_opt_bool(json, "folder", &folder, err) < 0)
		return BIGM_EINVALID;
	if (target || folder) {
		file->kind = target ? MANIFEST_LINK : MANIFEST_FOLDER;
		file->target = target ? xstrdup(target) : NULL;
		return 0;
	}
	if (bigm_json_get_uint64(json, "size", &file->size, err) < 0 ||
	    json_opt_bool(json, "executable", &file->executable, err) < 0 ||
	    bigm_json_get_string(json, "digest", &digest, err) < 0)
		return BIGM_EINVALID;
	/* What does not fit is none, which check_file() tells. */
	if (strlen(digest) < DIGEST_SIZE)
		memcpy(file->digest, digest, strlen(digest) + 1);
	return 0;
}

static int read_files(struct manifest *m, const cJSON *json,
		      struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "files");
	const cJSON *item;
	int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;

	if (n < 0 || n > BUNDLE_MAX_FILES)
		return bigm_error_set(err, BIGM_EINVALID,
				      "files must be an array of at most %d",
				      BUNDLE_MAX_FILES);
	m->files = xcalloc((size_t)n + 1, sizeof(*m->files));
	cJSON_ArrayForEach(item, list) {
		struct manifest_file *file = &m->files[m->nfiles];
		const char *path;

		if (bigm_json_get_string(item, "path", &path, err) < 0)
			return error_prefix(err, "files[%zu]", m->nfiles);
		file->path = xstrdup(path);
		m->nfiles++;
		if (read_kind(file, item, err) < 0)
			return error_prefix(err, "%s", path);
		m->unpacked += file->size;
	}
	return 0;
}

static int read_string(const cJSON *json, const char *name, bool needed,
		       char **place, struct bigm_error *err)
{
	const char *text = NULL;
	int rc = needed ? bigm_json_get_string(json, name, &text, err) :
			  json_opt_string(json, name, &text, err);

	if (rc == 0 && text)
		*place = xstrdup(text);
	return rc;
}

static int read_loader_options(struct manifest *m, const cJSON *json,
			       struct bigm_error *err)
{
	if (json_opt_bool(json, "argv0", &m->argv0, err) < 0)
		return BIGM_EINVALID;
	if (!cJSON_GetObjectItemCaseSensitive(json, "inhibit_rpath"))
		return 0;
	m->inhibit = json_get_strings(json, "inhibit_rpath", "inhibit_rpath",
				      err);
	return m->inhibit ? 0 : BIGM_EINVALID;
}

static int read_all(struct manifest *m, const cJSON *json,
		    struct bigm_error *err)
{
	int64_t format = 0;

	if (bigm_json_get_int64(json, "format", &format, err) < 0)
		return BIGM_EINVALID;
	if (format != BUNDLE_FORMAT)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "format %lld; this bigm knows %d: make "
				      "it again with `bigm bundle`",
				      (long long)format, BUNDLE_FORMAT);
	if (read_string(json, "arch", true, &m->arch, err) < 0 ||
	    read_string(json, "program", true, &m->program, err) < 0 ||
	    read_string(json, "loader", false, &m->loader, err) < 0 ||
	    read_string(json, "preload", false, &m->preload, err) < 0 ||
	    read_string(json, "interpreter", false, &m->interpreter, err) < 0 ||
	    read_string(json, "interpreter_argument", false,
			&m->interpreter_argument, err) < 0 ||
	    json_opt_bool(json, "driver", &m->driver, err) < 0 ||
	    read_loader_options(m, json, err) < 0 ||
	    read_files(m, json, err) < 0)
		return BIGM_EINVALID;
	return manifest_check(m, err);
}

struct manifest *manifest_read(const void *text, size_t len,
			       struct bigm_error *err)
{
	struct manifest *m = xcalloc(1, sizeof(*m));
	AUTO_JSON cJSON *json = json_parse(text, len, err);

	if (json && read_all(m, json, err) == 0)
		return m;
	error_prefix(err, "the bundle's manifest");
	manifest_free(m);
	return NULL;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nfiles; i++) {
		free(m->files[i].path);
		free(m->files[i].target);
	}
	free(m->files);
	strings_free(m->inhibit);
	free(m->arch);
	free(m->program);
	free(m->loader);
	free(m->preload);
	free(m->interpreter);
	free(m->interpreter_argument);
	free(m);
}

static void add_string(cJSON *json, const char *name, const char *value)
{
	if (value)
		json_add_string(json, name, value);
}

static cJSON *file_json(const struct manifest_file *file)
{
	cJSON *json = cJSON_CreateObject();

	add_string(json, "path", file->path);
	if (file->kind == MANIFEST_LINK) {
		add_string(json, "link", file->target);
	} else if (file->kind == MANIFEST_FOLDER) {
		cJSON_AddBoolToObject(json, "folder", true);
	} else {
		json_add_uint64(json, "size", file->size);
		add_string(json, "digest", file->digest);
		if (file->executable)
			cJSON_AddBoolToObject(json, "executable", true);
	}
	return json;
}

cJSON *manifest_json(const struct manifest *m)
{
	cJSON *json = cJSON_CreateObject(), *list;

	json_add_uint64(json, "format", BUNDLE_FORMAT);
	add_string(json, "arch", m->arch);
	add_string(json, "program", m->program);
	add_string(json, "loader", m->loader);
	if (m->argv0)
		cJSON_AddBoolToObject(json, "argv0", true);
	add_string(json, "preload", m->preload);
	if (m->inhibit)
		cJSON_AddItemToObject(
			json, "inhibit_rpath",
			json_strings(m->inhibit));
	add_string(json, "interpreter", m->interpreter);
	add_string(json, "interpreter_argument", m->interpreter_argument);
	cJSON_AddBoolToObject(json, "driver", m->driver);
	list = cJSON_AddArrayToObject(json, "files");
	for (size_t i = 0; i < m->nfiles; i++)
		cJSON_AddItemToArray(list, file_json(&m->files[i]));
	return json;
}

/* ------------------------------------------------------------------ */
/* The image                                                           */

struct strings {
	char *list[16];
	size_t n;
};

static void add(struct strings *s, char *string)
{
	s->list[s->n++] = string;
}

static char **take(const struct strings *s)
{
	char **copy = xcalloc(s->n + 1, sizeof(*copy));

	memcpy(copy, s->list, s->n * sizeof(*copy));
	return copy;
}

/* As ld.so wants it; the program's own name is empty there. */
static char *inhibit_list(const struct manifest *m, const char *dir)
{
	struct buffer list = BUFFER_INIT(BUNDLE_MAX_MANIFEST);
	char *text;

	for (char **path = m->inhibit; *path; path++)
		buffer_appendf(&list, NULL, "%s%s%s%s",
			       path == m->inhibit ? "" : ":",
			       **path ? dir : "", **path ? "/" : "", *path);
	text = xstrdup(buffer_string(&list));
	buffer_release(&list);
	return text;
}

static void add_loader(struct strings *head, const struct manifest *m,
		       const char *dir)
{
	add(head, xasprintf("%s/%s", dir, m->loader));
	add(head, xstrdup("--library-path"));
	add(head, xasprintf("%s/" MANIFEST_LIBRARIES, dir));
	if (m->inhibit) {
		add(head, xstrdup("--inhibit-rpath"));
		add(head, inhibit_list(m, dir));
	}
	if (m->preload) {
		add(head, xstrdup("--preload"));
		add(head, xasprintf("%s/%s", dir, m->preload));
	}
}

struct image *manifest_image(const struct manifest *m, const char *dir)
{
	const char *first = m->interpreter ? m->interpreter : m->program;
	AUTO_FREE char *program = xasprintf("%s/%s", dir, m->program);
	AUTO_FREE char *path = xasprintf("%s/%s", dir,
					 m->loader ? m->loader : first);
	struct image *image = image_plain(path);
	struct strings head = { .n = 0 }, tail = { .n = 0 };

	free(image->program);
	image->program = xstrdup(program);
	image->dir = xstrdup(dir);
	if (!m->loader && !m->interpreter)
		return image;
	/* An interpreter finds its own things by its name, and a loader that
	 * is too old for --argv0 gives its program's path for one. */
	image->named = m->loader && m->argv0 && !m->interpreter;
	if (m->loader)
		add_loader(&head, m, dir);
	if (image->named)
		add(&head, xstrdup("--argv0"));
	add(&tail, xasprintf("%s/%s", dir, first));
	if (m->interpreter_argument)
		add(&tail, xstrdup(m->interpreter_argument));
	if (m->interpreter)
		add(&tail, xstrdup(program));
	image->head = take(&head);
	image->tail = take(&tail);
	return image;
}
