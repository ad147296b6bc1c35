/* Bundles: a part as a machine takes it, its manifest alone, and the index
 * that a keeper reads.  What a manifest lets through stays in its folder. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct manifest *m)
{
	struct image *image = manifest_image(m, "/folder");

	for (size_t i = 0; i < m->nfiles; i++) {
		const struct manifest_file *file = &m->files[i];

		if (file->path[0] == '/' || strstr(file->path, "/../") ||
		    strncmp(file->path, "../", 3) == 0 ||
		    (file->target && file->target[0] == '/'))
			abort();
	}
	if (strncmp(image->path, "/folder/", 8) != 0)
		abort();
	image_free(image);
	manifest_free(m);
}

static void read_part(const uint8_t *data, size_t size)
{
	struct archive *a = archive_open_memory(data, size, NULL);
	const struct unpack_order order = { .packed = size, .dir_fd = -1 };
	struct manifest *m = a ? unpack_archive(a, &order, NULL) : NULL;

	if (m)
		check(m);
	archive_read_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bundle bundle = { 0 };
	struct manifest *m = manifest_read(data, size, NULL);

	if (m)
		check(m);
	if (bundle_read_index(&bundle, data, size, NULL) == 0)
		(void)bundle_find(&bundle, "linux/amd64", NULL);
	bundle_release(&bundle);
	read_part(data, size);
	return 0;
}
