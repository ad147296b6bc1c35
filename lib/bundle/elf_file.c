#include "config.h"

#include "bundle/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

/* bigm.h's note. */
#define NOTE_NAME "bigm"
#define NOTE_TYPE 1

static const struct {
	int machine, elf_class;
	const char *arch;
} archs[] = {
	{ EM_X86_64, ELFCLASS64, "linux/amd64" },
	{ EM_AARCH64, ELFCLASS64, "linux/arm64" },
	{ EM_386, ELFCLASS32, "linux/386" },
	{ EM_ARM, ELFCLASS32, "linux/arm" },
	{ EM_RISCV, ELFCLASS64, "linux/riscv64" },
	{ EM_PPC64, ELFCLASS64, "linux/ppc64le" },
	{ EM_S390, ELFCLASS64, "linux/s390x" },
};

const char *elf_arch(int machine, int elf_class)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++)
		if (archs[i].machine == machine &&
		    archs[i].elf_class == elf_class)
			return archs[i].arch;
	return NULL;
}

/* One file at work. */
struct reading {
	struct elf_file *file;
	const char *path;
	Elf *elf;
	size_t nheaders;
	GElf_Addr strings;  /* DT_STRTAB */
	GElf_Xword nstrings; /* DT_STRSZ */
	struct bigm_error *err;
};

static int bad(const struct reading *r, const char *what)
{
	return bigm_error_set(r->err, BIGM_EINVALID,
			      "%s: is a damaged ELF file (%s)", r->path, what);
}

