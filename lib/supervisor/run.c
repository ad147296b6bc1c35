#include "config.h"

#include <signal.h>

#include "base/error.h"
#include "base/json.h"
#include "supervisor/run.h"

static const char kinds[] = "siktoexw";

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

int run_signal(const uint8_t *data, size_t len, struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(data, len, err);
	int64_t sig;

	if (!json || bigm_json_get_int64(json, NULL, &sig, err) < 0)
		return error_prefix(err, "the signal");
	if (sig < 1 || sig > SIGRTMAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%lld is no signal's number",
				      (long long)sig);
	return (int)sig;
}
