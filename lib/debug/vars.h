/*
 * vars: the variables of one handle (bigm.h), and what they look like for those
 * who show them.
 *
 * The list only grows; updates take no lock but those of strings.  Any thread.
 */
#ifndef DEBUG_VARS_H
#define DEBUG_VARS_H

#include "base/json.h"
#include "bigm.h"

#define VARS_MAX 1000
#define VARS_NAME_MAX 100
#define VARS_BOUNDS_MAX 100
#define VARS_STRING_MAX 1000

enum var_kind {
	VAR_COUNTER,
	VAR_GAUGE,
	VAR_HISTOGRAM,
	VAR_STRING,
	VAR_FUNCTION,
};

struct vars;

/* What is asked for; bounds and n of a histogram, fn and data of a function. */
struct var_order {
	enum var_kind kind;
	const char *name, *help;
	const double *bounds;
	int n;
	bigm_var_fn *fn;
	void *data;
};

struct vars *vars_new(void);
void vars_free(struct vars *vars);

struct bigm_var *vars_add(struct vars *vars, const struct var_order *order,
			  struct bigm_error *err);

/*
 * {NAME: {"kind", "help", "value"}…}, where the value of a counter, gauge or
 * string is what it says, that of a function what it gave, and a histogram has
 * "bounds", "counts" (one more) and "sum" instead.
 */
cJSON *vars_json(struct vars *vars);

const char *var_kind_name(enum var_kind kind);
/* Whether a peer's variable may have this name. */
bool vars_name_is_fine(const char *name);

#endif
