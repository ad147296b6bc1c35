#include "config.h"

#include "ec2/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "ec2/api_fleet.h"
#include "ec2/api_instances.h"
#include "ec2/api_images.h"
#include "ec2/api_types.h"
#include "ec2/launcher_private.h"
#include "ec2/userdata.h"

#define TEMPLATE_NAME_MAX 128

struct launcher *launcher_new(const struct launcher_options *options)
{
	static const struct network no_network = NETWORK_INIT;
	struct launcher *l = xcalloc(1, sizeof(*l));

	l->options = *options;
	l->network = no_network;
	strays_host(l->host);
	return l;
}

static void forget(struct launcher *l)
{
	static const struct network no_network = NETWORK_INIT;

	network_release(&l->network);
	l->network = no_network;
	ec2_images_release(&l->images);
	ec2_types_release(&l->types);
	ec2_spot_prices_release(&l->prices);
	l->prepared = false;
}

void launcher_free(struct launcher *l)
{
	if (!l)
		return;
	forget(l);
	free(l->note);
	free(l->ruled);
	free(l);
}

char *launcher_take_note(struct launcher *l)
{
	char *note = l->note;

	l->note = NULL;
	return note;
}

void launched_release(struct launched *launched)
{
	free(launched->id);
	free(launched->type);
	free(launched->zone);
	*launched = (struct launched){ 0 };
}

/* ------------------------------------------------------------------ */
/* What a launch needs                                                 */

static int find_types(struct launcher *l, struct ec2_failure *f)
{
	const struct ec2_settings *s = l->options.settings;
	int r = ec2_describe_types(l->options.client,
				   (const char *const *)s->types,
				   strings_count(s->types),
				   &l->types, f);

	if (r == 0 &&
	    ec2_plan_architecture(s, ec2_client_region(l->options.client),
				  &l->types, &l->architecture, &f->error) < 0)
		r = ec2_failure_kind(f, EC2_BAD_REQUEST);
	return r;
}

static int find_image(struct launcher *l, struct ec2_failure *f)
{
	const struct ec2_settings *s = l->options.settings;
	const char *owner;
	AUTO_FREE char *name = NULL;
	int r;

	if (s->ami)
		return ec2_image_by_id(l->options.client, s->ami, &l->images,
				       f);
	ec2_plan_image(s->flavor, l->architecture, &owner, &name);
	r = ec2_images_by_name(l->options.client, owner, name, l->architecture,
			       &l->images, f);
	if (r == 0 && l->images.count == 0)
		r = ec2_failure_set(f, EC2_NOT_FOUND, BIGM_ENOTFOUND,
				    "no image of %s for %s: the account %s has "
				    "none that is named %s in %s; say which by "
				    "--ec2-ami", s->flavor_name,
				    l->architecture, owner, name,
				    ec2_client_region(l->options.client));
	return r;
}

/* Nobody needs them to launch. */
static int find_prices(struct launcher *l, struct ec2_failure *f)
{
	const char *const *names =
		(const char *const *)l->options.settings->types;

	if (l->options.settings->on_demand)
		return 0;
	if (ec2_describe_spot_prices(l->options.client, names,
				     strings_count(names), &l->prices, f) < 0)
		ec2_failure_clear(f);
	return 0;
}

static int find_allowed(const struct launcher *l, struct allow *list,
			size_t most, size_t *n, struct bigm_error *err)
{
	const struct ec2_settings *s = l->options.settings;
	const struct allow_sources sources = {
		.metadata = l->options.metadata,
		.url = s->public_ip_url,
		.ca_file = l->options.ca_file,
		.cancel = ec2_client_cancel(l->options.client),
	};
	int r = 0;

	*n = 0;
	for (char **text = s->allow; *text && r == 0; text++) {
		if (*n == most)
			return bigm_error_set(err, BIGM_EINVALID,
					      "ec2-allow: more than %zu", most);
		r = allow_parse(*text, &list[(*n)++], err);
	}
	if (r == 0 && *n == 0) {
		r = allow_here(&sources, &list[0], err);
		*n = 1;
	}
	return r;
}

#define ALLOW_MOST 40

int launcher_find_network(struct launcher *l, bool dry_run,
			  struct ec2_failure *f)
{
	const struct ec2_settings *s = l->options.settings;
	const char **groups = ec2_settings_groups(s);
	struct allow allow[ALLOW_MOST];
	struct network_wish wish = {
		.subnets = (const char *const *)s->subnets,
		.groups = groups,
		.user = l->options.user,
		.cluster = l->options.cluster,
		.allow = allow,
		.dry_run = dry_run,
	};
	int r = 0;

	if (!groups[0] &&
	    find_allowed(l, allow, ALLOW_MOST, &wish.nallow, &f->error) < 0)
		r = ec2_failure_kind(f, EC2_BAD_REQUEST);
	if (r == 0)
		r = network_prepare(l->options.client, &wish, &l->network, f);
	if (l->network.own) {
		free(l->ruled);
		l->ruled = xstrdup(l->network.own);
	}
	free(groups);
	return r;
}

