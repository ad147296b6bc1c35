#include "config.h"

#include "sampler/maps.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define ID_LONGEST 64 /* bytes of a build id */

struct reading {
	struct maps *maps;
	struct profile *profile;
	const char *program;
};

static void write_hex(char *text, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

/* A note is a header, its name and its content, each padded. */
static bool find_id(const char *p, size_t len, char *id)
{
	ElfW(Nhdr) note;

	while (len >= sizeof(note)) {
		size_t name, desc;

		memcpy(&note, p, sizeof(note));
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name + desc > len - sizeof(note))
			return false;
		p += sizeof(note);
		if (note.n_type == NT_GNU_BUILD_ID && name == 4 &&
		    memcmp(p, "GNU", 4) == 0 && note.n_descsz <= ID_LONGEST) {
			write_hex(id, (const unsigned char *)p + name,
				  note.n_descsz);
			return true;
		}
		p += name + desc;
		len -= sizeof(note) + name + desc;
	}
	return false;
}

/* Those of a program that is loaded are in its memory. */
static void read_id(const struct dl_phdr_info *object, char *id)
{
	id[0] = '\0';
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t at = object->dlpi_addr + h->p_vaddr;

		if (h->p_type == PT_NOTE &&
		    find_id((const char *)at, h->p_memsz, id))
			return;
	}
}

static const char *name_of(const struct reading *r,
			   const struct dl_phdr_info *object)
{
	/* The program has no name, and comes first. */
	if (r->maps->n == 0 && !(object->dlpi_name && *object->dlpi_name))
		return r->program;
	return object->dlpi_name ? object->dlpi_name : "";
}

static int add_object(struct dl_phdr_info *object, size_t size, void *data)
{
	struct reading *r = data;
	char id[2 * ID_LONGEST + 1];
	const char *name = name_of(r, object);
	struct maps *maps = r->maps;

	read_id(object, id);
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + h->p_vaddr;
		const struct profile_mapping mapping = {
			.start = start,
			.limit = start + h->p_memsz,
			.offset = h->p_offset,
			.filename = profile_string(r->profile, name),
			.build_id = profile_string(r->profile, id),
		};

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
			continue;
		if (maps->n == maps->room) {
			maps->room = maps->room ? 2 * maps->room : 32;
			maps->list = xrealloc(maps->list, maps->room *
						  sizeof(*maps->list));
		}
		maps->list[maps->n++] = (struct map){
			.start = start,
			.limit = start + h->p_memsz,
			.mapping = profile_add_mapping(r->profile, &mapping),
		};
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct map *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

int maps_read(struct maps *maps, struct profile *profile, const char *program,
	      struct bigm_error *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct reading r = {
		.maps = maps,
		.profile = profile,
		.program = program ? program : self,
	};

	self[n > 0 ? n : 0] = '\0';
	*maps = (struct maps){ 0 };
	dl_iterate_phdr(add_object, &r);
	qsort(maps->list, maps->n, sizeof(*maps->list), by_address);
	for (size_t i = 0; i < maps->n; i++)
		if (maps->list[i].mapping == PROFILE_NONE)
			return bigm_error_set(err, BIGM_EEXHAUSTED,
					      "too many shared libraries for a "
					      "profile");
	return 0;
}

void maps_release(struct maps *maps)
{
	free(maps->list);
	*maps = (struct maps){ 0 };
}

static int holds(const void *key, const void *element)
{
	uintptr_t pc = *(const uintptr_t *)key;
	const struct map *map = element;

	return pc < map->start ? -1 : pc >= map->limit;
}

uint32_t maps_find(const struct maps *maps, uintptr_t pc)
{
	const struct map *map = maps->n == 0 ? NULL :
		bsearch(&pc, maps->list, maps->n, sizeof(*maps->list), holds);

	return map ? map->mapping : PROFILE_NONE;
}
