#include "config.h"

#include "debug/vars.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "loop/loop.h"

#define OURS "bigm_"
#define LINE 64 /* bytes that processors share, or not */

struct histogram {
	_Atomic double sum;
	int n;
	double *bounds;
	_Atomic uint64_t counts[];
};

struct bigm_var {
	/* By itself, so that two that are counted on two processors are not in
	 * each other's way. */
	_Alignas(LINE) union {
		_Atomic uint64_t count;
		_Atomic double gauge;
		struct histogram *histogram;
		struct {
			bigm_var_fn *fn;
			void *data;
		} function;
		char *string; /* under lock */
	};
	_Alignas(LINE) struct bigm_var *next;
	enum var_kind kind;
	pthread_mutex_t lock;
	char *name, *help;
};

struct vars {
	pthread_mutex_t lock;
	struct bigm_var *first, **end;
	int n;
};

static const char *const kind_names[] = {
	[VAR_COUNTER] = "counter",	 [VAR_GAUGE] = "gauge",
	[VAR_HISTOGRAM] = "histogram", [VAR_STRING] = "string",
	[VAR_FUNCTION] = "function",
};

/* For times in seconds. */
static const double default_bounds[] = {
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
	0.05,	0.1,	 0.25,	 0.5,	1,	2.5,   5,    10,
};

const char *var_kind_name(enum var_kind kind)
{
	return kind_names[kind];
}

bool vars_name_is_fine(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "0123456789_"
				     "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strlen(name);

	return len > 0 && len <= VARS_NAME_MAX && strchr(letters, *name) &&
	       strspn(name, others) == len &&
	       strncmp(name, OURS, strlen(OURS)) != 0;
}

/* ------------------------------------------------------------------ */
/* The list                                                            */

struct vars *vars_new(void)
{
	struct vars *vars = xcalloc(1, sizeof(*vars));

	pthread_mutex_init(&vars->lock, NULL);
	vars->end = &vars->first;
	return vars;
}

static void free_var(struct bigm_var *v)
{
	if (v->kind == VAR_HISTOGRAM) {
		free(v->histogram->bounds);
		free(v->histogram);
	} else if (v->kind == VAR_STRING) {
		free(v->string);
	}
	pthread_mutex_destroy(&v->lock);
	free(v->name);
	free(v->help);
	free(v);
}

void vars_free(struct vars *vars)
{
	struct bigm_var *v, *next;

	if (!vars)
		return;
	for (v = vars->first; v; v = next) {
		next = v->next;
		free_var(v);
	}
	pthread_mutex_destroy(&vars->lock);
	free(vars);
}

static struct histogram *new_histogram(const double *bounds, int n)
{
	struct histogram *h =
		xcalloc(1, sizeof(*h) + ((size_t)n + 1) * sizeof(*h->counts));

	h->n = n;
	h->bounds = xcalloc((size_t)n + 1, sizeof(*h->bounds));
	if (n > 0)
		memcpy(h->bounds, bounds, (size_t)n * sizeof(*bounds));
	return h;
}

static struct bigm_var *new_var(const struct var_order *o)
{
	struct bigm_var *v = aligned_alloc(LINE, sizeof(*v));
	char help[TEXT_MAX];

	if (!v)
		alloc_failed();
	memset(v, 0, sizeof(*v));
	v->kind = o->kind;
	v->name = xstrdup(o->name);
	text_format(help, sizeof(help), "%s", o->help ? o->help : "");
	v->help = xstrdup(help);
	pthread_mutex_init(&v->lock, NULL);
	if (o->kind == VAR_HISTOGRAM)
		v->histogram = new_histogram(o->bounds, o->n);
	else if (o->kind == VAR_STRING)
		v->string = xstrdup("");
	else if (o->kind == VAR_FUNCTION) {
		v->function.fn = o->fn;
		v->function.data = o->data;
	}
	return v;
}

static int check(const struct var_order *o, struct bigm_error *err)
{
	if (!o->name || !vars_name_is_fine(o->name))
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%s\" is no name for a variable: it is "
				      "letters, digits and _, begins with a "
				      "letter, and not with " OURS ", and has at "
				      "most %d bytes", o->name ? o->name : "",
				      VARS_NAME_MAX);
	if (o->n < 0 || o->n > VARS_BOUNDS_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "histogram %s: %d bounds; there may be 0 to "
				      "%d", o->name, o->n, VARS_BOUNDS_MAX);
	for (int i = 0; o->bounds && i < o->n; i++)
		if (!isfinite(o->bounds[i]) ||
		    (i > 0 && o->bounds[i] <= o->bounds[i - 1]))
			return bigm_error_set(err, BIGM_EINVALID,
					      "histogram %s: bound %d, %g, is "
					      "not above the one before",
					      o->name, i, o->bounds[i]);
	return 0;
}

/* Locked. */
static struct bigm_var *add_locked(struct vars *vars, const struct var_order *o,
				   struct bigm_error *err)
{
	struct bigm_var *v = vars->first;

