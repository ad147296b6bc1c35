/* However the bytes are cut, run_frame_next() finds the same frames, within
 * the bytes that there are, and run_frame_append() writes them back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT (4u << 20)

/* Consumes all complete frames of in, copying them to out. */
static int take(struct buffer *in, struct buffer *out)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const uint8_t *payload;
	size_t len, frame_len;
	char kind;
	int rc;

	while ((rc = run_frame_next(in, &kind, &payload, &len, &frame_len,
				    &err)) > 0) {
		if (payload != buffer_data(in) + RUN_HEADER ||
		    frame_len > in->len || len > RUN_MAX_PAYLOAD ||
		    run_frame_append(out, kind, payload, len, NULL) < 0)
			abort();
		buffer_consume(in, frame_len);
	}
	if (rc < 0 && (rc != BIGM_EPROTOCOL || err.text[0] == '\0'))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole = BUFFER_INIT(LIMIT), parts = BUFFER_INIT(LIMIT);
	struct buffer one = BUFFER_INIT(LIMIT), two = BUFFER_INIT(LIMIT);
	int rc_whole, rc_parts = 0;

	if (size > LIMIT / 2)
		return 0;
	buffer_append(&whole, data, size, NULL);
	rc_whole = take(&whole, &one);
	for (size_t at = 0, step = 1; at < size && rc_parts == 0;
	     at += step, step = step % 7 + 1) {
		if (step > size - at)
			step = size - at;
		buffer_append(&parts, data + at, step, NULL);
		rc_parts = take(&parts, &two);
	}
	if (rc_whole != rc_parts || one.len != two.len ||
	    (one.len && memcmp(buffer_data(&one), data, one.len) != 0) ||
	    (one.len && memcmp(buffer_data(&one), buffer_data(&two),
			       one.len) != 0))
		abort();
	buffer_release(&whole);
	buffer_release(&parts);
	buffer_release(&one);
	buffer_release(&two);
	return 0;
}
