/*
 * json: cJSON with our manners: limits, truthful errors, exact integers.
 *
 * The typed getters are public (bigm_json_get_*, bigm.h); these are the rest.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "bigm.h"

/* Parses exactly len bytes: one value, nothing but white space after it,
 * nesting ≤ cJSON's limit, no NUL byte, no number beyond a double's range.  An
 * error names line and column.
 * NULL on error. */
cJSON *json_parse(const void *text, size_t len, struct bigm_error *err);

/* Unformatted text, every number exact (cJSON alone is off by one near 2^53);
 * malloc'ed; NULL is "null". */
char *json_print(const cJSON *json);

/* What json_parse() has taken, as one line without control characters (C0, DEL,
 * C1) that means the same: between values they become spaces, in strings \u001b
 * and the like.  Everything else, numbers too, stays as it is written.
 * malloc'ed. */
char *json_one_line(const char *text, size_t len);

/* json_print() for what nobody else may read: leaves no other copy in memory that
 * has been freed.  The text is the caller's to wipe; numbers are not made
 * exact. */
char *json_print_secret(const cJSON *json);

/* These end the process where memory is gone.  An integer is added exactly: a
 * number up to 2^53, a decimal string beyond. */
void json_add_uint64(cJSON *object, const char *name, uint64_t value);

void json_add_string(cJSON *object, const char *name, const char *value);

/* An owned list from an array of JSON strings.  `what` names it in errors.  NULL
 * on error. */
char **json_get_strings(const cJSON *json, const char *name, const char *what,
			struct bigm_error *err);
/* An array of JSON strings. */
cJSON *json_strings(strings_list strings);

/* As the public getters, but a missing member, or null, leaves *value as it is. */
int json_opt_int64(const cJSON *json, const char *name, int64_t *value,
		   struct bigm_error *err);
int json_opt_uint64(const cJSON *json, const char *name, uint64_t *value,
		    struct bigm_error *err);
int json_opt_bool(const cJSON *json, const char *name, bool *value,
		  struct bigm_error *err);
int json_opt_string(const cJSON *json, const char *name, const char **value,
		    struct bigm_error *err);

void cleanup_json(cJSON **json);
#define AUTO_JSON __attribute__((cleanup(cleanup_json)))

#endif
