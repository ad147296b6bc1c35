#include "config.h"

#include <signal.h>

#include "supervisor/groups.h"

void groups_init(struct groups *groups)
{
	groups->first = NULL;
	pthread_mutex_init(&groups->lock, NULL);
}

void groups_add(struct groups *groups, struct group *group, pid_t pid)
{
	pthread_mutex_lock(&groups->lock);
	group->pid = pid;
	group->next = groups->first;
	groups->first = group;
	pthread_mutex_unlock(&groups->lock);
}

void groups_remove(struct groups *groups, struct group *group)
{
	pthread_mutex_lock(&groups->lock);
	for (struct group **at = &groups->first; *at; at = &(*at)->next) {
		if (*at == group) {
			*at = group->next;
			break;
		}
	}
	group->pid = 0;
	pthread_mutex_unlock(&groups->lock);
}

void groups_signal(struct groups *groups, const struct group *group, int sig)
{
	pthread_mutex_lock(&groups->lock);
	if (group->pid > 0)
		kill(-group->pid, sig);
	pthread_mutex_unlock(&groups->lock);
}

void groups_kill_all(struct groups *groups)
{
	pthread_mutex_lock(&groups->lock);
	for (struct group *group = groups->first; group; group = group->next)
		kill(-group->pid, SIGKILL);
	pthread_mutex_unlock(&groups->lock);
}
