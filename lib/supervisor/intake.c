#include "config.h"

#include "supervisor/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define PIECE (64u << 10)

static ssize_t read_file(void *data, void *bytes, size_t len,
			 struct bigm_error *err)
{
	struct intake_file *file = data;
	ssize_t n;

	do
		n = pread(file->fd, bytes, len, file->at);
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
		.source = { .read = read_file, .data = file,
			    .size = (uint64_t)st.st_size },
		.fd = fd,
	};
	return 0;
}

int intake_drain(const struct intake_source *source, struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	ssize_t n;

	do
		n = source->read(source->data, piece, PIECE, err);
	while (n > 0);
	return (int)n;
}
