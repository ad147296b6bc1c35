#include "config.h"

#include "bundle/make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "bundle/archive.h"
#include "bundle/closure.h"
#include "bundle/contents.h"
#include "bundle/elf_file.h"

#define SHEBANG_MAX 256 /* as the kernel has it */

/* One part at work. */
struct part {
	const struct make_order *order;
	const struct make_program *program;
	struct manifest *manifest;
	struct contents contents;
	struct bundle_part *facts; /* the bundle's */
	int fd; /* a file without a name */
	bool zstd; /* it is compressed */
	struct bigm_error *err;
};

/* ------------------------------------------------------------------ */
/* Libraries                                                           */

/* Older glibcs' loaders do not know --argv0.  musl's compares what stands
 * behind the dashes. */
static bool loader_takes(const char *loader, const char *option)
{
	AUTO_CLOSE int fd = open(loader, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool found;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	found = memmem(p, (size_t)st.st_size, option, strlen(option)) != NULL;
	munmap(p, (size_t)st.st_size);
	return found;
}

static int add_library(struct part *p, const char *name, const char *source,
		       char **path)
{
	*path = xasprintf(MANIFEST_LIBRARIES "/%s", name);
	return contents_add_file(&p->contents, *path, source, p->err);
}

static int add_closure(struct part *p, const struct closure *closure)
{
	struct manifest *m = p->manifest;
	const char *name;
	bool inhibits, preloads;
	int rc = 0;

	if (!closure->loader)
		return 0;
	inhibits = loader_takes(closure->loader, "--inhibit-rpath");
	preloads = loader_takes(closure->loader, "--preload");
	name = strrchr(closure->loader, '/');
	rc = add_library(p, name ? name + 1 : closure->loader, closure->loader,
			 &m->loader);
	m->argv0 = loader_takes(closure->loader, closure->musl ? "argv0" :
								 "--argv0");
	if (inhibits && closure->rpath)
		strings_add(&m->inhibit, xstrdup(""));
	for (size_t i = 0; rc == 0 && i < closure->n; i++) {
		const struct closure_library *library = &closure->libraries[i];
		AUTO_FREE char *path = NULL;

		if (library->preload && !preloads)
			continue;
		rc = add_library(p, library->name, library->path, &path);
		p->facts->libraries++;
		if (library->preload)
			m->preload = xstrdup(path);
		if (inhibits && library->rpath)
			strings_add(&m->inhibit, xstrdup(path));
	}
	return rc;
}

static int add_libraries(struct part *p, const char *program)
{
	struct closure closure;
	int rc;

	if (p->order->no_libs)
		return 0;
	rc = closure_find(&closure, program, p->err);
	if (rc < 0)
		return rc;
	rc = add_closure(p, &closure);
	closure_release(&closure);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Programs and scripts                                                */

/* Of an ELF file that shall be run. */
static int take_arch(struct part *p, const char *path,
		     const struct elf_file *elf)
{
	const char *arch = elf_arch(elf->machine, elf->elf_class);
	const char *wanted = p->program->arch;

	if (!elf->program || !arch)
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s: is no program, or for a processor "
				      "that bigm does not know", path);
	if (wanted && strcmp(wanted, arch) != 0)
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s=%s: it is a program for %s", wanted,
				      p->program->path, arch);
	p->manifest->arch = xstrdup(arch);
	return 0;
}

static int take_elf(struct part *p, const struct elf_file *elf)
{
	if (take_arch(p, p->program->path, elf) < 0)
		return BIGM_EINVALID;
	p->manifest->driver = elf->driver;
	return add_libraries(p, p->program->path);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A file to be shipped by that last name; NULL when there is none. */
static const struct content *shipped(const struct contents *c,
				     const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].file.kind == MANIFEST_FILE &&
		    strcmp(base_name(c->list[i].file.path), name) == 0)
			return &c->list[i];
	return NULL;
}

/* "#!/usr/bin/env python3" and "#!/usr/bin/python3 -u": who runs it, and with
 * what before the script's name. */
