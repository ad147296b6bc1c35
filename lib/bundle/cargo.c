#include "config.h"

#include "bundle/cargo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/bundle.h"
#include "bundle/elf_file.h"

/* The part of a bundle. */
struct part_cargo {
	struct cargo cargo; /* first */
	struct bundle bundle;
	const struct bundle_part *part;
};

static struct cargo_reader *part_open(const struct cargo *cargo,
				      struct bigm_error *err)
{
	const struct part_cargo *p = (const void *)cargo;

	return (void *)bundle_reader_new(&p->bundle, p->part, err);
}

static ssize_t part_read(struct cargo_reader *reader, void *data, size_t len,
			 struct bigm_error *err)
{
	return bundle_reader_read((void *)reader, data, len, err);
}

static void part_close(struct cargo_reader *reader)
{
	bundle_reader_free((void *)reader);
}

static void part_free(struct cargo *cargo)
{
	struct part_cargo *p = (void *)cargo;

	bundle_release(&p->bundle);
	free(p);
}

static const struct cargo_ops ops = {
	.open = part_open,
	.read = part_read,
	.close = part_close,
	.free = part_free,
};

static bool runs_on(const char *program, const char *arch)
{
	struct elf_file elf;
	const char *own;

	if (!program || elf_file_read(&elf, program, NULL) != 1)
		return false;
	own = elf_arch(elf.machine, elf.elf_class);
	elf_file_release(&elf);
	return own && strcmp(own, arch) == 0;
}

int bundle_find_cargo(const char *program, const char *bundle,
		      const char *arch, struct cargo **cargo,
		      struct bigm_error *err)
{
	struct part_cargo *p;

	arch = arch ? arch : elf_own_arch();
	*cargo = NULL;
	if (runs_on(program, arch))
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->cargo.ops = &ops;
	if (bundle_open(&p->bundle, bundle, err) == 0)
		p->part = bundle_find(&p->bundle, arch, err);
	if (!p->part) {
		part_free(&p->cargo);
		return err ? err->code : BIGM_ENOTFOUND;
	}
	p->cargo.name = p->bundle.path;
	p->cargo.digest = p->part->digest;
	*cargo = &p->cargo;
	return 0;
}
