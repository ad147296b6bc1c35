#include "config.h"

#include "pprof/elf_symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "pprof/demangle.h"

/* A piece of a unit's code. */
struct range {
	Dwarf_Addr low, high; /* [low, high) */
	Dwarf_Die *unit;
};

struct elf_symbols {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwfl_Callbacks callbacks;
	char *debug_path;
	struct demangler demangler;
	/* Of all units, sorted; once one is sought that libdw does not know. */
	struct range *ranges;
	size_t n_ranges;
	Dwarf_Addr bias;
	bool listed;
};

/* ------------------------------------------------------------------ */
/* What a file has                                                     */

static void read_build_id(Elf *elf, char build_id[ELF_BUILD_ID])
{
	const void *bits;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &bits);

	*build_id = '\0';
	if (n <= 0 || 2 * n >= ELF_BUILD_ID)
		return;
	for (ssize_t i = 0; i < n; i++)
		snprintf(build_id + 2 * i, 3, "%02x",
			 ((const unsigned char *)bits)[i]);
}

static int worth_of(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;
	int worth = 0;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name;
		int is = 0;

		if (!gelf_getshdr(section, &header) ||
		    header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && (strcmp(name, ".debug_info") == 0 ||
			     strcmp(name, ".zdebug_info") == 0))
			is = 3;
		else if (header.sh_type == SHT_SYMTAB)
			is = 2;
		else if (header.sh_type == SHT_DYNSYM)
			is = 1;
		worth = is > worth ? is : worth;
	}
	return worth;
}

int elf_symbols_look(const char *path, char build_id[ELF_BUILD_ID])
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int worth = -1;
	Elf *elf;

	/* A name from a machine may be that of a pipe or device here. */
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF) {
		read_build_id(elf, build_id);
		worth = worth_of(elf);
	}
	elf_end(elf);
	return worth;
}

/* ------------------------------------------------------------------ */
/* A file that is open                                                 */

struct elf_symbols *elf_symbols_open(const char *path)
{
	struct elf_symbols *e = xcalloc(1, sizeof(*e));

	e->callbacks = (Dwfl_Callbacks){
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &e->debug_path,
	};
	e->dwfl = dwfl_begin(&e->callbacks);
	if (!e->dwfl)
		goto error;
	dwfl_report_begin(e->dwfl);
	/* At 0: addresses are then those of the file's own headers. */
	e->module = dwfl_report_elf(e->dwfl, "", path, -1, 0, true);
	dwfl_report_end(e->dwfl, NULL, NULL);
	if (!e->module)
		goto error;
	return e;
error:
	elf_symbols_close(e);
	return NULL;
}

void elf_symbols_close(struct elf_symbols *e)
{
	if (e->dwfl)
		dwfl_end(e->dwfl);
	demangler_release(&e->demangler);
	free(e->ranges);
	free(e);
}

/* The address that the file's headers give to an offset in it.  Where what the
 * headers describe has been split off, they are the same. */
static Dwarf_Addr address_of(const struct elf_symbols *e, uint64_t offset)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(e->module, &bias);
	size_t n = 0;

	if (!elf || elf_getphdrnum(elf, &n) != 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr h;

		if (gelf_getphdr(elf, (int)i, &h) && h.p_type == PT_LOAD &&
		    offset >= h.p_offset && offset - h.p_offset < h.p_filesz)
			return h.p_vaddr + (offset - h.p_offset) + bias;
	}
	return offset;
}

/* ------------------------------------------------------------------ */
/* Functions and lines                                                 */

struct found {
	struct profile *p;
	struct demangler *demangler;
	const char *folder; /* of the compilation; NULL: not known */
	struct profile_line lines[PROFILE_MAX_LINES];
	size_t n;
};

static uint32_t string_or_none(struct profile *p, const char *s)
{
	return profile_string(p, s ? s : "");
}

/* As the compiler was given it, and what it was given may begin in the folder
 * that it ran in. */
static uint32_t file_name(struct found *f, const char *file)
{
	AUTO_FREE char *path = NULL;

	if (!file || *file == '/' || !f->folder || *f->folder != '/')
		return string_or_none(f->p, file);
	path = xasprintf("%s/%s", f->folder, file);
	return string_or_none(f->p, path);
}

static void add_line(struct found *f, const char *name, const char *linkage,
		     const char *file, int start_line, int line)
{
	const char *system = linkage ? linkage : name;
	AUTO_FREE char *readable = demangle(f->demangler, system);
	struct profile_function function = {
		.name = string_or_none(f->p, readable ? readable : name),
		.system_name = string_or_none(f->p, system),
		.filename = file_name(f, file),
		.start_line = start_line,
	};
	uint32_t at = profile_add_function(f->p, &function);

	if (at != PROFILE_NONE && f->n < PROFILE_MAX_LINES)
		f->lines[f->n++] = (struct profile_line){ at, line };
}

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_formstring(dwarf_attr_integrate(
		die, DW_AT_linkage_name, &attribute));

	return name ? name :
		      dwarf_formstring(dwarf_attr_integrate(
			      die, DW_AT_MIPS_linkage_name, &attribute));
}

static bool is_function(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

static int number_of(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute a;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, attribute, &a), &value) != 0)
		return 0;
	return (int)value;
}

