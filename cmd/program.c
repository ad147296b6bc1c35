#include "cmd/program.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/command.h"

/* bigm.h's note. */
#define NOTE_NAME "bigm"
#define NOTE_TYPE 1

/* ------------------------------------------------------------------ */
/* ELF                                                                 */

static bool note_is_ours(Elf_Data *data)
{
	GElf_Nhdr note;
	size_t name, desc, offset = 0;

	while ((offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
		if (note.n_type == NOTE_TYPE &&
		    note.n_namesz == sizeof(NOTE_NAME) &&
		    memcmp((char *)data->d_buf + name, NOTE_NAME,
			   sizeof(NOTE_NAME)) == 0)
			return true;
	}
	return false;
}

static bool elf_has_note(Elf *elf)
{
	size_t n;

	if (elf_kind(elf) != ELF_K_ELF || elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr header;
		Elf_Data *data;

		if (gelf_getphdr(elf, (int)i, &header) == NULL ||
		    header.p_type != PT_NOTE)
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset,
					    header.p_filesz,
					    header.p_align == 8 ? ELF_T_NHDR8
								: ELF_T_NHDR);
		if (data != NULL && note_is_ours(data))
			return true;
	}
	return false;
}

/* Opens an ELF file; *fd is to be closed after elf_end().  NULL for a file
 * that is none. */
static Elf *elf_open(const char *path, int *fd)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
		return NULL;
	return elf_begin(*fd, ELF_C_READ_MMAP, NULL);
}

bool program_is_driver(const char *path)
{
	AUTO_CLOSE int fd = -1;
	Elf *elf = elf_open(path, &fd);
	bool driver = elf != NULL && elf_has_note(elf);

	elf_end(elf);
	return driver;
}

/* What this program was compiled for; the kernel may run more than that, but
 * then it says so only at exec. */
static int own_machine(void)
{
	AUTO_CLOSE int fd = -1;
	Elf *elf = elf_open("/proc/self/exe", &fd);
	GElf_Ehdr header;
	int machine = EM_NONE;

	if (elf != NULL && gelf_getehdr(elf, &header) != NULL)
		machine = header.e_machine;
	elf_end(elf);
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

static int check_machine(const char *path, struct bigm_error *err)
{
	AUTO_CLOSE int fd = -1;
	Elf *elf = elf_open(path, &fd);
	GElf_Ehdr header;
	int ours, theirs = EM_NONE;

	if (elf != NULL && elf_kind(elf) == ELF_K_ELF &&
	    gelf_getehdr(elf, &header) != NULL)
		theirs = header.e_machine;
	elf_end(elf);
	ours = own_machine();
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
		return check_machine(path, err);
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
