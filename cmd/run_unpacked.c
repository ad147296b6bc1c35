#include "cmd/run_unpacked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/elf_file.h"
#include "bundle/unpack.h"
#include "cmd/command.h"

static struct image *unpack(const char *path, const char *dir,
			    struct bigm_error *err)
{
	struct intake_source source = { 0 };
	const struct bundle_part *part = NULL;
	struct image *image = NULL;
	struct bundle bundle;

	if (bundle_open(&bundle, path, err) == 0)
		part = bundle_find(&bundle, elf_own_arch(), err);
	if (part != NULL)
		unpack_source(&source, &bundle, part, err);
	if (source.data != NULL)
		image = bundle_intake.unpack(&source, dir, NULL, err);
	bundle_reader_free(source.data);
	bundle_release(&bundle);
	return image;
}

int run_unpacked_main(char **argv)
{
	const char *path = getenv("BIGM_BUNDLE"), *dir = getenv(IMAGE_FILES_ENV);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct image *image;

	if (path == NULL || dir == NULL || argv[0] == NULL)
		return STATUS_USAGE;
	image = unpack(path, dir, &err);
	if (image != NULL) {
		char **full = image_argv(image, argv);

		execv(image->path, full);
		error_set_errno(&err, errno, "cannot execute %s", image->path);
		strings_free(full);
		image_free(image);
	}
	fprintf(stderr, "bigm run: %s\n", err.text);
	return STATUS_BIGM;
}