/* Where the inlined function was called from. */
static const char *call_file(Dwarf_Die *cu, Dwarf_Die *inlined)
{
	int number = number_of(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(cu, &files, &n) != 0 || number < 0 ||
	    (size_t)number >= n)
		return NULL;
	return dwarf_filesrc(files, (size_t)number, NULL, NULL);
}

/* The function of the file that the line is in: what a declaration in a header
 * says is not where it stands. */
static void add_function(struct found *f, Dwarf_Die *die, const char *file,
			 int line)
{
	const char *name = dwarf_diename(die);
	const char *declared = dwarf_decl_file(die);
	int start = 0;

	dwarf_decl_line(die, &start);
	if (name)
		add_line(f, name, linkage_name(die), declared ? declared : file,
			 start, line);
}

/* The function at the address, and those that it was inlined into. */
static void add_scopes(struct found *f, Dwarf_Die *cu, Dwarf_Die *innermost,
		       const char *file, int line)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes_die(innermost, &scopes);

	for (int i = 0; i < n; i++) {
		if (!is_function(&scopes[i]))
			continue;
		add_function(f, &scopes[i], file, line);
		if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
			break;
		file = call_file(cu, &scopes[i]);
		line = number_of(&scopes[i], DW_AT_call_line);
	}
	free(scopes);
}

static int by_address(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

static void list_units(struct elf_symbols *e)
{
	Dwarf_Die *cu = NULL;
	size_t room = 0;

	e->listed = true;
	while ((cu = dwfl_module_nextcu(e->module, cu, &e->bias)) != NULL) {
		struct range r = { .unit = cu };
		Dwarf_Addr base;
		ptrdiff_t at = 0;

		while ((at = dwarf_ranges(cu, at, &base, &r.low, &r.high)) >
		       0) {
			if (e->n_ranges == room) {
				room = room ? 2 * room : 64;
				e->ranges = xrealloc(e->ranges,
						     room * sizeof(r));
			}
			e->ranges[e->n_ranges++] = r;
		}
	}
	if (e->n_ranges > 0)
		qsort(e->ranges, e->n_ranges, sizeof(*e->ranges), by_address);
}

/* Where there is no table of addresses, as clang makes none, we make one. */
static Dwarf_Die *unit_at(struct elf_symbols *e, Dwarf_Addr address,
			  Dwarf_Addr *bias)
{
	Dwarf_Die *cu = dwfl_module_addrdie(e->module, address, bias);
	size_t low = 0, high;

	if (cu)
		return cu;
	if (!e->listed)
		list_units(e);
	*bias = e->bias;
	address -= e->bias;
	/* The last one that begins there or before. */
	for (high = e->n_ranges; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (e->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && address < e->ranges[low - 1].high ?
		       e->ranges[low - 1].unit :
		       NULL;
}

static void from_dwarf(struct elf_symbols *e, struct found *f,
		       Dwarf_Addr address)
{
	Dwarf_Addr bias;
	Dwarf_Die *cu = unit_at(e, address, &bias);
	Dwarf_Line *at;
	Dwarf_Attribute attribute;
	Dwarf_Die *scopes = NULL;
	const char *file = NULL;
	int line = 0, n;

	if (!cu)
		return;
	f->folder = dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attribute));
	at = dwarf_getsrc_die(cu, address - bias);
	if (at) {
		file = dwarf_linesrc(at, NULL, NULL);
		dwarf_lineno(at, &line);
	}
	n = dwarf_getscopes(cu, address - bias, &scopes);
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);

		if (tag == DW_TAG_subprogram) {
			add_function(f, &scopes[i], file, line);
			break;
		}
		if (tag == DW_TAG_inlined_subroutine) {
			/* What is around it here is around its definition. */
			add_scopes(f, cu, &scopes[i], file, line);
			break;
		}
	}
	free(scopes);
}

static const char *function_at(Dwfl_Module *module, Dwarf_Addr address)
{
	int n = dwfl_module_getsymtab(module);

	for (int i = 1; i < n; i++) {
		GElf_Sym symbol;
		GElf_Addr value;
		const char *name = dwfl_module_getsym_info(
			module, i, &symbol, &value, NULL, NULL, NULL);

		if (name && GELF_ST_TYPE(symbol.st_info) == STT_FUNC &&
		    address >= value && address - value < symbol.st_size)
			return name;
	}
	return NULL;
}

static void from_table(struct elf_symbols *e, struct found *f,
		       Dwarf_Addr address)
{
	GElf_Off offset;
	GElf_Sym symbol;
	const char *name = dwfl_module_addrinfo(e->module, address, &offset,
						&symbol, NULL, NULL, NULL);

	/* Sections that are not loaded begin at 0, and what clang notes there
	 * for coverage has symbols: it is data, where a program has code. */
	if (name && GELF_ST_TYPE(symbol.st_info) == STT_OBJECT)
		name = function_at(e->module, address);
	if (name && *name)
		add_line(f, name, NULL, NULL, 0, 0);
}

void elf_symbols_apply(struct elf_symbols *e, struct profile *p,
		       uint32_t location, uint64_t offset)
{
	struct profile_mapping *m = &p->mappings[p->locations[location].mapping];
	struct found f = { .p = p, .demangler = &e->demangler };
	Dwarf_Addr address = address_of(e, offset);

	from_dwarf(e, &f, address);
	if (f.n > 0)
		m->has_filenames = m->has_lines = m->has_inlines = true;
	else
		from_table(e, &f, address);
	if (f.n > 0 && profile_set_lines(p, location, f.lines, f.n))
		m->has_functions = true;
}
