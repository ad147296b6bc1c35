#include "cmd/lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop.h"

/* A line that is longer is cut, or nobody would see it for ever. */
#define LONGEST_LINE 65536
#define STEP 4096 /* bytes written at once */

void lines_file_init(struct lines_file *file, int fd, bool prefix, int writers)
{
	pthread_mutex_init(&file->lock, NULL);
	file->fd = fd;
	file->prefix = prefix;
	file->direct = writers == 1 && !prefix;
	atomic_init(&file->since_ns, 0);
}

void lines_file_release(struct lines_file *file)
{
	pthread_mutex_destroy(&file->lock);
}

void lines_writer_init(struct lines_writer *writer, struct lines_file *file,
		       const char *name)
{
	writer->file = file;
	writer->name = name;
	buffer_init(&writer->held, SIZE_MAX);
}

void lines_writer_release(struct lines_writer *writer)
{
	buffer_release(&writer->held);
}

int lines_write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			/* Somebody else has made it non-blocking. */
			struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

			poll(&pollfd, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

/* A large piece is written in steps, each of which shows that somebody reads. */
static int write_timed(struct lines_file *file, const uint8_t *bytes,
		       size_t len)
{
	int errnum = 0;

	while (errnum == 0 && len > 0) {
		size_t n = len < STEP ? len : STEP;

		atomic_store(&file->since_ns, loop_now_ns());
		errnum = lines_write_all(file->fd, bytes, n);
		bytes += n;
		len -= n;
	}
	atomic_store(&file->since_ns, 0);
	return errnum;
}

bool lines_file_is_stuck(const struct lines_file *file, uint64_t ns)
{
	uint64_t since = atomic_load(&file->since_ns);

	return since != 0 && loop_now_ns() - since >= ns;
}

/* Puts the name before each line of text. */
static int prefixed(const struct lines_writer *writer, const uint8_t *text,
		    size_t len, struct buffer *out)
{
	int code = 0;

	while (code == 0 && len > 0) {
		const uint8_t *end = memchr(text, '\n', len);
		size_t line = end != NULL ? (size_t)(end - text) + 1 : len;

		code = buffer_appendf(out, NULL, "%s: ", writer->name);
		if (code == 0)
			code = buffer_append(out, text, line, NULL);
		if (code == 0 && end == NULL)
			code = buffer_append(out, "\n", 1, NULL);
		text += line;
		len -= line;
	}
	return code == 0 ? 0 : ENOMEM;
}

/* Writes the first len bytes that are held. */
static int flush(struct lines_writer *writer, size_t len)
{
	struct lines_file *file = writer->file;
	struct buffer out = BUFFER_INIT(SIZE_MAX);
	const uint8_t *bytes = buffer_data(&writer->held);
	size_t all = len;
	int errnum = 0;

	if (len == 0)
		return 0;
	if (file->prefix) {
		errnum = prefixed(writer, bytes, len, &out);
		bytes = buffer_data(&out);
		all = out.len;
	}
	pthread_mutex_lock(&file->lock);
	if (errnum == 0)
		errnum = write_timed(file, bytes, all);
	pthread_mutex_unlock(&file->lock);
	buffer_release(&out);
	buffer_consume(&writer->held, len);
	return errnum;
}

int lines_write(struct lines_writer *writer, const void *bytes, size_t len)
{
	const uint8_t *last;

	if (writer->file->direct)
		return write_timed(writer->file, bytes, len);
	if (buffer_append(&writer->held, bytes, len, NULL) != 0)
		return ENOMEM;
	bytes = buffer_data(&writer->held);
	last = memrchr(bytes, '\n', writer->held.len);
	if (last != NULL)
		return flush(writer, (size_t)(last - (const uint8_t *)bytes) + 1);
	if (writer->held.len > LONGEST_LINE)
		return flush(writer, writer->held.len);
	return 0;
}

int lines_end(struct lines_writer *writer)
{
	return flush(writer, writer->held.len);
}
