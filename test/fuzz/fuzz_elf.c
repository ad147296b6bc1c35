/* An ELF file that is to be bundled, from anywhere: what is taken has whole
 * texts; what is refused says why. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/files.h"
#include "bundle/elf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("program", MFD_CLOEXEC);
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct elf_file file;
	size_t bytes = 0;
	int rc;

	if (fd < 0 || files_write(fd, data, size) < 0)
		abort();
	rc = elf_file_read(&file, path, &err);
	if (rc < 0 && (err.code == 0 || !strstr(err.text, path)))
		abort();
	if (rc <= 0)
		return 0;
	for (char **n = file.needed; n && *n; n++)
		if ((bytes = strlen(*n)) >= size)
			abort();
	if (file.interpreter && strlen(file.interpreter) >= size)
		abort();
	elf_arch(file.machine, file.elf_class);
	elf_file_release(&file);
	return 0;
}