static bool note_is_ours(Elf_Data *data)
{
	GElf_Nhdr note;
	size_t name, desc, offset = 0;

	while ((offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0)
		if (note.n_type == NOTE_TYPE &&
		    note.n_namesz == sizeof(NOTE_NAME) &&
		    memcmp((char *)data->d_buf + name, NOTE_NAME,
			   sizeof(NOTE_NAME)) == 0)
			return true;
	return false;
}

static Elf_Data *segment(const struct reading *r, const GElf_Phdr *header,
			 Elf_Type type)
{
	return elf_getdata_rawchunk(r->elf, (int64_t)header->p_offset,
				    header->p_filesz, type);
}

/* A NUL-terminated copy of a string that ends within `len` bytes of p. */
static char *copy_string(const char *p, size_t len)
{
	return memchr(p, '\0', len) ? xstrdup(p) : NULL;
}

/* Where in the file an address is that the loader would map. */
static int64_t offset_of(const struct reading *r, GElf_Addr address,
			 GElf_Xword len)
{
	GElf_Phdr h;

	for (size_t i = 0; i < r->nheaders; i++)
		if (gelf_getphdr(r->elf, (int)i, &h) && h.p_type == PT_LOAD &&
		    address >= h.p_vaddr &&
		    address - h.p_vaddr <= h.p_filesz &&
		    len <= h.p_filesz - (address - h.p_vaddr))
			return (int64_t)(h.p_offset + (address - h.p_vaddr));
	return -1;
}

static Elf_Data *string_table(const struct reading *r)
{
	int64_t at = offset_of(r, r->strings, r->nstrings);

	return at < 0 ? NULL : elf_getdata_rawchunk(r->elf, at, r->nstrings,
						    ELF_T_BYTE);
}

static void put(char **place, char *string)
{
	free(*place);
	*place = string;
}

static int take_string(struct reading *r, const Elf_Data *strings,
		       const GElf_Dyn *entry)
{
	struct elf_file *file = r->file;
	char *string = NULL;

	if (entry->d_un.d_val < strings->d_size)
		string = copy_string((char *)strings->d_buf +
					     entry->d_un.d_val,
				     strings->d_size - entry->d_un.d_val);
	if (!string)
		return bad(r, "a name beyond its strings");
	switch (entry->d_tag) {
	case DT_NEEDED:
		strings_add(&file->needed, string);
		break;
	case DT_SONAME:
		put(&file->soname, string);
		break;
	case DT_RPATH:
		put(&file->rpath, string);
		break;
	default:
		put(&file->runpath, string);
	}
	return 0;
}

/* What such a sanitizer's code calls before anything else. */
static bool is_sanitized(const Elf_Data *strings)
{
	static const char *const names[] = {
		"__asan_init", "__tsan_init", "__msan_init", "__hwasan_init",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (memmem(strings->d_buf, strings->d_size, names[i],
			   strlen(names[i]) + 1))
			return true;
	return false;
}

static bool has_string(GElf_Sxword tag)
{
	return tag == DT_NEEDED || tag == DT_SONAME || tag == DT_RPATH ||
	       tag == DT_RUNPATH;
}

static int read_dynamic(struct reading *r, const GElf_Phdr *header)
{
	Elf_Data *data = segment(r, header, ELF_T_DYN), *strings;
	int rc = 0;
	GElf_Dyn d;

	if (!data)
		return bad(r, "its dynamic section is beyond its end");
	for (int i = 0; gelf_getdyn(data, i, &d) && d.d_tag != DT_NULL; i++) {
		if (d.d_tag == DT_STRTAB)
			r->strings = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRSZ)
			r->nstrings = d.d_un.d_val;
	}
	if (r->nstrings == 0)
		return 0;
	strings = string_table(r);
	if (!strings)
		return bad(r, "its strings are beyond its end");
	r->file->sanitized = is_sanitized(strings);
	for (int i = 0; rc == 0 && gelf_getdyn(data, i, &d) &&
			d.d_tag != DT_NULL; i++)
		if (has_string(d.d_tag))
			rc = take_string(r, strings, &d);
	return rc;
}

static int read_interpreter(struct reading *r, const GElf_Phdr *header)
{
	Elf_Data *data = segment(r, header, ELF_T_BYTE);
	char *name = data && data->d_size > 0 ?
			     copy_string(data->d_buf, data->d_size) : NULL;

	if (!name)
		return bad(r, "its loader's name has no end");
	put(&r->file->interpreter, name);
	return 0;
}

static int read_segment(struct reading *r, const GElf_Phdr *header)
{
	Elf_Data *data;

	switch (header->p_type) {
	case PT_INTERP:
		return read_interpreter(r, header);
	case PT_DYNAMIC:
		return read_dynamic(r, header);
	case PT_NOTE:
		data = segment(r, header, header->p_align == 8 ? ELF_T_NHDR8 :
								 ELF_T_NHDR);
		r->file->driver = r->file->driver ||
				  (data && note_is_ours(data));
	}
	return 0;
}

/* 1 for an ELF file, else 0 or a code. */
static int read_elf(struct reading *r)
{
	GElf_Ehdr header;
	int rc = 0;

	if (!r->elf || elf_kind(r->elf) != ELF_K_ELF)
		return 0;
	if (!gelf_getehdr(r->elf, &header) ||
	    elf_getphdrnum(r->elf, &r->nheaders) != 0)
		return bad(r, "its headers");
	r->file->machine = header.e_machine;
	r->file->elf_class = header.e_ident[EI_CLASS];
	r->file->program = header.e_type == ET_EXEC || header.e_type == ET_DYN;
	for (size_t i = 0; rc == 0 && i < r->nheaders; i++) {
		GElf_Phdr h;

		rc = gelf_getphdr(r->elf, (int)i, &h) ?
			     read_segment(r, &h) :
			     bad(r, "its program headers");
	}
	return rc < 0 ? rc : 1;
}

int elf_file_read(struct elf_file *file, const char *path,
		  struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct reading r = { .file = file, .path = path, .err = err };
	int rc;

	*file = (struct elf_file){ 0 };
	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	if (elf_version(EV_CURRENT) == EV_NONE)
		return 0;
	r.elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	rc = read_elf(&r);
	elf_end(r.elf);
	if (rc <= 0)
		elf_file_release(file);
	return rc;
}

void elf_file_release(struct elf_file *file)
{
	free(file->interpreter);
	strings_free(file->needed);
	free(file->soname);
	free(file->rpath);
	free(file->runpath);
	*file = (struct elf_file){ 0 };
}

const char *elf_own_arch(void)
{
	struct elf_file self;
	const char *arch = NULL;

	if (elf_file_read(&self, "/proc/self/exe", NULL) == 1) {
		arch = elf_arch(self.machine, self.elf_class);
		elf_file_release(&self);
	}
	return arch ? arch : "linux/unknown";
}
