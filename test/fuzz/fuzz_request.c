/* What a request or a reply says in its headers and body: lines of
 * "name: value", a blank line, the body.  Whatever is refused is refused with
 * a status and a word; whatever passes is within its limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "rpc/connection.h"
#include "rpc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *add_line(struct wire_head *head, const uint8_t *line,
			       const uint8_t *end)
{
	const uint8_t *colon;

	/* A pseudo header begins with one. */
	colon = memchr(line + 1, ':', (size_t)(end - line - 1));
	if (!colon)
		wire_head_add(head, line, (size_t)(end - line), end, 0);
	else if (colon + 1 < end && colon[1] == ' ')
		wire_head_add(head, line, (size_t)(colon - line), colon + 2,
			      (size_t)(end - colon - 2));
	else
		wire_head_add(head, line, (size_t)(colon - line), colon + 1,
			      (size_t)(end - colon - 1));
	return end + 1;
}

static void check_request(const struct wire_head *head)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const char *method = NULL;
	enum wire_status status = wire_head_check(head, &method, &err);

	if (status != WIRE_OK) {
		if (!err.code || !err.text[0])
			abort();
		return;
	}
	if (strlen(method) > WIRE_MAX_METHOD || !strrchr(method, '.') ||
	    head->bytes > WIRE_MAX_HEADERS)
		abort();
	if (head->has_timeout && head->timeout_ms > WIRE_MAX_TIMEOUT)
		abort();
}

/* An error that could be read is the same after another journey. */
static void check_error(const void *body, size_t len, unsigned status)
{
	struct bigm_error err = BIGM_ERROR_INIT, again = BIGM_ERROR_INIT;
	char *text;

	if (wire_error_decode(body, len, status, &err) >= 0)
		abort();
	text = wire_error_encode(&err);
	wire_error_decode(text, strlen(text), status, &again);
	if (again.code != err.code || again.retriable != err.retriable ||
	    strcmp(again.text, err.text) != 0)
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *line = data, *stop;
	struct wire_head head = { 0 };
	struct connection_target target = { 0 };

	while (line < end && (stop = memchr(line, '\n', (size_t)(end - line)))) {
		if (stop == line) {
			line++;
			break;
		}
		line = add_line(&head, line, stop);
	}
	check_request(&head);
	check_error(line, (size_t)(end - line), head.status);
	if (head.error)
		check_error(head.error, strlen(head.error), head.status);
	if (connection_parse_address(head.path, &target, NULL) == 0) {
		if (!target.path && (!target.host[0] || !target.port ||
				     target.port > 65535))
			abort();
		connection_target_release(&target);
	}
	wire_head_release(&head);
	return 0;
}
