/* A plan for readers. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "cloudconfig/cloudconfig.h"
#include "ec2/plan.h"
#include "ec2/settings_check.h"

struct writer {
	struct buffer *out;
	int r;
	struct bigm_error *err;
};

static void say(struct writer *w, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct writer *w, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (w->r == 0)
		w->r = buffer_appendf(w->out, w->err, "%-16s %s\n", name, text);
}

static void say_type(struct writer *w, const struct ec2_plan_type *type)
{
	const struct ec2_type_facts *f = &type->facts;
	char price[64] = "price not known";

	if (type->usd > 0)
		snprintf(price, sizeof(price), "%.4f USD an hour", type->usd);
	say(w, "type", "%s: %d vCPU, %g GiB, %s, %s", f->name, f->vcpus,
	    f->memory_gib, f->architecture, price);
}

static void say_price(struct writer *w, const struct ec2_plan *plan)
{
	if (plan->most <= 0)
		say(w, "price", "not known");
	else if (plan->least < plan->most)
		say(w, "price", "from %.2f to %.2f USD an hour for all, "
		    "without volumes", plan->least, plan->most);
	else
		say(w, "price", "%.2f USD an hour for all, without volumes",
		    plan->most);
	if (plan->facts->settings->max_cost > 0)
		say(w, "max-cost", "%g USD an hour",
		    plan->facts->settings->max_cost);
}

static void say_market(struct writer *w, const struct ec2_settings *s)
{
	if (s->on_demand)
		say(w, "market", "on demand");
	else if (s->max_price > 0)
		say(w, "market", "spot, at most %g USD an hour each%s",
		    s->max_price,
		    s->on_demand_fallback ? "; else on demand" : "");
	else
		say(w, "market", "spot%s",
		    s->on_demand_fallback ? "; else on demand" : "");
}

static void say_volumes(struct writer *w, const struct ec2_plan *plan)
{
	say(w, "root volume", "%s, gp3, %d GiB", plan->volumes[0].device,
	    plan->volumes[0].size_gib);
	if (plan->data.count > 0)
		say(w, "data volumes", "%d of gp3, %d GiB each, at /mnt/data",
		    plan->data.count, plan->data.gib);
}

int ec2_plan_text(const struct ec2_plan *plan, struct buffer *out,
		  struct bigm_error *err)
{
	const struct ec2_plan_facts *f = plan->facts;
	const struct ec2_settings *s = f->settings;
	struct writer w = { .out = out, .err = err };

	say(&w, "instances", "%d in %s, by %s", f->n, f->region,
	    plan->npools == 1 ? "RunInstances" : "a fleet");
	say_market(&w, s);
	for (size_t i = 0; i < plan->ntypes; i++)
		say_type(&w, &plan->types[i]);
	say_price(&w, plan);
	say(&w, "image", "%s %s (%s)", f->image->id, f->image->name,
	    ec2_flavor_name(s->flavor));
	say_volumes(&w, plan);
	for (const char *const *subnet = f->subnets; subnet && *subnet; subnet++)
		say(&w, "subnet", "%s", *subnet);
	for (size_t i = 0; i < plan->spec.ngroups; i++)
		say(&w, "security group", "%s", plan->spec.groups[i]);
	if (s->instance_profile)
		say(&w, "profile", "%s", s->instance_profile);
	if (s->key_name)
		say(&w, "key pair", "%s", s->key_name);
	for (size_t i = 0; i < plan->spec.ntags; i++)
		say(&w, "tag", "%s = %s", plan->tags[i].key,
		    plan->tags[i].value);
	say(&w, "user data", "%zu bytes of %d", f->user_data_len,
	    CLOUDCONFIG_MAX);
	return w.r;
}

/* ------------------------------------------------------------------ */

static void add_price(cJSON *object, const char *name, double usd)
{
	if (usd > 0)
		cJSON_AddNumberToObject(object, name, usd);
	else
		cJSON_AddNullToObject(object, name);
}

static cJSON *types_json(const struct ec2_plan *plan)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < plan->ntypes; i++) {
		const struct ec2_type_facts *f = &plan->types[i].facts;
		cJSON *type = cJSON_CreateObject();

		cJSON_AddStringToObject(type, "name", f->name);
		cJSON_AddStringToObject(type, "architecture", f->architecture);
		cJSON_AddNumberToObject(type, "vcpus", f->vcpus);
		cJSON_AddNumberToObject(type, "memory_gib", f->memory_gib);
		add_price(type, "usd_per_hour", plan->types[i].usd);
		cJSON_AddItemToArray(list, type);
	}
	return list;
}

static cJSON *volumes_json(const struct ec2_plan *plan)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < plan->spec.nvolumes; i++) {
		cJSON *volume = cJSON_CreateObject();

		cJSON_AddStringToObject(volume, "device",
					plan->volumes[i].device);
		cJSON_AddNumberToObject(volume, "gib",
					plan->volumes[i].size_gib);
		cJSON_AddItemToArray(list, volume);
	}
	return list;
}

cJSON *ec2_plan_json(const struct ec2_plan *plan)
{
	const struct ec2_plan_facts *f = plan->facts;
	cJSON *json = cJSON_CreateObject(), *price, *tags;

	cJSON_AddNumberToObject(json, "n", f->n);
	cJSON_AddStringToObject(json, "region", f->region);
	cJSON_AddStringToObject(json, "market",
				f->settings->on_demand ? "on-demand" : "spot");
	cJSON_AddItemToObject(json, "types", types_json(plan));
	cJSON_AddStringToObject(json, "image", f->image->id);
	cJSON_AddItemToObject(json, "volumes", volumes_json(plan));
	cJSON_AddItemToObject(json, "subnets", json_strings(f->subnets));
	cJSON_AddItemToObject(json, "security_groups", json_strings(f->groups));
	tags = cJSON_AddObjectToObject(json, "tags");
	for (size_t i = 0; i < plan->spec.ntags; i++)
		cJSON_AddStringToObject(tags, plan->tags[i].key,
					plan->tags[i].value);
	price = cJSON_AddObjectToObject(json, "usd_per_hour");
	add_price(price, "least", plan->least);
	add_price(price, "most", plan->most);
	return json;
}
