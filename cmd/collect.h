/*
 * collect: files that a run copies from each of its machines to ./MACHINE/
 * before these go, `bigm run --collect`.
 *
 * It happens once: when the run is over, however it went, or when a driver ends
 * its machines itself, which the keeper tells (Keeper.Farewell) and waits for.
 */
#ifndef CMD_COLLECT_H
#define CMD_COLLECT_H

#include "cmd/command.h"
#include "machine/cluster.h"

struct collect_options {
	const struct option_list *patterns; /* NULL: nothing is collected */
	const char *dir;   /* where the program runs on the machines; "": in
			    * their own folder */
	bool binary;	   /* it is the program that was sent, see run.h */
	bool farewell;	   /* its machines may end before the run does */
};

struct collect;

/* Blocks.  The options, `in` and the cluster must live as long.  NULL with *err
 * set. */
struct collect *collect_new(const struct invocation *in,
			    struct cluster *cluster,
			    const struct collect_options *options,
			    struct bigm_error *err);

/* Any thread but the loop's; blocks until all is collected, by whomever.  What
 * goes wrong is told. */
void collect_run(struct collect *collect);

/* Any thread but the loop's: gives up what is under way.  Blocks, a second at
 * most, so that nothing is left half done. */
void collect_stop(struct collect *collect);

/* After collect_run(): not everything has come. */
bool collect_has_failed(struct collect *collect);

/* After collect_run(), or when nothing shall be collected any more; NULL is
 * fine. */
void collect_free(struct collect *collect);

#endif
