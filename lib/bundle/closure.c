#include "config.h"

#include "bundle/closure.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "bundle/preload.h"
#include "sampler/profiler.h"

#define CONF "/etc/ld.so.conf"
#define CONF_DEPTH 8
#define MOST_OBJECTS 4096

/* An object that is to be loaded, in the order of a breadth-first search. */
struct object {
	char *name; /* as asked for; NULL: the program */
	char *path;
	char *origin; /* its folder */
	struct elf_file elf;
	size_t parent; /* who asked first; the program's is its own */
};

struct search {
	struct object *objects;
	size_t n;
	const char *arch;
	bool musl;
	char **system; /* folders */
	size_t nsystem;
	struct bigm_error *err;
};

/* What $LIB and $PLATFORM stand for, and where an architecture's libraries
 * are. */
static const struct platform {
	const char *arch, *triplet, *platform, *lib64;
} platforms[] = {
	{ "linux/amd64", "x86_64-linux-gnu", "x86_64", "lib64" },
	{ "linux/arm64", "aarch64-linux-gnu", "aarch64", "lib64" },
	{ "linux/386", "i386-linux-gnu", "i686", "lib32" },
	{ "linux/arm", "arm-linux-gnueabihf", "v7l", "lib" },
	{ "linux/riscv64", "riscv64-linux-gnu", "riscv64", "lib64" },
	{ "linux/ppc64le", "powerpc64le-linux-gnu", "powerpc64le", "lib64" },
	{ "linux/s390x", "s390x-linux-gnu", "s390x", "lib64" },
};

