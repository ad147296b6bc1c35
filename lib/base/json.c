#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

/* Beyond this not every integer is a double. */
#define EXACT_MAX 9007199254740992.0

/* What json_print_secret() begins with, and what is no secret any more. */
#define SECRET_ROOM 4096
#define SECRET_MAX (16u << 20)

static int bad_text(struct bigm_error *err, const char *text, const char *at,
		    const char *what)
{
	size_t line = 1, column = 1;

	for (const char *p = text; p < at; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return bigm_error_set(err, BIGM_EINVALID,
			      "line %zu, column %zu: %s", line, column, what);
}

/* cJSON would end the string there, silently. */
static const char *find_nul_escape(const char *text, size_t len)
{
	static const char escape[] = "\\u0000";
	const char *end = text + len, *p = text;

	while ((p = memmem(p, (size_t)(end - p), escape, 6)) != NULL) {
		const char *first = p;

		while (first > text && first[-1] == '\\')
			first--;
		if ((p - first) % 2 == 0)
			return p;
		p++;
	}
	return NULL;
}

/* cJSON takes a number that no double holds for infinity. */
static bool has_infinity(const cJSON *json)
{
	const cJSON *child;

	if (cJSON_IsNumber(json))
		return !isfinite(json->valuedouble);
	cJSON_ArrayForEach(child, json)
		if (has_infinity(child))
			return true;
	return false;
}

cJSON *json_parse(const void *text, size_t len, struct bigm_error *err)
{
	const char *start = text, *end = start, *bad;
	cJSON *json;

	if (len == 0) {
		bigm_error_set(err, BIGM_EINVALID,
			       "nothing here; a JSON value was expected");
		return NULL;
	}
	bad = memchr(start, '\0', len);
	if (!bad)
		bad = find_nul_escape(start, len);
	if (bad) {
		bad_text(err, start, bad, "NUL is not allowed in JSON here");
		return NULL;
	}
	json = cJSON_ParseWithLengthOpts(start, len, &end, false);
	if (!json) {
		bad_text(err, start, end, "not valid JSON");
		return NULL;
	}
	while (end < start + len && strchr(" \t\r\n", *end))
		end++;
	if (end != start + len)
		bad_text(err, start, end, "something follows the JSON value");
	else if (has_infinity(json))
		bigm_error_set(err, BIGM_EINVALID,
			       "a number in it is too large (at most about "
			       "1.8e308)");
	else
		return json;
	cJSON_Delete(json);
	return NULL;
}

/* cJSON prints 15 digits when they are within its epsilon of the number. */
static bool prints_exactly(double d)
{
	char text[40];

	if (!isfinite(d))
		return true; /* it becomes null */
	snprintf(text, sizeof(text), "%1.15g", d);
	return strtod(text, NULL) == d;
}

static bool all_print_exactly(const cJSON *json)
{
	const cJSON *child;

	if (cJSON_IsNumber(json)) /* valueint saves the common ones the work */
		return json->valuedouble == json->valueint ||
		       prints_exactly(json->valuedouble);
	cJSON_ArrayForEach(child, json)
		if (!all_print_exactly(child))
			return false;
	return true;
}

/* Turns the numbers that cJSON would not print exactly into raw text. */
static void make_exact(cJSON *json)
{
	char text[40];
	cJSON *child;

	cJSON_ArrayForEach(child, json)
		make_exact(child);
	if (!cJSON_IsNumber(json) || prints_exactly(json->valuedouble))
		return;
	snprintf(text, sizeof(text), "%.17g", json->valuedouble);
	/* The user's locale may have another decimal point. */
	for (char *p = text; *p; p++)
		if (!strchr("0123456789+-e", *p))
			*p = '.';
	json->type = (json->type & ~0xff) | cJSON_Raw;
	json->valuestring = cJSON_malloc(strlen(text) + 1);
	if (!json->valuestring)
		alloc_failed();
	memcpy(json->valuestring, text, strlen(text) + 1);
}

char *json_print(const cJSON *json)
{
	AUTO_JSON cJSON *exact = NULL;
	char *text, *copy;

	if (!json)
		return xstrdup("null");
	if (!all_print_exactly(json)) {
		exact = cJSON_Duplicate(json, true);
		if (!exact)
			alloc_failed();
		make_exact(exact);
		json = exact;
	}
	text = cJSON_PrintUnformatted(json);
	if (!text)
		alloc_failed();
	/* A program may have given cJSON another allocator. */
	copy = xstrdup(text);
	cJSON_free(text);
	return copy;
}

/* How many bytes of the text are a control character, which is *c; 0: none. */
static size_t control_at(const char *text, size_t len, unsigned *c)
{
	*c = (unsigned char)text[0];
	if (*c < 0x20 || *c == 0x7f)
		return 1;
	if (*c != 0xc2 || len < 2)
		return 0;
	*c = (unsigned char)text[1];
	return *c >= 0x80 && *c < 0xa0 ? 2 : 0;
}

char *json_one_line(const char *text, size_t len)
{
	/* One byte becomes six at most. */
	char *line = xmalloc(6 * len + 1), *to = line;
	bool quoted = false;
	unsigned c;

	for (size_t i = 0; i < len;) {
		size_t n = control_at(text + i, len - i, &c);

		if (n > 0 && quoted) {
			to += sprintf(to, "\\u%04x", c);
		} else if (n > 0) {
			*to++ = ' ';
		} else {
			n = quoted && text[i] == '\\' && i + 1 < len ? 2 : 1;
			quoted ^= text[i] == '"';
			to = mempcpy(to, text + i, n);
		}
		i += n;
	}
	*to = '\0';
	return line;
}

char *json_print_secret(const cJSON *json)
{
	for (size_t size = SECRET_ROOM;; size *= 2) {
		char *text = xmalloc(size);

		if (cJSON_PrintPreallocated((cJSON *)json, text, (int)size,
					    false))
			return text;
		explicit_bzero(text, size);
		free(text);
		if (size > SECRET_MAX)
			alloc_failed();
	}
}

void json_add_uint64(cJSON *object, const char *name, uint64_t value)
{
	char text[24];
	cJSON *added;

	if (value <= (uint64_t)EXACT_MAX) {
		added = cJSON_AddNumberToObject(object, name, (double)value);
	} else {
		snprintf(text, sizeof(text), "%" PRIu64, value);
		added = cJSON_AddStringToObject(object, name, text);
	}
	if (!added)
		alloc_failed();
}

void json_add_string(cJSON *object, const char *name, const char *value)
{
	if (!cJSON_AddStringToObject(object, name, value))
		alloc_failed();
}

struct cJSON *bigm_json(const char *fmt, ...)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *text = NULL;
	cJSON *json;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		alloc_failed();
	json = json_parse(text, (size_t)len, &err);
	if (!json) {
		fprintf(stderr, "bigm_json: %s: %s\n", err.text, text);
		abort();
	}
	return json;
}