static int read_shebang(struct part *p, char *line, char **name,
			char **argument)
{
	AUTO_CLOSE int fd = open(p->program->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, SHEBANG_MAX - 1);
	char *rest;

	if (n < 0)
		return error_set_errno(p->err, errno, "cannot read %s",
				       p->program->path);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "#!", 2) != 0)
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s: is neither an ELF program nor a "
				      "script that begins with #!",
				      p->program->path);
	*name = line + 2 + strspn(line + 2, " \t");
	rest = *name + strcspn(*name, " \t");
	*argument = *rest ? rest + strspn(rest, " \t") : rest;
	*rest = '\0';
	if (strcmp(base_name(*name), "env") == 0 && **argument &&
	    !strpbrk(*argument, " \t=-")) {
		*name = *argument;
		*argument += strlen(*argument);
	}
	return 0;
}

/* The interpreter came along: it is what the machine executes. */
static int take_interpreter(struct part *p, const struct content *content,
			    const char *argument)
{
	struct manifest *m = p->manifest;
	AUTO_FREE char *source = xstrdup(content->source);
	struct elf_file elf;
	int rc = elf_file_read(&elf, source, p->err);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s: shipped as the interpreter of %s, but "
				      "it is no ELF program", source,
				      p->program->path);
	m->interpreter = xstrdup(content->file.path);
	if (*argument)
		m->interpreter_argument = xstrdup(argument);
	rc = take_arch(p, source, &elf);
	elf_file_release(&elf);
	return rc == 0 ? add_libraries(p, source) : rc;
}

static int take_script(struct part *p)
{
	char line[SHEBANG_MAX], *name = NULL, *argument = NULL;
	const struct content *interpreter;

	if (read_shebang(p, line, &name, &argument) != 0)
		return p->err->code;
	interpreter = shipped(&p->contents, base_name(name));
	if (interpreter)
		return take_interpreter(p, interpreter, argument);
	p->manifest->arch = xstrdup(p->program->arch ? p->program->arch :
						       BUNDLE_ANY_ARCH);
	return 0;
}

static int check_program(struct part *p)
{
	const char *path = p->program->path;
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set_errno(p->err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s: is %s, no program", path,
				      S_ISDIR(st.st_mode) ? "a folder" :
							    "no file");
	if (!(st.st_mode & 0111))
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s: is not executable; chmod +x would "
				      "make it so", path);
	return 0;
}

static int gather(struct part *p)
{
	const char *path = p->program->path;
	struct elf_file elf;
	int rc = check_program(p);

	p->manifest->program = xstrdup(base_name(path));
	for (const char *const *file = p->order->files; rc == 0 && file && *file;
	     file++)
		rc = contents_add(&p->contents, *file, p->err);
	if (rc < 0)
		return rc;
	rc = elf_file_read(&elf, path, p->err);
	if (rc == 1) {
		rc = take_elf(p, &elf);
		elf_file_release(&elf);
	} else if (rc == 0) {
		rc = take_script(p);
	}
	if (rc == 0)
		rc = contents_add_file(&p->contents, p->manifest->program, path,
				       p->err);
	return rc == 0 ? contents_finish(&p->contents, p->err) : rc;
}

/* ------------------------------------------------------------------ */
/* Writing                                                             */

/* The manifest's files are those of the contents, which keep them. */
static void borrow_files(struct part *p)
{
	struct manifest *m = p->manifest;

	m->files = xcalloc(p->contents.n + 1, sizeof(*m->files));
	for (size_t i = 0; i < p->contents.n; i++) {
		m->files[i] = p->contents.list[i].file;
		m->unpacked += m->files[i].size;
		/* A loader that is a library by its mode is executed. */
		if (m->loader && strcmp(m->files[i].path, m->loader) == 0)
			m->files[i].executable = true;
	}
	m->nfiles = p->contents.n;
}

static void give_back_files(struct part *p)
{
	p->manifest->nfiles = 0;
}

