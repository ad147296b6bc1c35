/*
 * manifest: what is in one part of a bundle, and how its program is executed.
 *
 *	{"format": 1, "arch": "linux/amd64", "program": "app",
 *	 "loader": ".bigm/lib/ld-linux-x86-64.so.2",
 *	 "preload": ".bigm/lib/libbigm-profile.so",
 *	 "argv0": true, "inhibit_rpath": ["", ".bigm/lib/libx.so.1"],
 *	 "interpreter": "bin/python3", "interpreter_argument": "-u",
 *	 "driver": true,
 *	 "files": [{"path", "size", "digest", "executable": true} |
 *		   {"path", "link": TARGET} | {"path", "folder": true}, …]}
 *
 * It comes from a peer.  What manifest_read() lets through can be unpacked: no
 * path leaves the folder, nor does a link; the files are in order, and none
 * comes twice; numbers and sizes have bounds; program, loader and interpreter
 * are among the files.
 */
#ifndef BUNDLE_MANIFEST_H
#define BUNDLE_MANIFEST_H

#include "bundle/bundle.h"
#include "supervisor/image.h"

#define MANIFEST_NAME "manifest.json"
#define MANIFEST_OWN ".bigm" /* the folder of what is not the user's */
#define MANIFEST_LIBRARIES MANIFEST_OWN "/lib"

enum manifest_kind { MANIFEST_FILE, MANIFEST_LINK, MANIFEST_FOLDER };

struct manifest_file {
	enum manifest_kind kind;
	char *path;
	char *target; /* of a link */
	char digest[DIGEST_SIZE];
	uint64_t size;
	bool executable;
};

struct manifest {
	char *arch;
	char *program;
	char *loader; /* NULL: the machine's, or none */
	bool argv0;   /* the loader takes --argv0 */
	char *preload; /* the profiler, which the loader loads first; NULL: none */
	char **inhibit; /* whose DT_RPATH leads to the machine's libraries: ""
			 * for the program, else paths; NULL: nobody's */
	char *interpreter; /* of a script, shipped with it; NULL: none */
	char *interpreter_argument; /* NULL: none */
	bool driver;
	struct manifest_file *files;
	size_t nfiles;
	uint64_t unpacked; /* bytes of all files */
};

/* NULL with *err set, which names the member or the file. */
struct manifest *manifest_read(const void *text, size_t len,
			       struct bigm_error *err);
void manifest_free(struct manifest *manifest);

cJSON *manifest_json(const struct manifest *manifest);

/* Checks all that manifest_read() does but the syntax; for who makes one. */
int manifest_check(const struct manifest *manifest, struct bigm_error *err);

/* A path within the folder: relative, and nothing but names in it. */
int manifest_check_path(const char *path, struct bigm_error *err);
/* A link at path that stays in the folder: any "..", of which there are no
 * more than folders above path, stand at its beginning. */
int manifest_check_link(const char *path, const char *target,
			struct bigm_error *err);

/* The file of that path; NULL when there is none. */
const struct manifest_file *manifest_find(const struct manifest *manifest,
					  const char *path);

/* For each file the first one that has the same content, by its number: its
 * own for one that is the first, and for links and folders.  malloc'ed. */
uint32_t *manifest_twins(const struct manifest *manifest);

/* How the program is executed once it is unpacked in dir. */
struct image *manifest_image(const struct manifest *manifest, const char *dir);

#endif
