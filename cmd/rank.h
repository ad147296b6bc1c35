/*
 * rank: one process of a command that runs on several machines at once.
 *
 * It runs through Supervisor.Run; the caller's thread copies its output to two
 * lines_writers, one of ours our standard input to it.
 *
 * begin → run → end, and release.
 */
#ifndef CMD_RANK_H
#define CMD_RANK_H

#include "bigm.h"
#include "cmd/lines.h"

/* The same for all ranks. */
struct rank_order {
	char *const *argv;
	char *const *env; /* "K=V"; NULL: nothing but BIGM_RANK and its kin */
	const char *dir;  /* NULL: the machine's own */
	bool binary;	  /* the machine has been sent the program */
	struct terminal *terminal; /* ours is lent to it; NULL: it is not */
};

struct rank_input;

struct rank {
	const struct rank_order *order;
	struct bigm_machine *machine;
	int number, size;  /* BIGM_RANK, BIGM_SIZE */
	const char *peers; /* BIGM_PEERS; NULL: none */
	int status;	   /* once it has ended, as a shell says it */
	int output_errnum; /* why stdout or stderr did not take it; 0: they did */
	struct lines_writer out, err;

	/* What it reads: STDIN_FILENO, or another, which is closed; -1: nothing.
	 * When it cannot be read, that is told, in a thread of its own. */
	int input_fd;
	void (*input_failed)(struct rank *rank, int errnum);

	/* While it runs; under the lock of who has the rank. */
	struct bigm_call *call;
	struct rank_input *input; /* until rank_release() */
};

/* Under the lock: begins the call and sends the order. */
int rank_begin(struct rank *rank, struct bigm_error *err);

/* Blocks, without the lock: copies the output to its end.  0, or a code: then
 * there is no status. */
int rank_run(struct rank *rank, struct bigm_error *err);

/* Under the lock: the call, if there is one, is over. */
void rank_end(struct rank *rank);

/* Under the lock, while there is a call: sends the process's group a signal,
 * or ends it. */
void rank_signal(struct rank *rank, int signal);
/* The size of the terminal that is lent to it has changed. */
void rank_resize(struct rank *rank);
void rank_cancel(struct rank *rank);

/* After all; false, and nothing is freed, when the thread that copies stdin
 * hangs in a read, having lost a race for the bytes with another process. */
bool rank_release(struct rank *rank);

#endif
