/*
 * journald: what an instance's journal says of its machine, as journalctl
 * prints it (-o json, systemd.journal-fields(7)), made into what it means.
 *
 *   output	 what the worker wrote, byte for byte: journald cuts lines that
 *		 are longer than its LineMax, and says so (_LINE_BREAK), by which
 *		 they are joined again
 *   exit	 how the worker's process ended, in systemd's words
 *   notice	 what the metadata service announces (ec2/userdata.h)
 *   killed	 the kernel killed a process for want of memory
 *
 * It comes from the instance, which is a peer: lines that are no entries are
 * counted and passed over, and none is longer than JOURNALD_LINE_MAX.
 */
#ifndef EC2_JOURNALD_H
#define EC2_JOURNALD_H

#include <stdbool.h>

#include "base/buffer.h"

#define JOURNALD_LINE_MAX (2u << 20) /* of JSON */

struct journald_events {
	void (*output)(void *data, const void *bytes, size_t len);
	void (*exit)(void *data, const char *how);
	void (*notice)(void *data, const char *text);
	void (*killed)(void *data, const char *line);
};

struct journald_reader {
	struct journald_events events;
	void *data;
	struct buffer line;    /* the beginning of one */
	bool skipping;	       /* the rest of one that is too long */
	unsigned long skipped; /* lines that were no entries */
	char cursor[512];      /* of the last entry; "": none yet */
};

void journald_reader_init(struct journald_reader *reader,
			 const struct journald_events *events, void *data);
void journald_reader_release(struct journald_reader *reader);

/* Takes the next bytes that journalctl has printed. */
void journald_reader_take(struct journald_reader *reader, const void *bytes,
			 size_t len);

/* The command that follows the journal, from its beginning, or behind the
 * last entry that has come; for the shell of the login user of any flavor.
 * What is cut off in the middle begins anew.  malloc'ed. */
char *journald_reader_command(struct journald_reader *reader);

#endif
