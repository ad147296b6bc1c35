#include "cmd/program.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/elf_file.h"
#include "cmd/command.h"

/* ------------------------------------------------------------------ */
/* ELF                                                                 */

bool program_is_driver(const char *path)
{
	struct elf_file elf;
	bool driver;

	if (elf_file_read(&elf, path, NULL) != 1)
		return false;
	driver = elf.driver;
	elf_file_release(&elf);
	return driver;
}

/* EM_NONE for what is no ELF file. */
static int machine_of(const char *path)
{
	struct elf_file elf;
	int machine = EM_NONE;

	if (elf_file_read(&elf, path, NULL) == 1) {
		machine = elf.machine;
		elf_file_release(&elf);
	}
	return machine;
}

static const char *machine_word(int machine)
{
	static const struct {
		int machine;
		const char *word;
	} words[] = {
		{ EM_X86_64, "x86-64" }, { EM_386, "32-bit x86" },
		{ EM_AARCH64, "ARM64" }, { EM_ARM, "32-bit ARM" },
		{ EM_RISCV, "RISC-V" },	 { EM_PPC64, "POWER" },
		{ EM_S390, "S/390" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].machine == machine)
			return words[i].word;
	}
	return "another processor";
}

/* What this program was compiled for; the kernel may run more than that, but
 * then it says so only at exec. */
int program_check_machine(const char *path, struct bigm_error *err)
{
	int ours = machine_of("/proc/self/exe"), theirs = machine_of(path);

	/* 32-bit programs of the same family do run, given their libraries. */
	if (theirs == EM_NONE || ours == EM_NONE || theirs == ours ||
	    (ours == EM_X86_64 && theirs == EM_386) ||
	    (ours == EM_AARCH64 && theirs == EM_ARM))
		return 0;
	bigm_error_set(err, BIGM_EINVALID,
		       "%s is a program for %s; this machine is %s", path,
		       machine_word(theirs), machine_word(ours));
	return STATUS_NOT_EXECUTABLE;
}

/* ------------------------------------------------------------------ */
/* Finding                                                             */

/* 0 when path can be executed, else as program_find(). */
static int check_file(const char *path, struct bigm_error *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		bool missing = errno == ENOENT || errno == ENOTDIR;

		error_set_errno(err, errno, "%s", path);
		return missing ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	}
	if (S_ISDIR(st.st_mode))
		bigm_error_set(err, BIGM_EINVALID, "%s is a folder", path);
	else if (!S_ISREG(st.st_mode))
		bigm_error_set(err, BIGM_EINVALID, "%s is not a regular file",
			       path);
	else if (access(path, X_OK) != 0)
		bigm_error_set(err, BIGM_EPERMISSION,
			       "%s is not executable; chmod +x would make it so",
			       path);
	else
		return 0;
	return STATUS_NOT_EXECUTABLE;
}

/* As a shell: the first that can be executed, else the first error but
 * "not found". */
static int search_path(const char *name, char **path, struct bigm_error *err)
{
	const char *list = getenv("PATH");
	int status = STATUS_NOT_FOUND;

	bigm_error_set(err, BIGM_ENOTFOUND, "%s is not in PATH%s%s%s", name,
		       access(name, X_OK) == 0 ? "; did you mean ./" : "",
		       access(name, X_OK) == 0 ? name : "",
		       access(name, X_OK) == 0 ? "?" : "");
	if (list == NULL)
		list = "/usr/local/bin:/usr/bin:/bin";
	for (const char *end; ; list = end + 1) {
		struct bigm_error why = BIGM_ERROR_INIT;
		char *candidate;
		int found;

		end = strchrnul(list, ':');
		candidate = xasprintf("%.*s%s%s", (int)(end - list), list,
				      end > list ? "/" : "./", name);
		found = check_file(candidate, &why);
		if (found == 0) {
			*path = candidate;
			return 0;
		}
		free(candidate);
		if (found != STATUS_NOT_FOUND && status == STATUS_NOT_FOUND) {
			status = found;
			error_copy(err, &why);
		}
		if (*end == '\0')
			return status;
	}
}

int program_find(const char *name, char **path, struct bigm_error *err)
{
	int status;

	if (*name == '\0') {
		bigm_error_set(err, BIGM_ENOTFOUND, "an empty name is no program");
		return STATUS_NOT_FOUND;
	}
	if (strchr(name, '/') == NULL)
		return search_path(name, path, err);
	status = check_file(name, err);
	if (status == 0)
		*path = xstrdup(name);
	return status;
}

char *program_self(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	/* Without /proc nothing here works; the keeper will say so. */
	path[len < 0 ? 0 : len] = '\0';
	return xstrdup(path);
}
