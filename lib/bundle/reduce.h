/*
 * reduce: a part of a bundle for a machine that has some of its files already:
 * the same manifest, and of the files only those that it lacks.
 *
 * Whether it is compressed is decided by its first bytes: they are compressed,
 * and the time that takes is held against what it saves to send, on a network
 * of REDUCE_NETWORK bytes a second; a faster one needs no help.
 */
#ifndef BUNDLE_REDUCE_H
#define BUNDLE_REDUCE_H

#include "bundle/archive.h"

#define REDUCE_NETWORK 125000000u /* 1 Gbit/s */
#define REDUCE_SAMPLE (256u << 10)

/* The digests of a part's files, each once, sorted and NULL-terminated; to be
 * freed by json_strings_free(). */
char **reduce_files(struct archive *part, struct bigm_error *err);

/* Copies the part to the sink without the files whose digests are not among
 * `lacks`. */
int reduce_part(struct archive *part, char *const *lacks,
		struct archive_sink *sink, struct bigm_error *err);

/* Whether compressing is worth its while, by a sample. */
bool reduce_compresses(const void *sample, size_t len);

#endif
