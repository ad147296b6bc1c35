/*
 * sentinel_process: what the sentinel does; sentinel.h is why.
 *
 * It talks with bigm over a SEQPACKET socketpair.  From bigm: one packet with
 * variables ("K=V", each with its NUL), which starts the job, and then packets
 * of one byte, signals that bigm got.  To bigm: struct sentinel_event.  The
 * close of the socket is the end.
 */
#ifndef CMD_SENTINEL_PROCESS_H
#define CMD_SENTINEL_PROCESS_H

#define SENTINEL_MAX_ENV 65536

/* Never returns. */
void sentinel_main(int socket, const char *path, char *const *argv,
		   const char *dir)
	__attribute__((noreturn));

#endif
