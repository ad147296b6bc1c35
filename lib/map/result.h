/*
 * result: how a job of a map ended.
 */
#ifndef MAP_RESULT_H
#define MAP_RESULT_H

#include "base/capture.h"

struct map_result {
	uint64_t number;      /* of the job, from 1 */
	const char *input;    /* its inputs, with spaces between them */
	const char *inputs;   /* and one after the other, a NUL behind each, */
	size_t width;	      /* so many */
	const char *argv;     /* as map_template_expand() makes it */
	size_t argv_len;
	const char *machine;  /* its name */
	int status;	      /* as a shell says it; 0: it succeeded */
	int signal;	      /* what ended it; 0: it ended by itself */
	bool late;	      /* its time was up */
	const char *failed;   /* why it could not be run; NULL: it was */
	unsigned attempts;    /* from 1 */
	double seconds;	      /* that the last one took */
	struct capture *out, *err; /* what that printed */
};

#endif
