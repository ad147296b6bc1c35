#include "config.h"

#include "ec2/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "base/text.h"
#include "cloudconfig/check.h"
#include "cloudconfig/cloudconfig.h"
#include "ec2/specs.h"

#define DIGEST_SHOWN 12
#define VALUE_MOST 256 /* bytes of a tag's value */

/* Sources: plan.h. */
static const struct {
	const char *owner, *x86, *arm;
} images[CLOUDCONFIG_FLAVORS] = {
	[CLOUDCONFIG_FLATCAR] = { "075585003325", "Flatcar-stable-*-hvm",
				  "Flatcar-stable-*-hvm" },
	[CLOUDCONFIG_UBUNTU] = {
		"099720109477",
		"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
		"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*" },
	[CLOUDCONFIG_DEBIAN] = { "136693071363", "debian-12-amd64-*",
				 "debian-12-arm64-*" },
	[CLOUDCONFIG_AMAZON] = { "amazon", "al2023-ami-2023.*-x86_64",
				 "al2023-ami-2023.*-arm64" },
};

void ec2_plan_image(int flavor, const char *architecture, const char **owner,
		    char **name)
{
	*owner = images[flavor].owner;
	*name = xstrdup(strcmp(architecture, "arm64") == 0 ? images[flavor].arm
							   : images[flavor].x86);
}

int ec2_plan_architecture(const struct ec2_settings *s, const char *region,
			  const struct ec2_types *types,
			  const char **architecture, struct bigm_error *err)
{
	const char *first = NULL;

	for (char **type = s->types; *type; type++) {
		struct ec2_type_facts facts;
		int r = ec2_type_facts(*type, region, types, NULL, &facts, err);

		if (r < 0)
			return r;
		if (first && strcmp(first, facts.architecture) != 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "ec2-type: %s is %s and %s is %s; "
					      "all must have one architecture",
					      s->types[0], first, *type,
					      facts.architecture);
		first = facts.architecture;
	}
	*architecture = first;
	return 0;
}

/* ------------------------------------------------------------------ */
/* What it costs                                                       */

/* Spot costs what it costs now, at most what the user pays. */
static double price_of(const struct ec2_settings *s,
		       const struct ec2_type_facts *facts)
{
	double usd = facts->spot > 0 ? facts->spot : facts->on_demand;

	if (s->on_demand)
		return facts->on_demand;
	return s->max_price > 0 && (usd == 0 || usd > s->max_price)
		       ? s->max_price
		       : usd;
}

int ec2_plan_check_cost(const struct ec2_settings *s, double spent, double usd,
			int n, const char *what, struct bigm_error *err)
{
	double all = spent + usd * n;
	int possible;

	if (s->max_cost <= 0 || n <= 0)
		return 0;
	if (usd <= 0 && s->price_unknown_ok)
		return 0;
	if (usd <= 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "nobody knows what %s costs, and no more "
				      "than %g USD an hour shall be spent: "
				      "choose another type, or say "
				      "--price-unknown-ok", what, s->max_cost);
	/* Prices are sums of decimal fractions. */
	if (all <= s->max_cost * (1 + 1e-9))
		return 0;
	possible = spent < s->max_cost ? (int)((s->max_cost - spent) / usd) : 0;
	return bigm_error_set(err, BIGM_EEXHAUSTED,
			      "%d more of %s would cost %.2f USD an hour%s, and "
			      "no more than %g shall be spent; %d would be "
			      "possible: see --max-cost", n, what, all,
			      spent > 0 ? " with those that there are" : "",
			      s->max_cost, possible);
}

static int make_types(struct ec2_plan *plan, struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	const struct ec2_settings *s = f->settings;
	double least = 0, most = 0;
	const char *dearest = s->types[0];
	bool unknown = false;

	plan->ntypes = strings_count(s->types);
	plan->types = xcalloc(plan->ntypes, sizeof(*plan->types));
	for (size_t i = 0; i < plan->ntypes; i++) {
		struct ec2_plan_type *type = &plan->types[i];
		int r = ec2_type_facts(s->types[i], f->region, f->types,
				       f->spot, &type->facts, err);

		if (r < 0)
			return r;
		type->usd = price_of(s, &type->facts);
		if (type->usd <= 0 && !unknown) {
			unknown = true;
			dearest = s->types[i];
		}
		if (i == 0 || type->usd < least)
			least = type->usd;
		if (type->usd > most) {
			most = type->usd;
			dearest = unknown ? dearest : s->types[i];
		}
	}
	plan->least = unknown ? 0 : least * f->n;
	plan->most = unknown ? 0 : most * f->n;
	return ec2_plan_check_cost(s, f->spent, unknown ? 0 : most, f->n,
				   dearest, err);
}

