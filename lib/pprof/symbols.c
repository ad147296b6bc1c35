#include "config.h"

#include "pprof/symbols.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/closure.h"
#include "pprof/elf_symbols.h"

#define FOLDER_DEPTH 8
#define FILES_MAX 20000
#define DEBUG_FOLDER "/usr/lib/debug/.build-id"

struct file {
	char *path;
	char build_id[ELF_BUILD_ID]; /* "": it has none */
	int worth;		     /* how much it tells, see elf_symbols.h */
};

struct symbols {
	struct file *files;
	size_t n;
};

struct symbols *symbols_new(void)
{
	return xcalloc(1, sizeof(struct symbols));
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->files[i].path);
	free(s->files);
	free(s);
}

void cleanup_symbols(struct symbols **s)
{
	symbols_free(*s);
}

static void add_file(struct symbols *s, const char *path)
{
	struct file f = { 0 };

	f.worth = elf_symbols_look(path, f.build_id);
	if (f.worth < 0 || s->n >= FILES_MAX)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->files[i].path, path) == 0)
			return;
	f.path = xstrdup(path);
	s->files = xrealloc(s->files, (s->n + 1) * sizeof(f));
	s->files[s->n++] = f;
}

/* Links to folders are not followed: they may lead in a circle. */
static void add_path(struct symbols *s, const char *path, int depth)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir;

	if (stat(path, &st) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		add_file(s, path);
		return;
	}
	if (!S_ISDIR(st.st_mode) || depth > FOLDER_DEPTH)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		AUTO_FREE char *below = xasprintf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    (entry->d_type != DT_LNK ||
		     (stat(below, &st) == 0 && S_ISREG(st.st_mode))))
			add_path(s, below, depth + 1);
	}
	if (dir)
		closedir(dir);
}

int symbols_add(struct symbols *s, const char *path, struct bigm_error *err)
{
	if (access(path, R_OK) < 0)
		return error_set_errno(err, errno, "%s", path);
	add_path(s, path, 0);
	return 0;
}

void symbols_add_program(struct symbols *s, const char *path)
{
	struct closure closure;

	add_file(s, path);
	if (closure_find(&closure, path, NULL) < 0)
		return;
	for (size_t i = 0; i < closure.n; i++)
		add_file(s, closure.libraries[i].path);
	if (closure.loader)
		add_file(s, closure.loader);
	closure_release(&closure);
}

/* The file that tells most of all that may be the mapping's. */
static const struct file *find_file(const struct symbols *s,
				    const char *build_id, const char *name)
{
	const struct file *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct file *f = &s->files[i];

		if (strcmp(f->build_id, build_id) != 0 ||
		    (!*build_id && strcmp(f->path, name) != 0))
			continue;
		if (!best || f->worth > best->worth)
			best = f;
	}
	return best;
}

/* Build ids come from machines, and become a path here. */
static bool is_hexadecimal(const char *text)
{
	return strlen(text) > 2 && strspn(text, "0123456789abcdef") ==
					   strlen(text);
}

static const struct file *look_for(struct symbols *s, const char *build_id,
				   const char *name)
{
	/* What is no plain file may block whoever opens it. */
	if (*name == '/')
		add_file(s, name);
	if (is_hexadecimal(build_id)) {
		AUTO_FREE char *debug = xasprintf(DEBUG_FOLDER "/%.2s/%s.debug",
						  build_id, build_id + 2);

		add_file(s, debug);
	}
	return find_file(s, build_id, name);
}

/* Of one mapping: all locations that have no lines. */
static void apply_to(struct symbols *s, struct profile *p, uint32_t mapping)
{
	struct profile_mapping *m = &p->mappings[mapping];
	const struct file *f = look_for(s, profile_text(p, m->build_id),
					profile_text(p, m->filename));
	struct elf_symbols *symbols = f ? elf_symbols_open(f->path) : NULL;

	if (!symbols)
		return;
	for (uint32_t i = 0; i < p->n_locations; i++) {
		struct profile_location *l = &p->locations[i];

		if (l->mapping == mapping && l->lines == 0 &&
		    l->address >= m->start)
			elf_symbols_apply(symbols, p, i,
					  l->address - m->start + m->offset);
	}
	elf_symbols_close(symbols);
}

/* Whether anything of it is to be looked up: most libraries are not. */
static bool *used_mappings(const struct profile *p)
{
	bool *used = xcalloc((size_t)p->n_mappings + 1, sizeof(*used));

	for (uint32_t i = 0; i < p->n_locations; i++)
		if (p->locations[i].mapping != PROFILE_NONE &&
		    p->locations[i].lines == 0)
			used[p->locations[i].mapping] = true;
	return used;
}

void symbols_apply(struct symbols *s, struct profile *p)
{
	AUTO_FREE bool *used = used_mappings(p);

	for (uint32_t i = 0; i < p->n_mappings; i++)
		if (used[i])
			apply_to(s, p, i);
}
