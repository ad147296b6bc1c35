/*
 * tasks: the threads of this process, as the kernel lists them.
 */
#ifndef SAMPLER_TASKS_H
#define SAMPLER_TASKS_H

#include <stddef.h>
#include <sys/types.h>

#define TASK_NAME 16

struct tasks {
	pid_t *ids; /* ascending */
	size_t n, room;
};

/* Lists them anew; 0, or -1 with errno.  To be released. */
int tasks_list(struct tasks *tasks);
void tasks_release(struct tasks *tasks);

/* How many there are; 0 when that cannot be told. */
size_t tasks_count(void);

/* The thread's name; "" when it is gone. */
void task_name(pid_t tid, char name[TASK_NAME]);

#endif