static const struct platform *platform_of(const char *arch)
{
	for (size_t i = 0; arch && i < sizeof(platforms) / sizeof(*platforms);
	     i++)
		if (strcmp(platforms[i].arch, arch) == 0)
			return &platforms[i];
	return &platforms[0];
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* ------------------------------------------------------------------ */
/* The folders of the system                                           */

static void add_system(struct search *s, char *dir)
{
	s->system = xrealloc(s->system, (s->nsystem + 1) * sizeof(char *));
	s->system[s->nsystem++] = dir;
}

static void read_conf(struct search *s, const char *path, int depth);

static void include_conf(struct search *s, const char *pattern, int depth)
{
	AUTO_FREE char *full = *pattern == '/' ?
				       xstrdup(pattern) :
				       xasprintf("/etc/%s", pattern);
	glob_t found;

	if (glob(full, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_conf(s, found.gl_pathv[i], depth + 1);
	globfree(&found);
}

/* A folder a line, "include PATTERN", or a comment.  A file that is not there
 * has no folders. */
static void read_conf(struct search *s, const char *path, int depth)
{
	AUTO_FCLOSE FILE *file = depth < CONF_DEPTH ? fopen(path, "re") : NULL;
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		char *rest = NULL, *word;

		line[strcspn(line, "#\n")] = '\0';
		word = strtok_r(line, " \t:,", &rest);
		if (word && strcmp(word, "include") == 0)
			while ((word = strtok_r(NULL, " \t", &rest)))
				include_conf(s, word, depth);
		for (; word && *word == '/';
		     word = strtok_r(NULL, " \t:,", &rest))
			add_system(s, xstrdup(word));
	}
}

static void find_glibc_folders(struct search *s)
{
	const struct platform *p = platform_of(s->arch);

	read_conf(s, CONF, 0);
	add_system(s, xasprintf("/lib/%s", p->triplet));
	add_system(s, xasprintf("/usr/lib/%s", p->triplet));
	add_system(s, xasprintf("/%s", p->lib64));
	add_system(s, xasprintf("/usr/%s", p->lib64));
	add_system(s, xstrdup("/lib"));
	add_system(s, xstrdup("/usr/lib"));
	/* Where Debian's and others' cross compilers have them. */
	add_system(s, xasprintf("/usr/%s/lib", p->triplet));
	add_system(s, xasprintf("/usr/%s/sys-root/lib", p->triplet));
}

/* /etc/ld-musl-ARCH.path has them, by lines or colons. */
static void find_musl_folders(struct search *s, const char *loader)
{
	const char *name = strrchr(loader, '/');
	AUTO_FREE char *stem = xstrdup(name ? name + 1 : loader);
	AUTO_FREE char *conf = NULL;

	stem[strcspn(stem, ".")] = '\0';
	conf = xasprintf("/etc/%s.path", stem);
	read_conf(s, conf, 0);
	if (s->nsystem > 0)
		return;
	add_system(s, xstrdup("/lib"));
	add_system(s, xstrdup("/usr/local/lib"));
	add_system(s, xstrdup("/usr/lib"));
}

/* ------------------------------------------------------------------ */
/* Looking for one library                                             */

/* "$ORIGIN/lib" → its folder.  $LIB: the variant-th that there may be. */
static char *expand(const struct search *s, const struct object *object,
		    const char *text, size_t len, int variant)
{
	const struct platform *p = platform_of(s->arch);
	AUTO_FREE char *multiarch = xasprintf("lib/%s", p->triplet);
	const struct {
		const char *name, *value;
	} tokens[] = {
		{ "$ORIGIN", object->origin }, { "${ORIGIN}", object->origin },
		{ "$LIB", variant ? p->lib64 : multiarch },
		{ "${LIB}", variant ? p->lib64 : multiarch },
		{ "$PLATFORM", p->platform }, { "${PLATFORM}", p->platform },
	};
	struct buffer out = BUFFER_INIT(64 << 10);
	char *dir;

	for (size_t i = 0; i < len;) {
		size_t skip = 1, t = 0, n = sizeof(tokens) / sizeof(*tokens);

		while (t < n && strncmp(text + i, tokens[t].name,
					strlen(tokens[t].name)) != 0)
			t++;
		if (t < n) {
			skip = strlen(tokens[t].name);
			buffer_appendf(&out, NULL, "%s", tokens[t].value);
		} else {
			buffer_append(&out, text + i, 1, NULL);
		}
		i += skip;
	}
	dir = xstrdup(buffer_string(&out));
	buffer_release(&out);
	return dir;
}

/* An ELF file that the loader would take: of the same kind as the program. */
static int try_file(struct search *s, const char *path, struct elf_file *elf)
{
	const struct elf_file *program = &s->objects[0].elf;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (access(path, R_OK) < 0 || elf_file_read(elf, path, &why) != 1)
		return 0;
	if (elf->machine == program->machine &&
	    elf->elf_class == program->elf_class && elf->program)
		return 1;
	elf_file_release(elf);
	return 0;
}

static char *try_folder(struct search *s, const char *dir, const char *name,
			struct elf_file *elf)
{
	char *path = xasprintf("%s/%s", dir, name);

	if (*dir && try_file(s, path, elf) == 1)
		return path;
	free(path);
	return NULL;
}

/* A list as in DT_RPATH; an empty element is no folder. */
static char *try_list(struct search *s, const struct object *object,
		      const char *list, const char *name, struct elf_file *elf)
{
	char *path = NULL;

	while (list && *list && !path) {
		size_t len = strcspn(list, ":;");

		for (int variant = 0; len > 0 && variant < 2 && !path;
		     variant++) {
			AUTO_FREE char *dir = expand(s, object, list, len,
						     variant);

			path = try_folder(s, dir, name, elf);
		}
		list += len + (list[len] != '\0');
	}
	return path;
}

/* DT_RPATH counts for what its object loads, directly or not; one with a
 * DT_RUNPATH has none. */
static char *try_rpaths(struct search *s, size_t asker, const char *name,
			struct elf_file *elf)
{
	char *path = NULL;

	if (s->objects[asker].elf.runpath)
		return NULL;
	for (size_t i = asker; !path; i = s->objects[i].parent) {
		const struct object *o = &s->objects[i];

		if (!o->elf.runpath)
			path = try_list(s, o, o->elf.rpath, name, elf);
		if (i == 0)
			break;
	}
	return path;
}

static char *find_library(struct search *s, size_t asker, const char *name,
			  struct elf_file *elf)
{
	const struct object *o = &s->objects[asker];
	char *path = try_rpaths(s, asker, name, elf);

	/* It is meant for the programs that run here. */
	if (!path && strcmp(s->arch, elf_own_arch()) == 0)
		path = try_list(s, &s->objects[0], getenv("LD_LIBRARY_PATH"),
				name, elf);
	if (!path)
		path = try_list(s, o, o->elf.runpath, name, elf);
	for (size_t i = 0; i < s->nsystem && !path; i++)
		path = try_folder(s, s->system[i], name, elf);
	return path;
}

/* ------------------------------------------------------------------ */
/* The search                                                          */

static bool is_loaded(const struct search *s, const char *name)
{
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->objects[i].name, name) == 0 ||
		    (s->objects[i].elf.soname &&
		     strcmp(s->objects[i].elf.soname, name) == 0))
			return true;
	return false;
}

