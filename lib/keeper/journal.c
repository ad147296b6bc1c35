#include "config.h"

#include "keeper/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

#define MAX_UNWRITTEN (256u << 20)
#define CHUNK (256u << 10) /* more than any line */

struct journal {
	struct loop *loop;
	char *path;
	int fd;
	uint64_t size;
	struct buffer lines;
	struct loop_task flush;
	bool failing; /* the last write failed, and was logged */
	void (*on_written)(void *data);
	void *data;
};

static void flush_task(struct loop_task *task)
{
	journal_flush(loop_container(task, struct journal, flush));
}

struct journal *journal_new(struct loop *loop, const char *path,
			    struct bigm_error *err)
{
	struct journal *j;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0) {
		error_set_errno(err, errno, "cannot create %s", path);
		return NULL;
	}
	j = xcalloc(1, sizeof(*j));
	j->loop = loop;
	j->path = xstrdup(path);
	j->fd = fd;
	j->flush.fn = flush_task;
	buffer_init(&j->lines, MAX_UNWRITTEN);
	return j;
}

static void free_task(struct loop_task *task)
{
	struct journal *j = loop_container(task, struct journal, flush);

	close(j->fd);
	buffer_release(&j->lines);
	free(j->path);
	free(j);
}

/* A flush that is deferred must find the journal: it becomes the end. */
void journal_free(struct journal *j)
{
	if (!j)
		return;
	j->on_written = NULL;
	journal_flush(j);
	j->flush.fn = free_task;
	loop_defer(j->loop, &j->flush);
}

struct buffer *journal_lines(struct journal *j)
{
	return &j->lines;
}

void journal_touch(struct journal *j)
{
	if (j->lines.len > 0)
		loop_defer(j->loop, &j->flush);
}

uint64_t journal_size(const struct journal *j)
{
	return j->size;
}

void journal_on_written(struct journal *j, void (*fn)(void *data), void *data)
{
	j->on_written = fn;
	j->data = data;
}

/* A write that was cut short is taken back, so that the file holds whole
 * lines only. */
static bool write_all(struct journal *j)
{
	const uint8_t *p = buffer_data(&j->lines);
	size_t left = j->lines.len;
	uint64_t at = j->size;

	while (left > 0) {
		ssize_t n = pwrite(j->fd, p, left, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int saved = n < 0 ? errno : ENOSPC;

			if (ftruncate(j->fd, (off_t)j->size) < 0)
				log_error("%s: %s", j->path, strerror(errno));
			errno = saved;
			return false;
		}
		p += n;
		left -= (size_t)n;
		at += (uint64_t)n;
	}
	j->size = at;
	return true;
}

void journal_flush(struct journal *j)
{
	bool written;

	if (j->lines.len == 0)
		return;
	written = write_all(j);
	if (!written && !j->failing)
		log_error("%s: %s: the machines' output is being lost",
			  j->path, strerror(errno));
	j->failing = !written;
	buffer_consume(&j->lines, j->lines.len);
	if (written && j->on_written)
		j->on_written(j->data);
}

size_t journal_read(const struct journal *j, uint64_t offset, void *buf,
		    size_t len)
{
	ssize_t n;

	if (offset >= j->size)
		return 0;
	if (len > j->size - offset)
		len = (size_t)(j->size - offset);
	do
		n = pread(j->fd, buf, len, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		log_error("%s: %s", j->path, strerror(errno));
	return n < 0 ? 0 : (size_t)n;
}

bool journal_selects(const struct journal_choice *choice,
		     const struct output_line *line)
{
	char *const *machine = choice->machines;

	if (!output_is_shown(line->kind, choice->show))
		return false;
	while (machine && *machine && strcmp(*machine, line->machine) != 0)
		machine++;
	return !machine || *machine;
}

/* Counts lines of a chunk that consists of whole ones, from its end, down
 * from *n; returns where the last one counted begins. */
static size_t count_back(const uint8_t *chunk, size_t len,
			 const struct journal_choice *choice, int64_t *n)
{
	size_t end = len;

	while (end > 0 && *n > 0) {
		const uint8_t *before = end > 1 ?
			memrchr(chunk, '\n', end - 1) : NULL;
		size_t begin = before ? (size_t)(before - chunk) + 1 : 0;
		struct output_line line;

		if (output_parse(chunk + begin, end - begin, &line, NULL) > 0 &&
		    journal_selects(choice, &line))
			--*n;
		end = begin;
	}
	return end;
}

uint64_t journal_find_last(const struct journal *j,
			   const struct journal_choice *choice, int64_t n)
{
	AUTO_FREE uint8_t *chunk = xmalloc(CHUNK);
	uint64_t end = j->size;

	while (end > 0 && n > 0) {
		size_t want = end < CHUNK ? (size_t)end : CHUNK;
		uint64_t begin = end - want;
		const uint8_t *first = chunk;
		size_t skip = 0;

		if (journal_read(j, begin, chunk, want) != want)
			return end;
		if (begin > 0)
			first = memchr(chunk, '\n', want);
		if (begin > 0 && first)
			skip = (size_t)(first - chunk) + 1;
		/* No line is as long as a chunk: something is left. */
		if (skip >= want)
			return end;
		end = begin + skip +
		      count_back(chunk + skip, want - skip, choice, &n);
	}
	return end;
}
