#include "cmd/rank_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

int rank_files_open(struct rank_files *f, struct rank *rank, const char *folder,
		    struct bigm_error *err)
{
	static const char *const suffixes[] = { "out", "err" };
	struct lines_writer *writers[] = { &rank->out, &rank->err };

	for (; f->open < 2; f->open++) {
		AUTO_FREE char *path = xasprintf("%s/%d.%s", folder, rank->number,
						 suffixes[f->open]);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

		if (fd < 0)
			return error_set_errno(err, errno, "%s", path);
		lines_file_init(&f->files[f->open], fd, false, 1);
		writers[f->open]->file = &f->files[f->open];
	}
	return 0;
}

int rank_files_close(struct rank_files *f)
{
	int errnum = 0;

	while (f->open > 0) {
		struct lines_file *file = &f->files[--f->open];

		if (close(file->fd) != 0)
			errnum = errno;
		lines_file_release(file);
	}
	return errnum;
}