/* musl's loader is its libc, under these names too. */
static bool is_musl_itself(const struct search *s, const char *name)
{
	static const char *const names[] = { "c", "pthread", "rt", "m", "dl",
					     "util", "xnet" };
	size_t len = strcspn(name, ".");

	for (size_t i = 0; s->musl && i < sizeof(names) / sizeof(*names); i++)
		if (len == 3 + strlen(names[i]) &&
		    strncmp(name, "lib", 3) == 0 &&
		    strncmp(name + 3, names[i], len - 3) == 0)
			return true;
	return false;
}

static void add_object(struct search *s, const char *name, char *path,
		       char *origin, const struct elf_file *elf, size_t parent)
{
	s->objects = xrealloc(s->objects, (s->n + 1) * sizeof(*s->objects));
	s->objects[s->n++] = (struct object){
		.name = name ? xstrdup(name) : NULL,
		.path = path,
		.origin = origin,
		.elf = *elf,
		.parent = parent,
	};
}

static int load(struct search *s, size_t asker, const char *name)
{
	const char *who = s->objects[asker].path;
	struct elf_file elf;
	char *path;

	if (is_loaded(s, name) || is_musl_itself(s, name))
		return 0;
	if (s->n >= MOST_OBJECTS)
		return bigm_error_set(s->err, BIGM_EEXHAUSTED,
				      "%s needs %s, and more than %d libraries "
				      "are none that a bundle has", who, name,
				      MOST_OBJECTS);
	if (strchr(name, '/'))
		return bigm_error_set(s->err, BIGM_EUNSUPPORTED,
				      "%s needs %s, by its path: link it by "
				      "name, or ship the program alone "
				      "(--no-libs)", who, name);
	path = find_library(s, asker, name, &elf);
	if (!path)
		return bigm_error_set(s->err, BIGM_ENOTFOUND,
				      "%s needs %s for %s, which is in none of "
				      "the folders where its loader would look: "
				      "install it, or ship the program alone "
				      "(--no-libs)", who, name, s->arch);
	add_object(s, name, path, folder_of(path), &elf, asker);
	return 0;
}

/* The loader by its path or, of another architecture, by its name among the
 * libraries. */
static char *find_loader(struct search *s)
{
	const char *path = s->objects[0].elf.interpreter;
	const char *name = strrchr(path, '/');
	struct elf_file elf = { 0 };
	char *found = NULL;

	if (try_file(s, path, &elf) == 1)
		found = xstrdup(path);
	for (size_t i = 0; i < s->nsystem && !found && name; i++)
		found = try_folder(s, s->system[i], name + 1, &elf);
	elf_file_release(&elf);
	if (!found)
		bigm_error_set(s->err, BIGM_ENOTFOUND,
			       "%s: its loader %s is not here: install the libc "
			       "of %s, or ship the program alone (--no-libs)",
			       s->objects[0].path, path, s->arch);
	return found;
}

/* The profiler is the first to be loaded, and so are what it needs the first to
 * be looked for. */
