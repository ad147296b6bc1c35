#include "config.h"

#include "bundle/preload.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "keeper/companion.h"
#include "sampler/profiler.h"

#define VARIABLE "LD_PRELOAD="

static char *find_library(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	return companion_find(self, PROFILER_LIBRARY, NULL);
}

static bool has_glibc(const struct elf_file *program)
{
	const char *name = program->interpreter ?
			   strrchr(program->interpreter, '/') : NULL;

	return name && (strncmp(name, "/ld-linux", 9) == 0 ||
			strncmp(name, "/ld64.so", 8) == 0);
}

static bool suits(const char *library, const struct elf_file *program)
{
	struct elf_file elf;
	bool fits;

	if (elf_file_read(&elf, library, NULL) != 1)
		return false;
	fits = elf.machine == program->machine &&
	       elf.elf_class == program->elf_class && !elf.sanitized;
	elf_file_release(&elf);
	return fits;
}

char *preload_find(const struct elf_file *program)
{
	char *library;

	if (!program->driver || program->sanitized || !has_glibc(program))
		return NULL;
	library = find_library();
	if (library && suits(library, program))
		return library;
	free(library);
	return NULL;
}

static const char *value_in(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, VARIABLE, strlen(VARIABLE)) == 0)
			return *env + strlen(VARIABLE);
	return "";
}

char *preload_variable(const char *program, char *const *env)
{
	AUTO_FREE char *library = NULL;
	struct elf_file elf;
	const char *others;

	if (elf_file_read(&elf, program, NULL) != 1)
		return NULL;
	library = preload_find(&elf);
	elf_file_release(&elf);
	/* What a list cannot have in it cannot be said. */
	if (!library || strpbrk(library, ": "))
		return NULL;
	others = value_in(env ? env : environ);
	return xasprintf(VARIABLE "%s%s%s", library, *others ? ":" : "",
			 others);
}