/* What has the same content as a file before it is a link to that. */
static int write_content(struct part *p, struct archive *a, size_t i,
			 const struct manifest_file *twin)
{
	const struct manifest_file *file = &p->manifest->files[i];
	const char *source = p->contents.list[i].source;
	AUTO_CLOSE int fd = -1;

	if (file->kind == MANIFEST_LINK)
		return archive_add_link(a, file->path, file->target, p->err);
	if (file->kind == MANIFEST_FOLDER)
		return archive_add_folder(a, file->path, p->err);
	if (twin != file)
		return archive_add_twin(a, file->path, twin->path,
					file->executable, p->err);
	fd = open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(p->err, errno, "cannot open %s", source);
	return archive_add_fd(a, file->path, fd, file->size, file->executable,
			      source, p->err);
}

static int write_entries(struct part *p, struct archive *a)
{
	AUTO_JSON cJSON *json = manifest_json(p->manifest);
	AUTO_FREE char *text = json_print(json);
	AUTO_FREE uint32_t *twins = manifest_twins(p->manifest);
	int rc = archive_add_bytes(a, MANIFEST_NAME, text, strlen(text),
				   p->err);

	for (size_t i = 0; rc == 0 && i < p->manifest->nfiles; i++)
		rc = write_content(p, a, i, &p->manifest->files[twins[i]]);
	return rc;
}

static int decide(struct part *p)
{
	AUTO_FREE char *sample = xmalloc(GAIN_SAMPLE);
	struct gain gain;
	size_t len;

	if (contents_sample(&p->contents, sample, GAIN_SAMPLE, &len, p->err) < 0)
		return p->err->code;
	gain_measure(&gain, sample, len);
	p->zstd = gain_is_worth(&gain, p->order->link);
	return 0;
}

static int write_part(struct part *p)
{
	struct archive_sink sink = { .fd = p->fd, .digest = digest_new() };
	struct archive *a = decide(p) < 0 ? NULL :
				archive_create(&sink, p->zstd, p->err);
	int rc = BIGM_EFAILED;

	if (a) {
		rc = write_entries(p, a);
		if (archive_close(a, p->order->path, rc < 0 ? NULL : p->err) <
			    0 && rc == 0)
			rc = p->err->code;
	}
	digest_finish(sink.digest, p->facts->digest);
	p->facts->size = sink.size;
	return rc;
}

/* "linux/amd64" → "linux-amd64.tar.zst" */
static char *part_name(const char *arch, bool zstd)
{
	char *name = xasprintf("%s.tar%s", arch, zstd ? ".zst" : "");

	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '-';
	return name;
}

static void tell_facts(struct part *p)
{
	const struct manifest *m = p->manifest;
	struct bundle_part *facts = p->facts;

	facts->name = part_name(m->arch, p->zstd);
	facts->arch = xstrdup(m->arch);
	facts->program = xstrdup(m->program);
	facts->program_digest = xstrdup(manifest_find(m, m->program)->digest);
	facts->loader = m->loader ? xstrdup(base_name(m->loader)) : NULL;
	facts->driver = m->driver;
	facts->files = m->nfiles - facts->libraries - (m->loader != NULL) - 1;
	facts->unpacked = m->unpacked;
}

/* A file that goes away with its descriptor. */
static int temporary(const char *path, struct bigm_error *err)
{
	AUTO_FREE char *name = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot write beside %s",
				       path);
	unlink(name);
	return fd;
}

static int make_part(struct part *p)
{
	int rc;

	p->manifest = xcalloc(1, sizeof(*p->manifest));
	p->facts->digest = xcalloc(1, DIGEST_SIZE);
	rc = gather(p);
	if (rc == 0) {
		borrow_files(p);
		rc = manifest_check(p->manifest, p->err);
		p->fd = rc < 0 ? rc : temporary(p->order->path, p->err);
		if (p->fd >= 0)
			rc = write_part(p);
		else
			rc = p->fd;
		if (rc == 0)
			tell_facts(p);
		give_back_files(p);
	}
	manifest_free(p->manifest);
	contents_release(&p->contents);
	return rc;
}