/* ------------------------------------------------------------------ */
/* Tags                                                                */

/* One line of UTF-8, which is what EC2 takes. */
static void make_clean(char *text)
{
	text_clean(text);
	if (check_is_text(text, strlen(text)))
		return;
	for (char *p = text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
}

static void cut(char *text, size_t most)
{
	size_t len = strlen(text);

	if (len <= most)
		return;
	while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
		most--;
	text[most] = '\0';
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *digest_digits(const char *digest)
{
	const char *colon = digest ? strchr(digest, ':') : NULL;

	return colon ? colon + 1 : digest ? digest : "";
}

/* user:binary(digest) args (bigm) */
static char *make_name(const struct ec2_plan_facts *f)
{
	struct buffer text = BUFFER_INIT(1u << 20);
	char *name;

	buffer_appendf(&text, NULL, "%s", f->user);
	if (f->program)
		buffer_appendf(&text, NULL, ":%s", last_part(f->program));
	if (f->program && f->digest)
		buffer_appendf(&text, NULL, "(%.*s)", DIGEST_SHOWN,
			       digest_digits(f->digest));
	for (char *const *arg = f->argv; arg && *arg && text.len < 4096; arg++)
		if (arg != f->argv)
			buffer_appendf(&text, NULL, " %s", *arg);
	buffer_appendf(&text, NULL, " (bigm)");
	name = xstrdup(buffer_string(&text));
	buffer_release(&text);
	return name;
}

/* Takes the value. */
static void add_tag(struct ec2_plan *plan, const char *key, char *value,
		    size_t most)
{
	size_t n = plan->spec.ntags++;

	make_clean(value);
	cut(value, most);
	plan->tags = xrealloc(plan->tags, (n + 1) * sizeof(*plan->tags));
	plan->values = xrealloc(plan->values, (n + 1) * sizeof(*plan->values));
	plan->values[n] = value;
	plan->tags[n] = (struct ec2_tag){ key, value };
	plan->spec.tags = plan->tags;
}

/* The user's: the key is kept with the value, behind its end. */
static int add_user_tag(struct ec2_plan *plan, const char *text,
			struct bigm_error *err)
{
	const struct ec2_settings *s = plan->facts->settings;
	const char *equals = strchr(text, '=');
	size_t key = equals ? (size_t)(equals - text) : 0;
	char *both;

	if (plan->spec.ntags >= EC2_TAGS_MOST)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-tag: EC2 takes %d tags, and some are "
				      "bigm's own; %zu are too many",
				      EC2_TAGS_MOST,
				      strings_count(s->tags));
	both = xasprintf("%s%c%.*s", equals ? equals + 1 : "", '\0', (int)key,
			 text);
	add_tag(plan, both + strlen(both) + 1, both, VALUE_MOST);
	return 0;
}

static int make_tags(struct ec2_plan *plan, const char *architecture,
		     struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	int r = 0;

	add_tag(plan, "Name", make_name(f), EC2_NAME_MOST);
	add_tag(plan, EC2_TAG, xstrdup(bigm_version()), VALUE_MOST);
	add_tag(plan, EC2_TAG_CLUSTER, xstrdup(f->cluster), VALUE_MOST);
	add_tag(plan, EC2_TAG_USER, xstrdup(f->user), VALUE_MOST);
	add_tag(plan, EC2_TAG_HOST, xstrdup(f->host), VALUE_MOST);
	if (f->program)
		add_tag(plan, EC2_TAG_BINARY, xstrdup(last_part(f->program)),
			VALUE_MOST);
	if (f->digest)
		add_tag(plan, EC2_TAG_DIGEST, xstrdup(f->digest), VALUE_MOST);
	add_tag(plan, EC2_TAG_ARCHITECTURE, xstrdup(architecture), VALUE_MOST);
	for (char **tag = f->settings->tags; *tag && r == 0; tag++)
		r = add_user_tag(plan, *tag, err);
	return r;
}

/* ------------------------------------------------------------------ */
/* The rest                                                            */

static int make_pools(struct ec2_plan *plan, struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	size_t nsubnets = strings_count(f->subnets), n = 0;
	size_t rows = nsubnets ? nsubnets : 1;

	if (plan->ntypes * rows > EC2_FLEET_POOLS)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%zu types in %zu subnets are more than "
				      "the %d pools of which EC2 can choose",
				      plan->ntypes, rows, EC2_FLEET_POOLS);
	plan->pools = xcalloc(plan->ntypes * rows, sizeof(*plan->pools));
	for (size_t t = 0; t < plan->ntypes; t++)
		for (size_t i = 0; i < rows; i++)
			plan->pools[n++] = (struct ec2_pool){
				plan->types[t].facts.name,
				nsubnets ? f->subnets[i] : NULL
			};
	plan->npools = n;
	if (n == 1) {
		plan->spec.type = plan->pools[0].type;
		plan->spec.subnet = plan->pools[0].subnet;
	}
	return 0;
}

