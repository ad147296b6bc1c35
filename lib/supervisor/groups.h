/*
 * groups: the process groups of what runs on a machine, so that all of it can
 * be killed at once, from whichever thread ends the machine.
 *
 * Any thread.
 */
#ifndef SUPERVISOR_GROUPS_H
#define SUPERVISOR_GROUPS_H

#include <pthread.h>
#include <sys/types.h>

/* Embedded in who has the process; zero-initialise. */
struct group {
	struct group *next;
	pid_t pid; /* of the leader; 0: there is none */
};

struct groups {
	pthread_mutex_t lock;
	struct group *first;
};

void groups_init(struct groups *groups);

void groups_add(struct groups *groups, struct group *group, pid_t pid);
/* One that is not there is none to remove. */
void groups_remove(struct groups *groups, struct group *group);

/* Sends the group a signal, if it is there. */
void groups_signal(struct groups *groups, const struct group *group, int sig);
void groups_kill_all(struct groups *groups);

#endif
