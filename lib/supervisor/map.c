#include "config.h"

#include <endian.h>
#include <string.h>

#include "base/alloc.h"
#include "supervisor/map.h"

#define NUMBER sizeof(uint64_t)

static const char kinds[] = "sjdkpoex";

int map_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err)
{
	return frame_append(out, kinds, kind, data, len, err);
}

int map_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err)
{
	return frame_next(in, kinds, kind, data, len, frame_len, err);
}

int map_job_append(struct buffer *out, uint64_t number, const char *argv,
		   size_t len, struct bigm_error *err)
{
	uint64_t wire = htobe64(number);
	uint8_t *place;

	if (len > FRAME_MAX_PAYLOAD - NUMBER)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the command line of job %llu has %zu "
				      "bytes, and %zu is the most",
				      (unsigned long long)number, len,
				      FRAME_MAX_PAYLOAD - NUMBER);
	place = buffer_reserve(out, FRAME_HEADER + NUMBER + len, err);
	if (!place)
		return BIGM_EEXHAUSTED;
	frame_header(place, 'j', NUMBER + len);
	memcpy(place + FRAME_HEADER, &wire, NUMBER);
	memcpy(place + FRAME_HEADER + NUMBER, argv, len);
	buffer_commit(out, FRAME_HEADER + NUMBER + len);
	return 0;
}

int map_job_read(const uint8_t *data, size_t len, uint64_t *number,
		 char ***argv, struct bigm_error *err)
{
	const char *at = (const char *)data + NUMBER, *end = (const char *)data + len;
	size_t n = 0;
	uint64_t wire;

	if (len <= NUMBER + 1 || end[-1] != '\0' || *at == '\0')
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "a job of %zu bytes names no program", len);
	memcpy(&wire, data, NUMBER);
	*number = be64toh(wire);
	for (const char *p = at; p < end; p += strlen(p) + 1)
		n++;
	*argv = xcalloc(n + 1, sizeof(**argv));
	for (n = 0; at < end; at += strlen(at) + 1)
		(*argv)[n++] = (char *)at;
	return 0;
}
