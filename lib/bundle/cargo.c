#include "config.h"

#include "bundle/cargo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "bundle/bundle.h"
#include "bundle/elf_file.h"
#include "bundle/make.h"
#include "bundle/reduce.h"

#define REDUCED_PIECE (256u << 10)

/* The part of a bundle. */
struct part_cargo {
	struct cargo cargo; /* first */
	struct bundle bundle;
	const struct bundle_part *part;
	uint64_t link; /* that it goes over */
};

static struct cargo_reader *part_open(const struct cargo *cargo,
				      struct bigm_error *err)
{
	const struct part_cargo *p = (const void *)cargo;

	return (void *)bundle_reader_new(&p->bundle, p->part, err);
}

static ssize_t part_next(struct cargo_reader *reader, const void **bytes,
			 struct bigm_error *err)
{
	return bundle_reader_next((void *)reader, bytes, err);
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

/* ------------------------------------------------------------------ */
/* A part with just what a machine lacks, in a file without a name.    */

struct reduced_cargo {
	struct cargo cargo; /* first */
	char *name;
	char digest[DIGEST_SIZE];
	int fd;
};

struct reduced_reader {
	int fd; /* the cargo's */
	off_t offset;
	uint8_t piece[REDUCED_PIECE];
};

static struct cargo_reader *reduced_open(const struct cargo *cargo,
					 struct bigm_error *err)
{
	struct reduced_reader *r = xcalloc(1, sizeof(*r));

	(void)err;
	r->fd = ((const struct reduced_cargo *)(const void *)cargo)->fd;
	return (void *)r;
}

static ssize_t reduced_next(struct cargo_reader *reader, const void **bytes,
			    struct bigm_error *err)
{
	struct reduced_reader *r = (void *)reader;
	ssize_t n = pread(r->fd, r->piece, sizeof(r->piece), r->offset);

	if (n < 0)
		return error_set_errno(err, errno, "cannot read what is sent");
	*bytes = r->piece;
	r->offset += n;
	return n;
}

static void reduced_close(struct cargo_reader *reader)
{
	free(reader);
}

static void reduced_free(struct cargo *cargo)
{
	struct reduced_cargo *r = (void *)cargo;

	cleanup_close(&r->fd);
	free(r->name);
	free(r);
}

static const struct cargo_ops reduced_ops = {
	.open = reduced_open,
	.next = reduced_next,
	.close = reduced_close,
	.free = reduced_free,
};

static int temporary(struct bigm_error *err)
{
	int fd = files_temporary();

	return fd >= 0 ? fd
		: error_set_errno(err, errno, "cannot make a file in %s",
				  files_temporary_folder());
}

/* ---- the part as an archive ---- */

static ssize_t next_of_part(void *data, const void **bytes,
			    struct bigm_error *err)
{
	return bundle_reader_next(data, bytes, err);
}

struct opened {
	struct bundle_reader *reader;
	struct archive_source source;
	struct archive *archive; /* NULL: it could not be opened */
};

static void open_archive(struct opened *o, const struct cargo *cargo,
			 struct bigm_error *err)
{
	const struct part_cargo *p = (const void *)cargo;

	*o = (struct opened){
		.reader = bundle_reader_new(&p->bundle, p->part, err),
	};
	if (!o->reader)
		return;
	o->source = (struct archive_source){ .next = next_of_part,
					     .data = o->reader, .err = err };
	o->archive = archive_open_source(&o->source, err);
}

static void close_archive(struct opened *o)
{
	archive_read_free(o->archive);
	bundle_reader_free(o->reader);
}

static char **part_files(const struct cargo *cargo, struct bigm_error *err)
{
	struct opened o;
	char **files = NULL;

	open_archive(&o, cargo, err);
	if (o.archive)
		files = reduce_files(o.archive, err);
	close_archive(&o);
	return files;
}

static struct cargo *part_reduce(const struct cargo *cargo, char *const *lacks,
				 struct bigm_error *err)
{
	struct reduced_cargo *r = xcalloc(1, sizeof(*r));
	const struct part_cargo *p = (const void *)cargo;
	struct archive_sink sink = { .digest = digest_new() };
	struct opened o;
	int rc = BIGM_EFAILED;

