#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "ec2/asker.h"
#include "ec2/strays.h"
#include "keeper/record.h"

#define PATIENCE_MS 90000 /* for instances to be gone after their end */
#define INFO_MAX 65536

/* The id of a living cluster, malloc'ed; NULL when it has gone meanwhile, or
 * has not begun.  What cannot be read is an error, lest a living cluster's
 * instances be taken for strays. */
static int id_of(const char *name, char **id, struct bigm_error *err)
{
	struct record *record = record_find(name, NULL);
	AUTO_FREE char *path =
		record ? xasprintf("%s/info.json", record->dir) : NULL;
	AUTO_FCLOSE FILE *file = path ? fopen(path, "re") : NULL;
	int why = errno;
	AUTO_FREE char *text = xcalloc(1, INFO_MAX);
	AUTO_JSON cJSON *json = NULL;
	const char *found = NULL;

	*id = NULL;
	record_free(record);
	if (!path || (!file && why == ENOENT))
		return 0;
	if (!file)
		return error_set_errno(err, why, "%s", path);
	json = json_parse(text, fread(text, 1, INFO_MAX - 1, file), err);
	if (!json || json_opt_string(json, "id", &found, err) < 0)
		return error_prefix(err, "%s", path);
	*id = found ? xstrdup(found) : NULL;
	return 0;
}

static char **find_alive(void *data, struct bigm_error *err)
{
	char **names = record_list(err), **ids;
	size_t n = strings_count(names), k = 0;
	int r = 0;

	if (!names)
		return NULL;
	ids = xcalloc(n + 1, sizeof(*ids));
	for (size_t i = 0; i < n && r == 0; i++) {
		r = id_of(names[i], &ids[k], err);
		k += ids[k] != NULL;
	}
	strings_free(names);
	if (r == 0)
		return ids;
	strings_free(ids);
	return NULL;
}

struct searcher {
	struct ec2_asker asker;
	char host[STRAYS_HOST_MAX];
	struct strays_options options;
};

static int searcher_init(struct searcher *s, struct bigm_error *err)
{
	int r = ec2_asker_init(&s->asker, NULL, NULL, err);

	strays_host(s->host);
	s->options = (struct strays_options){
		.config = s->asker.config, .provider = s->asker.provider,
		.region = s->asker.region, .user = s->asker.user,
		.host = s->host,
		.alive = find_alive,
		.patience_ms = PATIENCE_MS,
	};
	return r;
}

static cJSON *find(struct bigm_error *err)
{
	struct searcher s;
	cJSON *list = searcher_init(&s, err) == 0 ?
			      strays_find(&s.options, err) : NULL;

	ec2_asker_release(&s.asker);
	return list;
}

static int end(cJSON *machines, struct bigm_error *err)
{
	struct searcher s;
	int r = searcher_init(&s, err);

	if (r == 0)
		r = strays_end(&s.options, machines, err);
	ec2_asker_release(&s.asker);
	return r;
}

static int tidy(struct bigm_error *err)
{
	struct searcher s;
	int r = searcher_init(&s, err);

	if (r == 0)
		r = strays_tidy(&s.options, err);
	ec2_asker_release(&s.asker);
	return r;
}

const struct system_strays strays_of_ec2 = { find, end, tidy };
