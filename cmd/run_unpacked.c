#include "cmd/run_unpacked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/elf_file.h"
#include "bundle/unpack.h"
#include "cmd/command.h"

#define PIECE (256u << 10)

static int copy_part(struct bundle_reader *reader, int fd,
		     struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	ssize_t n;

	while ((n = bundle_reader_read(reader, piece, PIECE, err)) > 0) {
		const char *p = piece;

		while (n > 0) {
			ssize_t done = write(fd, p, (size_t)n);

			if (done < 0)
				return error_set_errno(err, errno,
						       "cannot keep the bundle");
			p += done;
			n -= done;
		}
	}
	return (int)n;
}

/* As a machine gets it: a file with nothing but the part. */
static int fetch_part(const char *path, struct bigm_error *err)
{
	struct bundle_reader *reader = NULL;
	const struct bundle_part *part = NULL;
	struct bundle bundle;
	int fd = -1;

	if (bundle_open(&bundle, path, err) == 0)
		part = bundle_find(&bundle, elf_own_arch(), err);
	if (part != NULL)
		reader = bundle_reader_new(&bundle, part, err);
	if (reader != NULL) {
		fd = memfd_create("bigm-bundle", MFD_CLOEXEC);
		if (fd < 0)
			error_set_errno(err, errno, "cannot keep the bundle");
		else if (copy_part(reader, fd, err) < 0)
			cleanup_close(&fd);
	}
	bundle_reader_free(reader);
	bundle_release(&bundle);
	return err->code != 0 ? err->code : fd;
}

int run_unpacked_main(char **argv)
{
	const char *path = getenv("BIGM_BUNDLE"), *dir = getenv(IMAGE_FILES_ENV);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct image *image = NULL;
	AUTO_CLOSE int fd = -1;

	if (path == NULL || dir == NULL || argv[0] == NULL)
		return STATUS_USAGE;
	fd = fetch_part(path, &err);
	if (fd >= 0)
		image = bundle_intake.unpack(fd, dir, NULL, &err);
	if (image != NULL) {
		char **full = image_argv(image, argv);

		execv(image->path, full);
		error_set_errno(&err, errno, "cannot execute %s", image->path);
		json_strings_free(full);
		image_free(image);
	}
	fprintf(stderr, "bigm run: %s\n", err.text);
	return STATUS_BIGM;
}