int launcher_find(struct launcher *l, struct ec2_failure *f)
{
	int r;

	forget(l); /* what a launch that failed has left */
	r = find_types(l, f);
	if (r == 0)
		r = find_prices(l, f);
	return r == 0 ? find_image(l, f) : r;
}

static int prepare(struct launcher *l, struct ec2_failure *f)
{
	int r;

	if (l->prepared)
		return 0;
	if ((r = launcher_find(l, f)) < 0 ||
	    (r = launcher_find_network(l, false, f)) < 0)
		return r;
	l->prepared = true;
	return 0;
}

/* ------------------------------------------------------------------ */
/* One launch                                                          */

static int write_document(const struct ec2_userdata *u, struct buffer *out,
			  struct bigm_error *err)
{
	struct cloudconfig *c = ec2_userdata_document(u, err);
	int r = c ? cloudconfig_emit(c, (enum cloudconfig_flavor)
					     u->settings->flavor, out, err)
		  : BIGM_EINVALID;

	cloudconfig_free(c);
	return r;
}

int launcher_document(const struct launcher *l,
		      const struct launcher_order *order, bool packed,
		      struct buffer *out, struct bigm_error *err)
{
	const struct launcher_options *o = &l->options;
	AUTO_FREE const char **keys =
		xcalloc(strings_count(o->user_keys) + 2, sizeof(*keys));
	const struct ec2_userdata u = {
		.settings = o->settings,
		.data = ec2_data_volumes(o->settings->dataspace),
		.bootstrap = order->bootstrap,
		.host_private = o->host_private,
		.host_public = o->host_public,
		.ssh_keys = keys,
	};

	keys[0] = o->login_public;
	for (size_t i = 0; o->user_keys[i]; i++)
		keys[i + 1] = o->user_keys[i];
	return packed ? ec2_userdata(&u, out, err)
		      : write_document(&u, out, err);
}

int launcher_plan(struct launch *a, const struct launcher_order *order,
		  struct bigm_error *err)
{
	struct launcher *l = a->launcher;

	if (launcher_document(l, order, true, &a->user_data, err) < 0)
		return err->code;
	if (order->program)
		digest_file(order->program, a->digest, NULL);
	a->facts = (struct ec2_plan_facts){
		.settings = l->options.settings,
		.region = ec2_client_region(l->options.client),
		.n = (int)order->n,
		.spent = order->spent,
		.cluster = l->options.cluster,
		.host = l->host,
		.user = l->options.user,
		.program = order->program,
		.digest = *a->digest ? a->digest : NULL,
		.argv = order->argv,
		.types = &l->types,
		.spot = &l->prices,
		.image = &l->images.items[0],
		.subnets = (const char *const *)l->options.settings->subnets,
		.groups = (const char *const *)l->network.groups,
		.user_data = buffer_data(&a->user_data),
		.user_data_len = a->user_data.len,
	};
	return ec2_plan_make(&a->plan, &a->facts, err);
}

static const struct ec2_plan_type *plan_type(const struct launch *a,
					     const char *name)
{
	for (size_t i = 0; i < a->plan.ntypes; i++)
		if (strcmp(a->plan.types[i].facts.name, name) == 0)
			return &a->plan.types[i];
	return &a->plan.types[0];
}

static void take(struct launch *a, const char *id, const char *type,
		 const char *zone, bool spot)
{
	const struct ec2_plan_type *t = plan_type(a, type);

	if (a->count == a->n)
		return;
	a->launched[a->count++] = (struct launched){
		.id = xstrdup(id),
		.type = xstrdup(type),
		.zone = xstrdup(zone),
		.spot = spot,
		.vcpus = t->facts.vcpus,
		/* As it was planned: it counts against max-cost, also where
		 * nobody could tell spot's price. */
		.usd = spot ? t->usd : t->facts.on_demand,
	};
}

/* One type in one subnet. */
static int run_instances(struct launch *a, int n, struct ec2_failure *f)
{
	struct ec2_instances list = EC2_INSTANCES_INIT;
	const struct ec2_run_order order = { .spec = &a->plan.spec, .min = 1,
					     .max = n };
	int r = ec2_run_instances(a->launcher->options.client, &order, &list,
				  f);

	for (size_t i = 0; r == 0 && i < list.count; i++)
		take(a, list.items[i].id, list.items[i].type,
		     list.items[i].zone, a->plan.spec.spot);
	ec2_instances_release(&list);
	if (r < 0 && f->kind == EC2_CAPACITY)
		error_prefix(&f->error, "%s %s in %s",
			     a->plan.spec.spot ? "spot" : "on-demand",
			     a->plan.spec.type,
			     a->plan.spec.subnet
				     ? a->plan.spec.subnet
				     : ec2_client_region(
					       a->launcher->options.client));
	return r;
}