void bigm_json_free(struct cJSON *json)
{
	cJSON_Delete(json);
}

void cleanup_json(cJSON **json)
{
	cJSON_Delete(*json);
}

/* Says that a member is not what it has to be, and shows what it is. */
static int bad_member(struct bigm_error *err, const char *name,
		      const cJSON *item, const char *expected)
{
	char shown[64];
	AUTO_FREE char *text = NULL;

	if (!name)
		name = "the value";
	if (!item)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is missing; it has to be %s", name,
				      expected);
	text = json_print(item);
	text_format(shown, sizeof(shown), "%s", text);
	return bigm_error_set(err, BIGM_EINVALID, "%s is %s; it has to be %s",
			      name, shown, expected);
}

static const cJSON *member(const cJSON *json, const char *name)
{
	return name ? cJSON_GetObjectItemCaseSensitive(json, name) : json;
}

/* strtoll and strtoull would take white space, signs and rests. */
static bool is_decimal(const char *s, bool sign)
{
	if (sign && *s == '-')
		s++;
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static bool is_exact_integer(const cJSON *item)
{
	double d;

	if (!cJSON_IsNumber(item))
		return false;
	d = item->valuedouble;
	return d >= -EXACT_MAX && d <= EXACT_MAX && d == (double)(int64_t)d;
}

int bigm_json_get_int64(const struct cJSON *json, const char *name,
			int64_t *value, struct bigm_error *err)
{
	const cJSON *item = member(json, name);

	if (is_exact_integer(item)) {
		*value = (int64_t)item->valuedouble;
		return 0;
	}
	if (cJSON_IsString(item) && is_decimal(item->valuestring, true)) {
		int64_t n;

		errno = 0;
		n = strtoll(item->valuestring, NULL, 10);
		if (errno == 0) {
			*value = n;
			return 0;
		}
	}
	return bad_member(err, name, item,
			  "an integer (a number up to 2^53, or a string)");
}

int bigm_json_get_uint64(const struct cJSON *json, const char *name,
			 uint64_t *value, struct bigm_error *err)
{
	const cJSON *item = member(json, name);

	if (is_exact_integer(item) && item->valuedouble >= 0) {
		*value = (uint64_t)item->valuedouble;
		return 0;
	}
	if (cJSON_IsString(item) && is_decimal(item->valuestring, false)) {
		uint64_t n;

		errno = 0;
		n = strtoull(item->valuestring, NULL, 10);
		if (errno == 0) {
			*value = n;
			return 0;
		}
	}
	return bad_member(err, name, item,
			  "an integer of at least 0 (a number up to 2^53, or "
			  "a string)");
}

int bigm_json_get_double(const struct cJSON *json, const char *name,
			 double *value, struct bigm_error *err)
{
	const cJSON *item = member(json, name);

	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
		return bad_member(err, name, item, "a number");
	*value = item->valuedouble;
	return 0;
}

int bigm_json_get_bool(const struct cJSON *json, const char *name, bool *value,
		       struct bigm_error *err)
{
	const cJSON *item = member(json, name);

	if (!cJSON_IsBool(item))
		return bad_member(err, name, item, "true or false");
	*value = cJSON_IsTrue(item);
	return 0;
}

int bigm_json_get_string(const struct cJSON *json, const char *name,
			 const char **value, struct bigm_error *err)
{
	const cJSON *item = member(json, name);

	if (!cJSON_IsString(item))
		return bad_member(err, name, item, "a string");
	*value = item->valuestring;
	return 0;
}

static bool is_missing(const cJSON *json, const char *name)
{
	const cJSON *item = member(json, name);

	return !item || cJSON_IsNull(item);
}

int json_opt_int64(const cJSON *json, const char *name, int64_t *value,
		   struct bigm_error *err)
{
	if (is_missing(json, name))
		return 0;
	return bigm_json_get_int64(json, name, value, err);
}

int json_opt_uint64(const cJSON *json, const char *name, uint64_t *value,
		    struct bigm_error *err)
{
	if (is_missing(json, name))
		return 0;
	return bigm_json_get_uint64(json, name, value, err);
}

int json_opt_bool(const cJSON *json, const char *name, bool *value,
		  struct bigm_error *err)
{
	if (is_missing(json, name))
		return 0;
	return bigm_json_get_bool(json, name, value, err);
}

int json_opt_string(const cJSON *json, const char *name, const char **value,
		    struct bigm_error *err)
{
	if (is_missing(json, name))
		return 0;
	return bigm_json_get_string(json, name, value, err);
}

char **json_get_strings(const cJSON *json, const char *name, const char *what,
			struct bigm_error *err)
{
	const cJSON *array = member(json, name), *item;
	char **strings;
	size_t n = 0;

	if (!cJSON_IsArray(array)) {
		bad_member(err, what, array, "a list of strings");
		return NULL;
	}
	strings = xcalloc((size_t)cJSON_GetArraySize(array) + 1,
			  sizeof(*strings));
	cJSON_ArrayForEach(item, array) {
		if (!cJSON_IsString(item)) {
			bad_member(err, what, array, "a list of strings");
			strings_free(strings);
			return NULL;
		}
		strings[n++] = xstrdup(item->valuestring);
	}
	return strings;
}

cJSON *json_strings(strings_list strings)
{
	const char *const *string = strings.theirs;
	cJSON *array = cJSON_CreateArray();

	if (!array)
		alloc_failed();
	for (; string && *string; string++)
		if (!cJSON_AddItemToArray(array, cJSON_CreateString(*string)))
			alloc_failed();
	return array;
}
