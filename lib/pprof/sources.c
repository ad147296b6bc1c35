#include "config.h"

#include "pprof/sources.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "bundle/unpack.h"

#define PROGRAMS_MAX 64

static const char *text_of(const cJSON *facts, const char *name)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(facts, name));

	return text ? text : "";
}

/* Each once: most machines run the same. */
static bool is_new(const char **seen, size_t *n, const char *path)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(seen[i], path) == 0)
			return false;
	if (!*path || *n == PROGRAMS_MAX)
		return false;
	seen[(*n)++] = path;
	return true;
}

static void add_programs(struct symbols *s, const cJSON *status)
{
	const cJSON *machines = cJSON_GetObjectItemCaseSensitive(status,
								 "machines");
	bool local = strcmp(text_of(status, "system"), "local") == 0;
	const char *seen[PROGRAMS_MAX];
	const cJSON *m;
	size_t n = 0;

	cJSON_ArrayForEach(m, machines) {
		const char *program = text_of(m, "program");
		const cJSON *pid = cJSON_GetObjectItemCaseSensitive(m, "pid");

		if (!is_new(seen, &n, program))
			continue;
		symbols_add_program(s, program);
		if (local && cJSON_IsNumber(pid) && pid->valueint > 0) {
			AUTO_FREE char *running =
				xasprintf("/proc/%d/exe", pid->valueint);

			symbols_add(s, running, NULL);
		}
	}
}

/* ------------------------------------------------------------------ */
/* Bundles                                                             */

static void add_part(struct symbols *s, const struct bundle *bundle,
		     const struct bundle_part *part, struct profile *p)
{
	AUTO_FREE char *dir = xasprintf("%s/bigm-symbols-XXXXXX",
					files_temporary_folder());
	AUTO_FREE char *files = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct intake_source source;
	struct manifest *manifest = NULL;

	if (!mkdtemp(dir))
		return;
	files = xasprintf("%s/files", dir);
	unpack_source(&source, bundle, part, &err);
	if (source.data)
		manifest = unpack_folder(&source, files, NULL, &err);
	bundle_reader_free(source.data);
	if (manifest) {
		manifest_free(manifest);
		symbols_add(s, files, NULL);
		symbols_apply(s, p);
	} else {
		log_debug("%s: %s", bundle->path, err.text);
	}
	folder_empty(dir, NULL, NULL);
	rmdir(dir);
}

static void add_bundles(struct symbols *s, const cJSON *status,
			struct profile *p)
{
	const cJSON *machines = cJSON_GetObjectItemCaseSensitive(status,
								 "machines");
	const char *seen[PROGRAMS_MAX];
	const cJSON *m;
	size_t n = 0;

	cJSON_ArrayForEach(m, machines) {
		const char *path = text_of(m, "bundle");
		struct bundle bundle = { 0 };

		if (!is_new(seen, &n, path))
			continue;
		if (bundle_open(&bundle, path, NULL) == 0)
			for (size_t i = 0; i < bundle.nparts; i++)
				add_part(s, &bundle, &bundle.parts[i], p);
		bundle_release(&bundle);
	}
}

/* ------------------------------------------------------------------ */

/* Whether a binary that could be told is one that we do not have. */
static bool lacks_some(const struct profile *p)
{
	for (uint32_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];

		if (l->lines == 0 && l->mapping != PROFILE_NONE &&
		    p->mappings[l->mapping].build_id > 0 &&
		    !p->mappings[l->mapping].has_functions)
			return true;
	}
	return false;
}

void sources_apply(struct cluster *cluster, struct symbols *s,
		   struct profile *p)
{
	AUTO_JSON cJSON *status = NULL;

	if (cluster_call(cluster, "Status", NULL, &status, NULL) == 0)
		add_programs(s, status);
	symbols_apply(s, p);
	if (lacks_some(p))
		add_bundles(s, status, p);
}
