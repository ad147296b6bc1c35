/*
 * make: makes a bundle.
 *
 * For each program a part: the program, its closure (bundle/closure.h), and
 * the files, which all parts have.  A script needs its interpreter: one that
 * comes along among the files, by the same name, is shipped with a closure of
 * its own, any other is the machine's.
 *
 * A part is compressed where a sample of it shows that this is worth its CPU
 * (bundle/gain.h).
 */
#ifndef BUNDLE_MAKE_H
#define BUNDLE_MAKE_H

#include "bundle/bundle.h"
#include "bundle/gain.h"

struct make_program {
	const char *path;
	const char *arch; /* that it has to be for; NULL: whatever it is for */
};

struct make_order {
	const struct make_program *programs;
	size_t nprograms;
	const char *const *files; /* "SRC" or "SRC:DST"; NULL-terminated or
				   * NULL */
	bool no_libs;
	const char *path; /* of the bundle; replaced when it is complete */
	uint64_t link;	  /* where it goes: bytes a second, or GAIN_ANY, for
			   * which the same input makes the same bundle */
};

int make_bundle(const struct make_order *order, struct bigm_error *err);

/* Whether machines of that architecture can be sent a program itself: 1 when it
 * is for them, 0 for what is no ELF file, such as a script, which any machine
 * may run; BIGM_EINVALID says for which it is. */
int make_suits(const char *program, const char *arch, struct bigm_error *err);

#endif