static int write_bundle(const struct bundle *bundle, const int *fds, int fd,
			struct bigm_error *err)
{
	struct archive_sink sink = { .fd = fd };
	AUTO_JSON cJSON *json = bundle_index(bundle);
	AUTO_FREE char *text = json_print(json);
	struct archive *a = archive_create(&sink, false, err);
	int rc;

	if (!a)
		return BIGM_EFAILED;
	rc = archive_add_bytes(a, BUNDLE_INDEX, text, strlen(text), err);
	for (size_t i = 0; rc == 0 && i < bundle->nparts; i++) {
		const struct bundle_part *part = &bundle->parts[i];

		if (lseek(fds[i], 0, SEEK_SET) < 0)
			rc = error_set_errno(err, errno, "%s", bundle->path);
		else
			rc = archive_add_fd(a, part->name, fds[i], part->size,
					    false, part->name, err);
	}
	if (archive_close(a, bundle->path, rc < 0 ? NULL : err) < 0 && rc == 0)
		rc = BIGM_EIO;
	return rc;
}

/* Whoever reads the old bundle meanwhile has all of it. */
static int replace(const struct bundle *bundle, const int *fds,
		   struct bigm_error *err)
{
	AUTO_FREE char *name = xasprintf("%s.XXXXXX", bundle->path);
	int fd = mkostemp(name, O_CLOEXEC);
	int rc;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot write beside %s",
				       bundle->path);
	rc = write_bundle(bundle, fds, fd, err);
	if (rc == 0 && fchmod(fd, 0644) < 0)
		rc = error_set_errno(err, errno, "cannot write %s", name);
	if (close(fd) < 0 && rc == 0)
		rc = error_set_errno(err, errno, "cannot write %s", name);
	if (rc == 0 && rename(name, bundle->path) < 0)
		rc = error_set_errno(err, errno, "cannot replace %s",
				     bundle->path);
	if (rc < 0)
		unlink(name);
	return rc;
}

static int make_parts(const struct make_order *order, struct bundle *bundle,
		      int *fds, struct bigm_error *err)
{
	for (size_t i = 0; i < order->nprograms; i++) {
		struct part part = {
			.order = order,
			.program = &order->programs[i],
			.facts = &bundle->parts[bundle->nparts++],
			.fd = -1,
			.err = err,
		};
		int rc = make_part(&part);

		fds[i] = part.fd;
		if (rc < 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (!strcmp(bundle->parts[k].arch, part.facts->arch))
				return bigm_error_set(
					err, BIGM_EEXIST,
					"%s and %s are both for %s",
					order->programs[k].path,
					part.program->path, part.facts->arch);
	}
	return 0;
}

int make_bundle(const struct make_order *order, struct bigm_error *err)
{
	struct bundle bundle = { .path = xstrdup(order->path) };
	struct bigm_error why = BIGM_ERROR_INIT;
	int fds[BUNDLE_MAX_PARTS], rc;

	for (size_t i = 0; i < BUNDLE_MAX_PARTS; i++)
		fds[i] = -1;
	rc = order->nprograms <= BUNDLE_MAX_PARTS ?
		     make_parts(order, &bundle, fds, &why) :
		     bigm_error_set(&why, BIGM_EINVALID,
				    "a bundle is for at most %d architectures",
				    BUNDLE_MAX_PARTS);
	if (rc == 0)
		rc = replace(&bundle, fds, &why);
	for (size_t i = 0; i < BUNDLE_MAX_PARTS; i++)
		cleanup_close(&fds[i]);
	bundle_release(&bundle);
	return rc < 0 ? error_copy(err, &why) : 0;
}

int make_suits(const char *program, const char *arch, struct bigm_error *err)
{
	struct elf_file elf;
	const char *own;

	if (elf_file_read(&elf, program, NULL) != 1)
		return 0;
	own = elf_arch(elf.machine, elf.elf_class);
	elf_file_release(&elf);
	if (own && strcmp(own, arch) == 0)
		return 1;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s is for %s, the machines are %s; see "
			      "bigm-bundle(1)", program,
			      own ? own : "another kind of processor", arch);
}
