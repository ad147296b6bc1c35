/*
 * rank_files: files of a rank's own for what it prints, instead of our output.
 */
#ifndef CMD_RANK_FILES_H
#define CMD_RANK_FILES_H

#include "cmd/rank.h"

/* Zero-initialise. */
struct rank_files {
	struct lines_file files[2]; /* for stdout and stderr */
	int open;
};

/* Makes FOLDER/N.out and N.err, empty, with the rank's number for N, and lets
 * its writers write there.  To be closed, after an error too. */
int rank_files_open(struct rank_files *files, struct rank *rank,
		    const char *folder, struct bigm_error *err);

/* Nothing more comes, what is held back has been written.  0, or an errno: then
 * the files may not have all of it. */
int rank_files_close(struct rank_files *files);

#endif
