#include "config.h"

#include "supervisor/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define PIECE (256u << 10)

static ssize_t next_of_file(void *data, const void **bytes,
			    struct bigm_error *err)
{
	struct intake_file *file = data;
	ssize_t n;

	*bytes = file->piece;
	do
		n = pread(file->fd, file->piece, PIECE, file->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set_errno(err, errno, "cannot read what came");
	file->at += n;
	return n;
}

int intake_file_init(struct intake_file *file, int fd, struct bigm_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot read what came");
	*file = (struct intake_file){
		.source = { .next = next_of_file, .data = file,
			    .size = (uint64_t)st.st_size },
		.fd = fd,
		.piece = xmalloc(PIECE),
	};
	return 0;
}

int intake_drain(const struct intake_source *source, struct bigm_error *err)
{
	const void *bytes;
	ssize_t n;

	do
		n = source->next(source->data, &bytes, err);
	while (n > 0);
	return (int)n;
}
