/*
 * image: how a program that came to a machine is executed.
 *
 * A plain program is executed as it is.  One from a bundle runs with its own
 * loader and libraries, and so the kernel is given the loader:
 *
 *	path head… [argv[0]] tail… argv[1]…
 *	ld.so --library-path DIR --argv0 NAME DIR/app ARGUMENT…
 *
 * /proc/self/exe is the loader then, which is why an image knows its program.
 */
#ifndef SUPERVISOR_IMAGE_H
#define SUPERVISOR_IMAGE_H

#include "base/json.h"

/* The variable that tells a program where its files are. */
#define IMAGE_FILES_ENV "BIGM_FILES"

struct image {
	char *path;	/* for execve() */
	char **head;	/* arguments before the program's; NULL: none */
	bool named;	/* the program's argv[0] stands after them */
	char **tail;	/* arguments behind that; NULL: none */
	char *program;	/* the program's own file */
	char *dir;	/* where it runs, and has its files; NULL: anywhere */
};

/* A program that the kernel executes as it is. */
struct image *image_plain(const char *path);
struct image *image_copy(const struct image *from);
void image_free(struct image *image);

/* The arguments for execve(), to be freed by strings_free(). */
char **image_argv(const struct image *image, char *const *argv);

cJSON *image_json(const struct image *image);
/* NULL with *err set for what is none. */
struct image *image_read(const cJSON *json, struct bigm_error *err);

#endif
