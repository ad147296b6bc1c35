/*
 * reduce: a part of a bundle for a machine that has some of its files already:
 * the same manifest, and of the files only those that it lacks.
 *
 * Whether it is compressed is decided by its first chunk, and by the link that it
 * goes over (bundle/gain.h).
 */
#ifndef BUNDLE_REDUCE_H
#define BUNDLE_REDUCE_H

#include "bundle/archive.h"
#include "bundle/gain.h"

/* The digests of a part's files, each once, sorted and NULL-terminated; to be
 * freed by strings_free(). */
char **reduce_files(struct archive *part, struct bigm_error *err);

/* Copies the part to the sink without the files whose digests are not among
 * `lacks`.  link: bytes a second, or GAIN_ANY. */
int reduce_part(struct archive *part, char *const *lacks, uint64_t link,
		struct archive_sink *sink, struct bigm_error *err);

#endif