	r->name = xstrdup(cargo->name);
	r->cargo = (struct cargo){ .ops = &reduced_ops, .name = r->name,
				   .digest = r->digest, .refs = 1 };
	open_archive(&o, cargo, err);
	r->fd = sink.fd = o.archive ? temporary(err) : -1;
	if (r->fd >= 0)
		rc = reduce_part(o.archive, lacks, p->link, &sink, err);
	close_archive(&o);
	digest_finish(sink.digest, r->digest);
	r->cargo.size = sink.size;
	if (rc == 0)
		return &r->cargo;
	reduced_free(&r->cargo);
	return NULL;
}

static const struct cargo_ops ops = {
	.open = part_open,
	.next = part_next,
	.close = part_close,
	.files = part_files,
	.reduce = part_reduce,
	.free = part_free,
};

static int find_part(const char *bundle, const char *arch, uint64_t link,
		     struct cargo **cargo, struct bigm_error *err)
{
	struct part_cargo *p = xcalloc(1, sizeof(*p));

	p->cargo.ops = &ops;
	p->link = link;
	if (bundle_open(&p->bundle, bundle, err) == 0)
		p->part = bundle_find(&p->bundle, arch, err);
	if (!p->part) {
		part_free(&p->cargo);
		return err ? err->code : BIGM_ENOTFOUND;
	}
	p->cargo.name = p->bundle.path;
	p->cargo.digest = p->part->digest;
	p->cargo.size = p->part->size;
	p->cargo.refs = 1;
	*cargo = &p->cargo;
	return 0;
}

/* The program with its loader and libraries; made once. */
static int bundle_program(const char *program, const char *arch,
			  const char *dir, struct cargo **cargo,
			  struct bigm_error *err)
{
	const struct make_program programs[] = { { program, arch } };
	char digest[DIGEST_SIZE];

	if (digest_file(program, digest, err) < 0)
		return err ? err->code : BIGM_EIO;
	AUTO_FREE char *path = xasprintf("%s/%s.bigm", dir,
					 strchr(digest, ':') + 1);
	const struct make_order order = {
		.programs = programs, .nprograms = 1, .path = path,
		.link = GAIN_NETWORK,
	};
	if (access(path, R_OK) < 0 && make_bundle(&order, err) < 0)
		return err ? err->code : BIGM_EFAILED;
	return find_part(path, arch, GAIN_NETWORK, cargo, err);
}

int bundle_find_cargo(const char *program, const char *bundle,
		      const char *arch, const char *dir, struct cargo **cargo,
		      struct bigm_error *err)
{
	const char *wanted = arch ? arch : elf_own_arch();
	struct bigm_error why = BIGM_ERROR_INIT;
	int suits = program ? make_suits(program, wanted, &why) : 0;

	*cargo = NULL;
	if (suits > 0 && !arch)
		return 0;
	if (suits > 0)
		return bundle_program(program, arch, dir, cargo, err);
	if (bundle)
		return find_part(bundle, wanted,
				 arch ? GAIN_NETWORK : GAIN_THIS_HOST, cargo,
				 err);
	return suits < 0 ? error_copy(err, &why) : 0;
}

int bundle_check_cargo(const char *program, const char *bundle,
		       const char *arch, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct cargo *cargo = NULL;
	int rc = program ? make_suits(program, arch, &why) : 0;

	if (rc > 0 || (rc == 0 && !bundle))
		return 0;
	rc = bundle ? find_part(bundle, arch, GAIN_NETWORK, &cargo, err)
		    : error_copy(err, &why);
	cargo_put(cargo);
	return rc;
}
