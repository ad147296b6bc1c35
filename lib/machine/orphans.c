#include "config.h"

#include "machine/orphans.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

/* A killed process that the kernel cannot end at once (its disk hangs) must
 * not hold us: after that long it is left to the guard. */
#define PATIENCE_TURNS 200
#define TURN_NS 250000

/* Kills those of our children that are in the session, and reaps those that
 * are dead; how many there were.  The kernel's list of children is a pid a
 * word; a kernel without it leaves them to the guard. */
static int kill_round(pid_t session, int *reaped)
{
	AUTO_FREE char *path = xasprintf("/proc/self/task/%d/children",
					 (int)gettid());
	AUTO_FCLOSE FILE *list = fopen(path, "re");
	int found = 0, pid, status;

	while (list && fscanf(list, "%d", &pid) == 1) {
		if (getsid(pid) != session)
			continue;
		found++;
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, WNOHANG | __WALL) == pid)
			(*reaped)++;
	}
	return found;
}

int orphans_kill_session(pid_t session)
{
	const struct timespec pause = { 0, TURN_NS };
	int reaped = 0;

	/* The dead of each round leave their own children to us. */
	for (int turns = 0; turns < PATIENCE_TURNS; turns++) {
		if (kill_round(session, &reaped) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	return reaped;
}

bool orphans_reap(int (*is_watched)(pid_t pid, void *data), void *data)
{
	siginfo_t info;
	int status;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return true;
		if (is_watched(info.si_pid, data))
			return false;
		waitpid(info.si_pid, &status, __WALL);
	}
}