static int make_volumes(struct ec2_plan *plan, struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	int root = ec2_root_gib(f->settings->diskspace);

	if (f->image->root_gib > root)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the image %s needs a root volume of %d "
				      "GiB: ec2-diskspace must be %d at least",
				      f->image->id, f->image->root_gib,
				      f->image->root_gib - EC2_ROOT_GIB);
	plan->data = ec2_data_volumes(f->settings->dataspace);
	plan->volumes[0] = (struct ec2_volume){ f->image->root_device, root };
	for (int i = 0; i < plan->data.count; i++)
		plan->volumes[i + 1] = (struct ec2_volume){
			ec2_volume_device(i, plan->devices[i]), plan->data.gib
		};
	plan->spec.volumes = plan->volumes;
	plan->spec.nvolumes = 1 + (size_t)plan->data.count;
	return 0;
}

static void make_spec(struct ec2_plan *plan)
{
	const struct ec2_plan_facts *f = plan->facts;
	const struct ec2_settings *s = f->settings;

	plan->spec.image = f->image->id;
	plan->spec.groups = f->groups;
	plan->spec.ngroups = strings_count(f->groups);
	plan->spec.key_name = s->key_name;
	plan->spec.profile = s->instance_profile;
	plan->spec.user_data = f->user_data;
	plan->spec.user_data_len = f->user_data_len;
	plan->spec.spot = !s->on_demand;
	if (!s->on_demand && s->max_price > 0) {
		snprintf(plan->max_price, sizeof(plan->max_price), "%.6f",
			 s->max_price);
		plan->spec.max_price = plan->max_price;
	}
}

static int fill(struct ec2_plan *plan, struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	const char *architecture;
	int r = ec2_plan_architecture(f->settings, f->region, f->types,
				      &architecture, err);

	if (r == 0 && strcmp(f->image->architecture, architecture) != 0)
		r = bigm_error_set(err, BIGM_EINVALID,
				   "the image %s is for %s, and instances of "
				   "type %s are %s", f->image->id,
				   f->image->architecture, f->settings->types[0],
				   architecture);
	if (r < 0 || (r = make_types(plan, err)) < 0 ||
	    (r = make_pools(plan, err)) < 0 ||
	    (r = make_volumes(plan, err)) < 0)
		return r;
	make_spec(plan);
	return make_tags(plan, architecture, err);
}

int ec2_plan_make(struct ec2_plan *plan, const struct ec2_plan_facts *facts,
		  struct bigm_error *err)
{
	int r;

	*plan = (struct ec2_plan){ .facts = facts };
	r = fill(plan, err);
	if (r < 0)
		ec2_plan_release(plan);
	return r;
}

void ec2_plan_release(struct ec2_plan *plan)
{
	for (size_t i = 0; i < plan->spec.ntags; i++)
		free(plan->values[i]);
	free(plan->values);
	free(plan->tags);
	free(plan->pools);
	free(plan->types);
	*plan = (struct ec2_plan){ 0 };
}
