/*
 * session_private: the two halves of a session: session.c is its course, on the
 * main thread; session_cluster.c is what its threads do with the cluster, from
 * launching or visiting it to seeing it gone.
 */
#ifndef CMD_SESSION_PRIVATE_H
#define CMD_SESSION_PRIVATE_H

#include "cmd/session.h"

/* Events; those of the work begin at 0. */
enum {
	EVENT_BEGUN = -16,
	EVENT_NOTICE = -15, /* value: the machine's index */
	EVENT_LAUNCHED = -14,
	EVENT_COLLECTED = -13,
	EVENT_LOST = -12,
	EVENT_ALL_GONE = -11,
};

/* Threads; data is the session. */
void *session_launch(void *data);
void *session_shut_down_now(void *data); /* beside the last task */

/* What has to be done until all is over, in a thread; NULL: nothing. */
void *(*session_last_task(const struct session *s))(void *data);

/* The cluster's end in good order is no concern of a work that outlives it. */
bool session_survives(const struct session *s);

/* Main thread, when the cluster is gone: does what its guard should have
 * done. */
void session_leave_nothing(struct session *s);

#endif
