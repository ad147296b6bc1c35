/* An instance's journal: however its bytes are cut, it means the same, and the
 * command that goes on behind the last entry is one line.  Also what the
 * metadata service says of the instance, which comes that way. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/journald.h"
#include "ec2/notice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (16u << 20)

static void output(void *data, const void *bytes, size_t len)
{
	buffer_append(data, "o", 1, NULL);
	buffer_append(data, bytes, len, NULL);
}

static void told(void *data, const char *text)
{
	buffer_append(data, "t", 1, NULL);
	buffer_append(data, text, strlen(text), NULL);
}

static void noticed(void *data, const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_notice notice = { 0 };

	told(data, text);
	if (ec2_notice_read(text, "i-0123456789abcdef0", &notice, &err) < 0 &&
	    (err.code == 0 || err.text[0] == '\0'))
		abort();
}

static char *read_all(const uint8_t *data, size_t size, size_t step,
		      struct buffer *out)
{
	static const struct journald_events events = { output, told, noticed,
						       told };
	struct journald_reader reader;
	char *command;

	journald_reader_init(&reader, &events, out);
	for (size_t at = 0; at < size; at += step)
		journald_reader_take(&reader, data + at,
				     size - at < step ? size - at : step);
	command = journald_reader_command(&reader);
	journald_reader_release(&reader);
	return command;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole = BUFFER_INIT(ROOM), pieces = BUFFER_INIT(ROOM);
	AUTO_FREE char *one = read_all(data, size, size ? size : 1, &whole);
	AUTO_FREE char *two = read_all(data, size, 7, &pieces);

	if (whole.len != pieces.len || strcmp(one, two) != 0 ||
	    (whole.len > 0 && memcmp(buffer_data(&whole),
				     buffer_data(&pieces), whole.len) != 0) ||
	    strchr(one, '\n'))
		abort();
	buffer_release(&whole);
	buffer_release(&pieces);
	return 0;
}
