#include "config.h"

#include "supervisor/run.h"

static const char kinds[] = "sikoexw";

int run_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err)
{
	return frame_append(out, kinds, kind, data, len, err);
}

int run_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err)
{
	return frame_next(in, kinds, kind, data, len, frame_len, err);
}
