/*
 * elf_file: what the dynamic linker would look at in an ELF file.
 *
 * Files are read, never run, and nothing in them is trusted: a string or table
 * that does not lie in the file is an error, which names the file.
 */
#ifndef BUNDLE_ELF_FILE_H
#define BUNDLE_ELF_FILE_H

#include <stdbool.h>

#include "bigm.h"

struct elf_file {
	int machine;	   /* EM_… */
	int elf_class;	   /* ELFCLASS… */
	bool program;	   /* or a shared object; else an object file or core */
	char *interpreter; /* its loader; NULL: none is asked for */
	char **needed;	   /* NULL-terminated; NULL: none */
	char *soname;	   /* NULL: none; and so the next two */
	char *rpath;
	char *runpath;
	bool driver; /* carries bigm.h's note */
	bool sanitized; /* built with a sanitizer that replaces malloc() */
};

/* 1 for an ELF file, 0 for any other, or a code.  To be released after 1. */
int elf_file_read(struct elf_file *file, const char *path,
		  struct bigm_error *err);
void elf_file_release(struct elf_file *file);

/* "linux/amd64" for EM_X86_64, …; NULL for what we have no word for. */
const char *elf_arch(int machine, int elf_class);
/* The same of this very program. */
const char *elf_own_arch(void);

#endif
