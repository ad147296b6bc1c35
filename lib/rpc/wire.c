#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/wire.h"

/* Copies what fits and ends it with a NUL. */
static void copy_value(char *to, size_t size, const uint8_t *value, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, value, len);
	to[len] = '\0';
}

/* A plain decimal number; false for anything else. */
static bool read_number(const uint8_t *text, size_t len, uint64_t *value)
{
	uint64_t v = 0;

	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (text[i] - '0');
	}
	*value = v;
	return true;
}

static bool is_type(const uint8_t *value, size_t len, const char *type)
{
	size_t n = strlen(type);

	return len >= n && memcmp(value, type, n) == 0 &&
	       (len == n || value[n] == ';' || value[n] == ' ');
}

static void take_method(struct wire_head *head, const uint8_t *v, size_t len)
{
	head->post = len == 4 && memcmp(v, "POST", 4) == 0;
}

static void take_path(struct wire_head *head, const uint8_t *v, size_t len)
{
	head->path_len = len;
	copy_value(head->path, sizeof(head->path), v, len);
}

static void take_status(struct wire_head *head, const uint8_t *v, size_t len)
{
	uint64_t status;

	if (read_number(v, len, &status) && status < 1000)
		head->status = (unsigned)status;
}

static void take_type(struct wire_head *head, const uint8_t *v, size_t len)
{
	head->type = is_type(v, len, WIRE_TYPE_JSON)	 ? WIRE_JSON :
		     is_type(v, len, WIRE_TYPE_STREAM) ? WIRE_STREAM :
							 WIRE_OTHER_TYPE;
}

static void take_version(struct wire_head *head, const uint8_t *v, size_t len)
{
	copy_value(head->version, sizeof(head->version), v, len);
	if (len == 0)
		head->refused = WIRE_HEADER_VERSION " is empty";
}

static void take_timeout(struct wire_head *head, const uint8_t *v, size_t len)
{
	if (!read_number(v, len, &head->timeout_ms))
		head->refused = WIRE_HEADER_TIMEOUT
			" is no number of milliseconds";
	else
		head->has_timeout = head->timeout_ms <= WIRE_MAX_TIMEOUT;
}

static void take_error(struct wire_head *head, const uint8_t *v, size_t len)
{
	if (len > WIRE_MAX_ERROR) {
		head->refused = WIRE_TRAILER_ERROR " is too long";
		return;
	}
	free(head->error);
	head->error = xstrndup((const char *)v, len);
}

static const struct {
	const char *name;
	size_t len;
	void (*take)(struct wire_head *head, const uint8_t *value, size_t len);
} headers[] = {
#define HEADER(name, take) { name, sizeof(name) - 1, take }
	HEADER(":status", take_status),
	HEADER(":method", take_method),
	HEADER(":path", take_path),
	HEADER("content-type", take_type),
	HEADER(WIRE_HEADER_VERSION, take_version),
	HEADER(WIRE_HEADER_TIMEOUT, take_timeout),
	HEADER(WIRE_TRAILER_ERROR, take_error),
};

void wire_head_add(struct wire_head *head, const uint8_t *name,
		   size_t name_len, const uint8_t *value, size_t value_len)
{
	/* 32: what HTTP/2 counts for every header */
	head->bytes += name_len + value_len + 32;
	if (head->bytes > WIRE_MAX_HEADERS) {
		head->refused = "headers are over 16 KiB";
		return;
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (headers[i].len == name_len &&
		    memcmp(headers[i].name, name, name_len) == 0) {
			headers[i].take(head, value, value_len);
			return;
		}
	}
}

void wire_head_release(struct wire_head *head)
{
	free(head->error);
	head->error = NULL;
}

static enum wire_status check_path(const struct wire_head *head,
				   const char **method, struct bigm_error *err)
{
	const size_t prefix = sizeof(WIRE_PREFIX) - 1;
	const char *name = head->path + prefix;
	const char *dot;

	if (head->path_len > prefix + WIRE_MAX_METHOD) {
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "no method has a name of %zu bytes",
			       head->path_len - prefix);
		return WIRE_NO_METHOD;
	}
	if (strncmp(head->path, WIRE_PREFIX, prefix) != 0) {
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "%s: nothing is here but " WIRE_PREFIX
			       "SERVICE.METHOD", head->path);
		return WIRE_NO_METHOD;
	}
	dot = strrchr(name, '.');
	if (!dot || dot == name || !dot[1]) {
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "\"%s\" is no method: it reads SERVICE.METHOD",
			       name);
		return WIRE_NO_METHOD;
	}
	*method = name;
	return WIRE_OK;
}

enum wire_status wire_head_check(const struct wire_head *head,
				 const char **method, struct bigm_error *err)
{
	if (head->refused) {
		bigm_error_set(err, BIGM_EINVALID, "%s", head->refused);
		return WIRE_BAD_ARGUMENT;
	}
	if (head->version[0] && strcmp(head->version, WIRE_VERSION_TEXT) != 0) {
		bigm_error_set(err, BIGM_EPROTOCOL,
			       "caller speaks wire version %s, this end "
			       WIRE_VERSION_TEXT
			       ": use the same bigm on both ends",
			       head->version);
		return WIRE_BAD_VERSION;
	}
	if (!head->post) {
		bigm_error_set(err, BIGM_EINVALID,
			       "a method is called with POST");
		return WIRE_BAD_ARGUMENT;
	}
	return check_path(head, method, err);
}

const char *wire_status_text(enum wire_status status)
{
	switch (status) {
	case WIRE_OK:
		return "200";
	case WIRE_BAD_ARGUMENT:
		return "400";
	case WIRE_FORBIDDEN:
		return "403";
	case WIRE_NO_METHOD:
		return "404";
	case WIRE_UNAVAILABLE:
		return "503";
	case WIRE_BAD_VERSION:
		return "505";
	case WIRE_METHOD_ERROR:
		break;
	}
	return "590";
}

char *wire_error_encode(const struct bigm_error *err)
{
	cJSON *json = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(json, "code", bigm_code_name(err->code));
	cJSON_AddStringToObject(json, "message", err->text);
	cJSON_AddBoolToObject(json, "retriable", err->retriable);
	text = json_print(json);
	cJSON_Delete(json);
	return text;
}

int wire_error_decode(const void *text, size_t len, unsigned status,
		      struct bigm_error *err)
{
	cJSON *json AUTO_JSON = json_parse(text, len, NULL);
	const char *code, *message;
	bool retriable = false;

	if (bigm_json_get_string(json, "code", &code, NULL) < 0 ||
	    bigm_json_get_string(json, "message", &message, NULL) < 0)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the peer answered with status %u and no "
				      "error that can be read: is it bigm?",
				      status);
	json_opt_bool(json, "retriable", &retriable, NULL);
	bigm_error_set(err, error_code_from_name(code), "%s", message);
	if (err)
		err->retriable = retriable;
	return error_code_from_name(code);
}
