#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/aws_config.h"
#include "ec2/credentials.h"
#include "ec2/metadata.h"
#include "ec2/settings.h"
#include "ec2/strays.h"
#include "keeper/record.h"

#define PATIENCE_MS 90000 /* for instances to be gone after their end */
#define INFO_MAX 65536

/* What it takes to ask EC2 as this user. */
struct asker {
	struct ec2_settings settings;
	struct aws_config *config;
	struct metadata *metadata;
	struct aws_provider *provider;
	char host[STRAYS_HOST_MAX];
	struct strays_options options;
};

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
	size_t n = 0, k = 0;
	int r = 0;

	if (!names)
		return NULL;
	while (names[n])
		n++;
	ids = xcalloc(n + 1, sizeof(*ids));
	for (size_t i = 0; i < n && r == 0; i++) {
		r = id_of(names[i], &ids[k], err);
		k += ids[k] != NULL;
	}
	json_strings_free(names);
	if (r == 0)
		return ids;
	json_strings_free(ids);
	return NULL;
}

static void asker_release(struct asker *a)
{
	aws_provider_free(a->provider);
	metadata_free(a->metadata);
	aws_config_free(a->config);
	ec2_settings_release(&a->settings);
}

static int asker_init(struct asker *a, struct bigm_error *err)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *region;
	int r;

	*a = (struct asker){ .config = NULL };
	r = ec2_settings_load(&a->settings, environ, NULL, err);
	if (r < 0)
		return r;
	a->config = aws_config_load(NULL, err);
	a->metadata = a->config ? metadata_new(a->config, NULL, err) : NULL;
	if (!a->metadata)
		return BIGM_EINVALID;
	region = a->settings.region ? a->settings.region
				    : aws_config_region(a->config, NULL);
	if (!region)
		region = a->settings.default_region;
	a->provider = aws_provider_new(&(struct aws_provider_options){
		.config = a->config, .metadata = a->metadata,
		.region = region });
	strays_host(a->host);
	a->options = (struct strays_options){
		.config = a->config, .provider = a->provider,
		.region = region,
		.user = a->settings.user ? a->settings.user
			: pw		 ? pw->pw_name
					 : "nobody",
		.host = a->host,
		.alive = find_alive,
		.patience_ms = PATIENCE_MS,
	};
	return 0;
}

static cJSON *find(struct bigm_error *err)
{
	struct asker a;
	cJSON *list = asker_init(&a, err) == 0 ? strays_find(&a.options, err)
					       : NULL;

	asker_release(&a);
	return list;
}

static int end(cJSON *machines, struct bigm_error *err)
{
	struct asker a;
	int r = asker_init(&a, err);

	if (r == 0)
		r = strays_end(&a.options, machines, err);
	asker_release(&a);
	return r;
}

const struct system_strays strays_of_ec2 = { find, end };
