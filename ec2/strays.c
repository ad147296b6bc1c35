#include "ec2/strays.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/thread.h"
#include "ec2/api_instances.h"
#include "ec2/api_types.h"
#include "ec2/aws_config.h"
#include "ec2/plan.h"
#include "ec2/types.h"

#define AT_ONCE 8 /* regions */
#define TYPES_MAX 100
#define YOUNG_MS 5000 /* one not found may be too young */

void strays_host(char host[STRAYS_HOST_MAX])
{
	if (gethostname(host, STRAYS_HOST_MAX - 1) < 0)
		strcpy(host, "unknown");
	host[STRAYS_HOST_MAX - 1] = '\0';
}

static struct ec2_client *client_of(const struct strays_options *o,
				    const char *region, struct bigm_error *err)
{
	AUTO_FREE char *endpoint =
		aws_config_endpoint(o->config, AWS_EC2, region, NULL, err);
	const struct ec2_client_options options = {
		.provider = o->provider,
		.region = region,
		.endpoint = endpoint,
		.ca_file = aws_config_env(o->config, "AWS_CA_BUNDLE"),
		.retry = o->retry,
	};

	return endpoint ? ec2_client_new(&options, err) : NULL;
}

/* ------------------------------------------------------------------ */
/* One region                                                          */

static void add_prices(struct ec2_client *c, const struct ec2_instances *list,
		       struct ec2_spot_prices *prices)
{
	struct ec2_failure f = EC2_FAILURE_INIT;
	const char *types[TYPES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < list->count && n < TYPES_MAX; i++) {
		size_t k = 0;

		while (k < n && strcmp(types[k], list->items[i].type) != 0)
			k++;
		if (list->items[i].spot && k == n)
			types[n++] = list->items[i].type;
	}
	/* A price is good to know, but not needed. */
	if (n > 0 && ec2_describe_spot_prices(c, types, n, prices, &f) < 0)
		log_debug("%s", f.error.text);
}

static double price_of(const struct ec2_instance *i, const char *region,
		       const struct ec2_spot_prices *prices)
{
	const struct ec2_known_type *known = ec2_known_type(i->type);

	for (size_t k = 0; i->spot && k < prices->count; k++)
		if (strcmp(prices->items[k].type, i->type) == 0 &&
		    strcmp(prices->items[k].zone, i->zone) == 0)
			return prices->items[k].usd;
	return known && !i->spot ? ec2_known_price(known, region) : 0;
}

static cJSON *facts_of(const struct ec2_instance *i, const char *region,
		       double price)
{
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "system", "ec2" },
		{ "region", region },
		{ "id", i->id },
		{ "type", i->type },
		{ "zone", i->zone },
		{ "state", ec2_state_name(i->state) },
		{ "market", i->spot ? "spot" : "on-demand" },
		{ "name", ec2_tag_value(i->tags, "Name") },
		{ "cluster", ec2_tag_value(i->tags, EC2_TAG_CLUSTER) },
		{ "user", ec2_tag_value(i->tags, EC2_TAG_USER) },
		{ "host", ec2_tag_value(i->tags, EC2_TAG_HOST) },
	};
	cJSON *facts = cJSON_CreateObject();

	for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++)
		cJSON_AddStringToObject(facts, texts[k].name, texts[k].value);
	cJSON_AddNumberToObject(facts, "launched", (double)i->launched);
	if (price > 0)
		cJSON_AddNumberToObject(facts, "usd_per_hour", price);
	return facts;
}

static int find_in(const struct strays_options *o, struct ec2_client *c,
		   cJSON *found, struct ec2_failure *f)
{
	static const char *const ours = "bigm";
	static const char *const states[] = { "pending", "running", "stopping",
					      "stopped" };
	static const struct ec2_filter filters[] = {
		{ "tag-key", &ours, 1 },
		{ "instance-state-name", states, 4 },
	};
	const char *region = ec2_client_region(c);
	struct ec2_instances list = EC2_INSTANCES_INIT;
	struct ec2_spot_prices prices = EC2_SPOT_PRICES_INIT;
	int r = ec2_describe_instances(c, filters, 2, &list, f);

	add_prices(c, &list, &prices);
	for (size_t i = 0; i < list.count; i++)
		cJSON_AddItemToArray(found,
				     facts_of(&list.items[i], region,
					      price_of(&list.items[i], region,
						       &prices)));
	ec2_spot_prices_release(&prices);
	ec2_instances_release(&list);
	return r;
}

/* ------------------------------------------------------------------ */
/* All regions                                                         */

/* Regions are taken from one list by several threads. */
struct tour {
	const struct strays_options *options;
	int (*visit)(const struct strays_options *o, struct ec2_client *c,
		     cJSON *found, struct ec2_failure *f);
	char *const *regions;
	size_t n;
	pthread_mutex_t lock;
	size_t next;
	cJSON *found;
};

static void visit(struct tour *t, const char *region)
{
	cJSON *found = cJSON_CreateArray();
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_client *c = client_of(t->options, region, &f.error);
	int r = c ? t->visit(t->options, c, found, &f) : BIGM_EFAILED;

	ec2_client_free(c);
	pthread_mutex_lock(&t->lock);
	while (found->child)
		cJSON_AddItemToArray(t->found,
				     cJSON_DetachItemFromArray(found, 0));
	if (r < 0) {
		cJSON *error = cJSON_CreateObject();

		cJSON_AddStringToObject(error, "system", "ec2");
		cJSON_AddStringToObject(error, "region", region);
		cJSON_AddStringToObject(error, "error", f.error.text);
		cJSON_AddItemToArray(t->found, error);
	}
	pthread_mutex_unlock(&t->lock);
	cJSON_Delete(found);
}

