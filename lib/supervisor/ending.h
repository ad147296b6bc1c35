/*
 * ending: how a process ended, or why it never began, as a machine tells it in
 * the frame 'x' of a Run (supervisor/run.h) or a Map (supervisor/map.h).
 */
#ifndef SUPERVISOR_ENDING_H
#define SUPERVISOR_ENDING_H

#include "base/json.h"

/* As a shell and timeout(1) say it. */
enum {
	ENDING_LATE = 124,	    /* its time was up */
	ENDING_UNRUNNABLE = 125,    /* what shall run it has failed, not it */
	ENDING_NOT_EXECUTABLE = 126,
	ENDING_NOT_FOUND = 127,
	ENDING_SIGNAL = 128,	    /* and the signal's number */
};

struct ending {
	int status; /* as a shell says it, 0 to 255 */
	int signal; /* that ended it; 0: it ended by itself */
	int code;   /* BIGM_E… of what prevented it; 0: it ran */
	const char *failed; /* the text of that, in the JSON; NULL: it ran */
};

/* Adds "status", "signal", or "failed" with "code": wait_status is what
 * waitpid() gave, and counts where failure->code is 0. */
void ending_describe(cJSON *json, int wait_status,
		     const struct bigm_error *failure);

/* The opposite; an error is the peer's. */
int ending_read(struct ending *ending, const cJSON *json,
		struct bigm_error *err);

/* The status of what could not be run for that code: ENDING_NOT_FOUND,
 * ENDING_NOT_EXECUTABLE, else ENDING_UNRUNNABLE. */
int ending_status(int code);

#endif
