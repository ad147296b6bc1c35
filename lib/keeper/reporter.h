/*
 * reporter: drivers that tell of themselves when they are asked.
 *
 * A driver opens Keeper.Vars, whose streams stay as long as it does: each byte
 * that the keeper writes asks, and the driver answers with one line of JSON, as
 * Supervisor.Expvars has it.  So nothing travels while nobody looks.
 *
 * Loop thread only.
 */
#ifndef KEEPER_REPORTER_H
#define KEEPER_REPORTER_H

#include "base/buffer.h"
#include "rpc/server.h"

#define REPORT_MAX (256u << 10) /* bytes of a line, and of a machine's reply */

struct reporter {
	struct reporter *next;
	struct reporter_list *list;
	struct bigm_request *req;
	struct buffer line;
	/* Set by who asks: what it says, line by line; text NULL: it has gone.
	 * Must not free it. */
	void (*take)(void *data, const char *text, size_t len);
	void *data;
};

struct reporter_list {
	struct reporter *first;
};

/* Takes over the request, which is deferred. */
void reporter_start(struct reporter_list *list, struct bigm_request *req);

/* Asks it for a line. */
void reporter_ask(struct reporter *reporter);

void reporter_end_all(struct reporter_list *list);

#endif
