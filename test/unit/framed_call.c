#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framed_call.h"

#define LIMIT (64u << 20)

void framed_call_start(struct framed_call *f, struct fixture *fixture,
		       const char *method, uint64_t timeout_ms)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = timeout_ms,
		.stream_arg = true, .stream_reply = true,
	};

	f->error = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&f->in, LIMIT);
	buffer_init(&f->out, LIMIT);
	buffer_init(&f->err, LIMIT);
	f->call = rpc_call_start(fixture->client, method, NULL, 0, &options);
}

void framed_call_send(struct framed_call *f, char kind, const void *data,
		      size_t len)
{
	struct buffer b = BUFFER_INIT(LIMIT);

	assert_int_equal(frame_append(&b, f->kinds, kind, data, len, NULL), 0);
	bigm_call_write(f->call, buffer_data(&b), b.len, NULL);
	buffer_release(&b);
}

static void take_frames(struct framed_call *f)
{
	const uint8_t *data;
	size_t len, frame_len;
	char kind;

	while (frame_next(&f->in, f->kinds, &kind, &data, &len, &frame_len,
			  NULL) > 0) {
		assert_false(f->over);
		if (kind == 'o' || kind == 'e')
			buffer_append(kind == 'o' ? &f->out : &f->err, data,
				      len, NULL);
		else
			f->take(f, kind, data, len);
		buffer_consume(&f->in, frame_len);
	}
}

bool framed_call_read(struct framed_call *f)
{
	static char piece[65536];
	ssize_t n = bigm_call_read(f->call, piece, sizeof(piece), &f->error);

	if (n <= 0)
		return false;
	buffer_append(&f->in, piece, (size_t)n, NULL);
	take_frames(f);
	return true;
}

int framed_call_wait(struct framed_call *f)
{
	while (framed_call_read(f))
		;
	return bigm_call_wait(f->call, &f->error);
}

void framed_call_release(struct framed_call *f)
{
	bigm_call_free(f->call);
	buffer_release(&f->in);
	buffer_release(&f->out);
	buffer_release(&f->err);
}
