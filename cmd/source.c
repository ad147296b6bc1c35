#include "cmd/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define PIECE 65536u

int source_open(struct source *source, const char *word,
		struct bigm_error *err)
{
	*source = (struct source){ "the argument", NULL, -1 };
	if (strcmp(word, "-") == 0) {
		source->name = "standard input";
		source->fd = STDIN_FILENO;
	} else if (word[0] == '@') {
		source->name = word + 1;
		source->fd = open(word + 1, O_RDONLY | O_CLOEXEC);
		if (source->fd < 0)
			return error_set_errno(err, errno, "cannot open %s",
					       word + 1);
	} else {
		source->text = word;
	}
	return 0;
}

void source_release(struct source *source)
{
	if (source->fd > STDERR_FILENO)
		close(source->fd);
	source->fd = -1;
}

ssize_t source_read(struct source *source, void *buf, size_t len,
		    struct bigm_error *err)
{
	ssize_t n;

	if (source->text != NULL) {
		n = (ssize_t)strnlen(source->text, len);
		memcpy(buf, source->text, (size_t)n);
		source->text += n;
		return n;
	}
	do
		n = read(source->fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? n : error_set_errno(err, errno, "cannot read %s",
					    source->name);
}

int source_read_all(struct source *source, struct buffer *all,
		    struct bigm_error *err)
{
	ssize_t n;

	do {
		uint8_t *room = buffer_reserve(all, PIECE, err);

		if (room == NULL)
			return error_prefix(err, "%s", source->name);
		n = source_read(source, room, PIECE, err);
		if (n > 0)
			buffer_commit(all, (size_t)n);
	} while (n > 0);
	return (int)n;
}