static int create_fleet(struct launch *a, const char *template_id, int n,
			struct ec2_failure *f)
{
	const struct ec2_fleet_order order = {
		.template_id = template_id,
		.pools = a->plan.pools,
		.npools = a->plan.npools,
		.count = n,
		.spot = a->plan.spec.spot,
		.max_price = a->plan.spec.max_price,
		.tags = a->plan.spec.tags,
		.ntags = a->plan.spec.ntags,
	};
	struct ec2_fleet fleet = { 0 };
	int r = ec2_create_fleet(a->launcher->options.client, &order, &fleet,
				 f);

	for (size_t i = 0; r == 0 && i < fleet.count; i++)
		take(a, fleet.instances[i].id, fleet.instances[i].type, "",
		     fleet.instances[i].spot);
	if (r == 0 && fleet.count < (size_t)n)
		r = ec2_fleet_failure(&fleet, n, f);
	ec2_fleet_release(&fleet);
	return r;
}

/* Several pools. */
static int run_fleet(struct launch *a, int n, struct ec2_failure *f)
{
	struct ec2_client *client = a->launcher->options.client;
	struct ec2_failure ignored = EC2_FAILURE_INIT;
	char name[TEMPLATE_NAME_MAX], token[EC2_TOKEN_SIZE], *id = NULL;
	int r;

	a->launcher->templates = true;
	ec2_token(token);
	snprintf(name, sizeof(name), "bigm-%.60s-%s",
		 a->launcher->options.cluster, token);
	r = ec2_create_template(client, name, &a->plan.spec, token, false, &id,
				f);
	if (r < 0)
		return r;
	r = create_fleet(a, id, n, f);
	if (ec2_delete_template(client, id, &ignored) < 0)
		log_warn("%s", ignored.error.text);
	free(id);
	return r;
}

static int run_all(struct launch *a, struct ec2_failure *f)
{
	int r = 0;

	while (r == 0 && a->count < a->n) {
		size_t before = a->count, left = a->n - a->count;
		int n = left < EC2_RUN_MAX ? (int)left : EC2_RUN_MAX;

		r = a->plan.npools > 1 ? run_fleet(a, n, f)
				       : run_instances(a, n, f);
		if (r == 0 && a->count == before)
			r = ec2_failure_set(f, EC2_CAPACITY, BIGM_EEXHAUSTED,
					    "EC2 launched no instance");
	}
	return r;
}

/* An hour of the dearest type, on demand; 0: nobody knows. */
static double dearest(const struct ec2_plan *plan, const char **name)
{
	double usd = 0;

	for (size_t i = 0; i < plan->ntypes; i++) {
		const struct ec2_type_facts *facts = &plan->types[i].facts;

		if (i == 0 || facts->on_demand <= 0 || facts->on_demand > usd) {
			usd = facts->on_demand;
			*name = facts->name;
		}
		if (usd <= 0)
			break;
	}
	return usd;
}

static double spent(const struct launch *a)
{
	double usd = a->facts.spent;

	for (size_t i = 0; i < a->count; i++)
		usd += a->launched[i].usd;
	return usd;
}

/* On demand costs more: what spot was within may be too much. */
static int fall_back(struct launch *a, struct ec2_failure *f)
{
	struct launcher *l = a->launcher;
	int left = (int)(a->n - a->count);
	struct bigm_error why = BIGM_ERROR_INIT;
	const char *type = "";
	double usd = dearest(&a->plan, &type);

	if (ec2_plan_check_cost(l->options.settings, spent(a), usd, left, type,
				&why) < 0)
		return ec2_failure_set(f, f->kind, f->error.code,
				       "%s; and on demand: %s", f->error.text,
				       why.text);
	free(l->note);
	l->note = usd > 0 ? xasprintf("%s; buying %d of %zu on demand, for "
				      "%.4f USD an hour each at most",
				      f->error.text, left, a->n, usd)
			  : xasprintf("%s; buying %d of %zu on demand, for "
				      "nobody knows how much",
				      f->error.text, left, a->n);
	ec2_failure_clear(f);
	a->plan.spec.spot = false;
	a->plan.spec.max_price = NULL;
	return run_all(a, f);
}

static int launch(struct launch *a, const struct launcher_order *order,
		  struct ec2_failure *f)
{
	int r;

	if (launcher_plan(a, order, &f->error) < 0)
		return ec2_failure_kind(f, EC2_BAD_REQUEST);
	a->launcher->launched = true;
	r = run_all(a, f);
	if (r < 0 && f->kind == EC2_CAPACITY && a->plan.spec.spot &&
	    a->launcher->options.settings->on_demand_fallback)
		r = fall_back(a, f);
	ec2_plan_release(&a->plan);
	return r;
}

int launcher_launch(struct launcher *l, const struct launcher_order *order,
		    struct launched *launched, size_t *count,
		    struct ec2_failure *f)
{
	struct launch a = {
		.launcher = l,
		.launched = launched,
		.n = order->n,
		.user_data = BUFFER_INIT(1u << 20),
	};
	int r = prepare(l, f);

	if (r == 0)
		r = launch(&a, order, f);
	*count = a.count;
	buffer_release(&a.user_data);
	return r;
}