static void add_preload(struct search *s)
{
	char *path = preload_find(&s->objects[0].elf);
	struct elf_file elf;

	if (path && try_file(s, path, &elf) == 1)
		add_object(s, PROFILER_LIBRARY, path, folder_of(path),
			   &elf, 0);
	else
		free(path);
}

static int search(struct search *s, struct closure *closure)
{
	const char *loader = s->objects[0].elf.interpreter;
	int rc = 0;

	if (!loader)
		return 0;
	s->musl = strstr(loader, "ld-musl-") != NULL;
	if (s->musl)
		find_musl_folders(s, loader);
	else
		find_glibc_folders(s);
	closure->loader = find_loader(s);
	if (!closure->loader)
		return s->err->code;
	add_preload(s);
	for (size_t i = 0; rc == 0 && i < s->n; i++)
		for (size_t k = 0; rc == 0 && s->objects[i].elf.needed &&
				   s->objects[i].elf.needed[k]; k++)
			rc = load(s, i, s->objects[i].elf.needed[k]);
	return rc;
}

/* DT_RPATH counts before --library-path, unlike DT_RUNPATH; what begins with
 * the object's own folder stays within the bundle. */
static bool leads_away(const struct elf_file *elf)
{
	const char *list = elf->runpath ? NULL : elf->rpath;

	for (; list && *list; list += strcspn(list, ":"), list += *list == ':')
		if (*list != ':' && strncmp(list, "$ORIGIN", 7) != 0 &&
		    strncmp(list, "${ORIGIN}", 9) != 0)
			return true;
	return false;
}

/* glibc asks for its loader by name; it is shipped anyway. */
static void hand_over(struct search *s, struct closure *closure)
{
	const char *slash = closure->loader ? strrchr(closure->loader, '/') :
					      NULL;

	closure->musl = s->musl;
	closure->rpath = leads_away(&s->objects[0].elf);
	closure->libraries = xcalloc(s->n, sizeof(*closure->libraries));
	for (size_t i = 1; i < s->n; i++) {
		struct object *o = &s->objects[i];

		if (slash && strcmp(o->name, slash + 1) == 0)
			continue;
		closure->libraries[closure->n++] =
			(struct closure_library){
				.name = o->name,
				.path = o->path,
				.rpath = leads_away(&o->elf),
				.preload = strcmp(o->name,
						  PROFILER_LIBRARY) == 0,
			};
		o->name = o->path = NULL;
	}
}

static void search_release(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->objects[i].name);
		free(s->objects[i].path);
		free(s->objects[i].origin);
		elf_file_release(&s->objects[i].elf);
	}
	free(s->objects);
	for (size_t i = 0; i < s->nsystem; i++)
		free(s->system[i]);
	free(s->system);
}

int closure_find(struct closure *closure, const char *program,
		 struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *real = realpath(program, NULL);
	struct search s = { .err = &why };
	struct elf_file elf;
	int rc;

	*closure = (struct closure){ 0 };
	rc = elf_file_read(&elf, program, err);
	if (rc == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: is no ELF program", program);
	if (rc < 0)
		return rc;
	s.arch = elf_arch(elf.machine, elf.elf_class);
	add_object(&s, NULL, xstrdup(program),
		   folder_of(real ? real : program), &elf, 0);
	rc = s.arch ? search(&s, closure) :
		      bigm_error_set(&why, BIGM_EUNSUPPORTED,
				     "%s: is for a processor that bigm does "
				     "not know", program);
	if (rc == 0)
		hand_over(&s, closure);
	else
		closure_release(closure);
	search_release(&s);
	return rc < 0 ? error_copy(err, &why) : 0;
}

void closure_release(struct closure *closure)
{
	for (size_t i = 0; i < closure->n; i++) {
		free(closure->libraries[i].name);
		free(closure->libraries[i].path);
	}
	free(closure->libraries);
	free(closure->loader);
	*closure = (struct closure){ 0 };
}