	while (v && strcmp(v->name, o->name) != 0)
		v = v->next;
	if (v && v->kind == o->kind)
		return v;
	if (v) {
		bigm_error_set(err, BIGM_EEXIST,
			       "variable %s: there is a %s of that name already",
			       o->name, kind_names[v->kind]);
		return NULL;
	}
	if (vars->n == VARS_MAX) {
		bigm_error_set(err, BIGM_EEXHAUSTED,
			       "variable %s: there are %d already", o->name,
			       VARS_MAX);
		return NULL;
	}
	v = new_var(o);
	*vars->end = v;
	vars->end = &v->next;
	vars->n++;
	return v;
}

struct bigm_var *vars_add(struct vars *vars, const struct var_order *order,
			  struct bigm_error *err)
{
	struct var_order o = *order;
	struct bigm_var *v;

	if (o.kind == VAR_HISTOGRAM && !o.bounds) {
		o.bounds = default_bounds;
		o.n = sizeof(default_bounds) / sizeof(*default_bounds);
	}
	if (check(&o, err) < 0)
		return NULL;
	pthread_mutex_lock(&vars->lock);
	v = add_locked(vars, &o, err);
	pthread_mutex_unlock(&vars->lock);
	return v;
}

/* ------------------------------------------------------------------ */
/* Updates                                                             */

static void add_double(_Atomic double *to, double value)
{
	double old = atomic_load_explicit(to, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(to, &old, old + value,
						      memory_order_relaxed,
						      memory_order_relaxed))
		;
}

void bigm_var_count(struct bigm_var *v, uint64_t n)
{
	if (v && v->kind == VAR_COUNTER)
		atomic_fetch_add_explicit(&v->count, n, memory_order_relaxed);
}

void bigm_var_set(struct bigm_var *v, double value)
{
	if (v && v->kind == VAR_GAUGE)
		atomic_store_explicit(&v->gauge, value, memory_order_relaxed);
}

void bigm_var_add(struct bigm_var *v, double value)
{
	if (v && v->kind == VAR_GAUGE)
		add_double(&v->gauge, value);
}

void bigm_var_observe(struct bigm_var *v, double value)
{
	int low = 0, high;

	if (!v || v->kind != VAR_HISTOGRAM || isnan(value))
		return;
	high = v->histogram->n;
	while (low < high) {
		int middle = (low + high) / 2;

		if (value <= v->histogram->bounds[middle])
			high = middle;
		else
			low = middle + 1;
	}
	atomic_fetch_add_explicit(&v->histogram->counts[low], 1,
				  memory_order_relaxed);
	add_double(&v->histogram->sum, value);
}

void bigm_var_set_string(struct bigm_var *v, const char *value)
{
	char text[VARS_STRING_MAX + 1], *copy;

	if (!v || v->kind != VAR_STRING)
		return;
	text_format(text, sizeof(text), "%s", value);
	copy = xstrdup(text);
	pthread_mutex_lock(&v->lock);
	free(v->string);
	v->string = copy;
	pthread_mutex_unlock(&v->lock);
}

/* ------------------------------------------------------------------ */
/* What they say                                                       */

static void put(cJSON *json, const char *name, cJSON *value)
{
	if (!cJSON_AddItemToObject(json, name, value))
		alloc_failed();
}

static void put_histogram(cJSON *json, const struct histogram *h)
{
	cJSON *counts = cJSON_CreateArray();

	put(json, "bounds", cJSON_CreateDoubleArray(h->bounds, h->n));
	for (int i = 0; i <= h->n; i++)
		cJSON_AddItemToArray(counts, cJSON_CreateNumber(
			(double)atomic_load(&h->counts[i])));
	put(json, "counts", counts);
	put(json, "sum", cJSON_CreateNumber(atomic_load(&h->sum)));
}

static void put_string(cJSON *json, struct bigm_var *v)
{
	pthread_mutex_lock(&v->lock);
	put(json, "value", cJSON_CreateString(v->string));
	pthread_mutex_unlock(&v->lock);
}

static cJSON *var_json(struct bigm_var *v)
{
	cJSON *json = cJSON_CreateObject(), *value;

	put(json, "kind", cJSON_CreateString(kind_names[v->kind]));
	put(json, "help", cJSON_CreateString(v->help));
	switch (v->kind) {
	case VAR_COUNTER:
		json_add_uint64(json, "value", v->count);
		break;
	case VAR_GAUGE:
		put(json, "value", cJSON_CreateNumber(v->gauge));
		break;
	case VAR_HISTOGRAM:
		put_histogram(json, v->histogram);
		break;
	case VAR_STRING:
		put_string(json, v);
		break;
	case VAR_FUNCTION:
		value = v->function.fn(v->function.data);
		put(json, "value", value ? value : cJSON_CreateNull());
		break;
	}
	return json;
}

cJSON *vars_json(struct vars *vars)
{
	cJSON *json = cJSON_CreateObject();
	struct bigm_var *v, *last;

	/* Functions may look at anything, or make more of them: not locked. */
	pthread_mutex_lock(&vars->lock);
	v = vars->first;
	last = vars->n > 0 ? loop_container(vars->end, struct bigm_var, next) :
			     NULL;
	pthread_mutex_unlock(&vars->lock);
	for (; v; v = v == last ? NULL : v->next)
		put(json, v->name, var_json(v));
	return json;
}
