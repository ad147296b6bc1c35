/*
 * elf_symbols: the functions and lines of one ELF file, by libdw.
 */
#ifndef PPROF_ELF_SYMBOLS_H
#define PPROF_ELF_SYMBOLS_H

#include "profile/profile.h"

#define ELF_BUILD_ID 129 /* hexadecimal digits, and a NUL */

struct elf_symbols;

/* How much the file tells: 3 with DWARF, 2 with .symtab, 1 with .dynsym, 0 with
 * nothing; -1 when it is no readable ELF file.  Fills in its build id; "" when
 * it has none. */
int elf_symbols_look(const char *path, char build_id[ELF_BUILD_ID]);

/* NULL when libdw cannot make anything of it. */
struct elf_symbols *elf_symbols_open(const char *path);
void elf_symbols_close(struct elf_symbols *e);

/* Gives the location what is known of that offset in the file, and says so in
 * its mapping. */
void elf_symbols_apply(struct elf_symbols *e, struct profile *p,
		       uint32_t location, uint64_t offset);

#endif