static void *travel(void *data)
{
	struct tour *t = data;

	for (;;) {
		const char *region;

		pthread_mutex_lock(&t->lock);
		region = t->next < t->n ? t->regions[t->next++] : NULL;
		pthread_mutex_unlock(&t->lock);
		if (!region)
			return NULL;
		visit(t, region);
	}
}

static cJSON *tour(struct tour t, const struct ec2_regions *regions)
{
	pthread_t threads[AT_ONCE];
	size_t n = 0;

	t.regions = regions->names;
	t.n = regions->count;
	t.found = cJSON_CreateArray();
	pthread_mutex_init(&t.lock, NULL);
	while (n < AT_ONCE && n < regions->count &&
	       thread_start(&threads[n], NULL, travel, &t) == 0)
		n++;
	travel(&t);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&t.lock);
	return t.found;
}

static const char *text_of(const cJSON *facts, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(facts, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static void judge(const struct strays_options *o, cJSON *list,
		  char *const *alive)
{
	cJSON *facts;

	cJSON_ArrayForEach(facts, list) {
		bool user = strcmp(text_of(facts, "user"), o->user) == 0;
		bool host = strcmp(text_of(facts, "host"), o->host) == 0;
		cJSON *mine;

		if (!cJSON_HasObjectItem(facts, "id"))
			continue;
		mine = cJSON_AddObjectToObject(facts, "mine");
		cJSON_AddBoolToObject(mine, "user", user);
		cJSON_AddBoolToObject(mine, "host", host);
		cJSON_AddStringToObject(facts, "keeper",
					!user || !host ? "unknown"
					: strings_have(alive,
						       text_of(facts, "cluster"))
						? "alive"
						: "gone");
	}
}

/* What a tour of all regions finds; NULL with an error where not even they are
 * known. */
static cJSON *tour_all(struct tour t, struct bigm_error *err)
{
	struct ec2_client *c = client_of(t.options, t.options->region, err);
	struct ec2_regions regions = { NULL, 0 };
	struct ec2_failure f = EC2_FAILURE_INIT;
	cJSON *list = NULL;

	if (!c)
		return NULL;
	if (ec2_describe_regions(c, &regions, &f) < 0)
		error_copy(err, &f.error);
	else
		list = tour(t, &regions);
	ec2_regions_release(&regions);
	ec2_client_free(c);
	return list;
}

static int tidy_in(const struct strays_options *o, struct ec2_client *c,
		   cJSON *found, struct ec2_failure *f)
{
	return strays_sweep(o, c, f);
}

int strays_tidy(const struct strays_options *o, struct bigm_error *err)
{
	AUTO_JSON cJSON *list = tour_all((struct tour){ .options = o,
							.visit = tidy_in },
					 err);

	if (!list)
		return BIGM_EFAILED;
	return list->child ? bigm_error_set(err, BIGM_EFAILED, "%s",
					    text_of(list->child, "error"))
			   : 0;
}

cJSON *strays_find(const struct strays_options *o, struct bigm_error *err)
{
	cJSON *list = tour_all((struct tour){ .options = o, .visit = find_in },
			       err);
	char **alive;

	alive = list ? o->alive(o->data, err) : NULL;
	if (!alive) {
		cJSON_Delete(list);
		return NULL;
	}
	judge(o, list, alive);
	strings_free(alive);
	return list;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static bool is_of(const cJSON *facts, const char *region)
{
	return *text_of(facts, "id") &&
	       strcmp(text_of(facts, "region"), region) == 0;
}

static int end_in(const struct strays_options *o, struct ec2_client *c,
		  cJSON *machines, struct bigm_error *err)
{
	const char *region = ec2_client_region(c);
	struct ec2_ending *endings = xcalloc(
		(size_t)cJSON_GetArraySize(machines) + 1, sizeof(*endings));
	struct ec2_failure f = EC2_FAILURE_INIT;
	cJSON *facts;
	size_t n = 0, i = 0;
	int r;

	cJSON_ArrayForEach(facts, machines)
		if (is_of(facts, region))
			endings[n++].id = text_of(facts, "id");
	r = ec2_terminate(c, endings, n, YOUNG_MS, &f);
	cJSON_ArrayForEach(facts, machines) {
		if (!is_of(facts, region))
			continue;
		/* One that is not found is what it should be. */
		enum ec2_kind kind = endings[i++].kind;
		if (kind == EC2_OK || kind == EC2_NOT_FOUND)
			cJSON_AddTrueToObject(facts, "ended");
		else
			cJSON_AddStringToObject(facts, "error", f.error.text);
	}
	free(endings);
	if (r < 0 && f.kind != EC2_NOT_FOUND)
		return error_copy(err, &f.error);
	ec2_failure_clear(&f);
	if (strays_sweep(o, c, &f) < 0)
		log_warn("%s", f.error.text);
	return 0;
}

int strays_end(const struct strays_options *o, cJSON *machines,
	       struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const cJSON *facts, *before;
	int first = 0;

	cJSON_ArrayForEach(facts, machines) {
		const char *region = text_of(facts, "region");
		struct ec2_client *c;
		int r;

		before = machines->child;
		while (before != facts && !is_of(before, region))
			before = before->next;
		if (before != facts || !*text_of(facts, "id"))
			continue; /* the region was visited, or is none */
		error_clear(&why);
		c = client_of(o, region, &why);
		r = c ? end_in(o, c, machines, &why) : why.code;
		ec2_client_free(c);
		if (r < 0 && first == 0)
			first = error_copy(err, &why);
	}
	return first;
}
