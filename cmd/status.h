/*
 * status: what bigm status shows, and what shows it again and again.
 */
#ifndef CMD_STATUS_H
#define CMD_STATUS_H

#include "base/json.h"
#include "cmd/command.h"

struct status_options {
	const char *cluster;
	bool all;
	bool json;
	bool watch;
	uint64_t interval_ms;
	int sort; /* an index of status_columns */
};

struct status_view;

/* The facts of one cluster (name NULL: the only one), or of all, as a list;
 * empty when there is none and none was named; with figures, what machines said
 * last of load, memory and calls, for which they are asked for a while.  NULL
 * with *err.  Blocks. */
cJSON *status_fetch(const char *name, bool all, bool figures,
		    struct bigm_error *err);

/* As tables; lines are cut at the width (0: never).  With a view
 * (cmd/status_columns.h), sorted, and with figures; NULL: without. */
void status_print(const cJSON *clusters, const struct status_view *view,
		  size_t width, bool colour, FILE *out);

/* --watch.  Returns the exit status. */
int status_watch(const struct invocation *in);

#endif
