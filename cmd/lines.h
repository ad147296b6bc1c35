/*
 * lines: what many write to one file, without cutting each other's lines.
 *
 * A lines_file is standard output or error; a lines_writer is one of those who
 * write to it.  Bytes arrive unchanged, but for the prefix: what a writer gave
 * is held back up to its last line break, unless it is the only one.
 */
#ifndef CMD_LINES_H
#define CMD_LINES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/buffer.h"

struct lines_file {
	pthread_mutex_t lock;
	int fd;
	bool prefix; /* each line begins with its writer's name */
	bool direct; /* there is one writer, and no prefix: hold nothing back */
	_Atomic uint64_t since_ns; /* of the write at work; 0: none is */
};

void lines_file_init(struct lines_file *file, int fd, bool prefix,
		     int writers);
void lines_file_release(struct lines_file *file);
/* Any thread: nobody has read for so long what is being written. */
bool lines_file_is_stuck(const struct lines_file *file, uint64_t ns);

struct lines_writer {
	struct lines_file *file;
	const char *name;
	struct buffer held;
};

void lines_writer_init(struct lines_writer *writer, struct lines_file *file,
		       const char *name);
void lines_writer_release(struct lines_writer *writer);

/* Any thread, one at a time for each writer.  Blocks while the file does not
 * take it.  0, or the errno of the file. */
int lines_write(struct lines_writer *writer, const void *bytes, size_t len);

/* Writes all of it, blocking also where somebody has made the file non-blocking.
 * 0, or the errno of the file. */
int lines_write_all(int fd, const uint8_t *bytes, size_t len);

/* Writes what is held back; with a prefix, the last line gets its break. */
int lines_end(struct lines_writer *writer);

#endif
