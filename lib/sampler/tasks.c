#include "config.h"

#include "sampler/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define FOLDER "/proc/self/task"

static void add(struct tasks *tasks, pid_t tid)
{
	if (tasks->n == tasks->room) {
		tasks->room = tasks->room ? 2 * tasks->room : 64;
		tasks->ids = xrealloc(tasks->ids,
				      tasks->room * sizeof(*tasks->ids));
	}
	tasks->ids[tasks->n++] = tid;
}

static int ascending(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int tasks_list(struct tasks *tasks)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *entry;

	tasks->n = 0;
	if (!dir)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		if (atoi(entry->d_name) > 0)
			add(tasks, atoi(entry->d_name));
	closedir(dir);
	if (tasks->n > 1)
		qsort(tasks->ids, tasks->n, sizeof(*tasks->ids), ascending);
	return 0;
}

void tasks_release(struct tasks *tasks)
{
	free(tasks->ids);
	*tasks = (struct tasks){ 0 };
}

size_t tasks_count(void)
{
	struct stat st;

	/* Each is a folder, and so are "." and "..". */
	return stat(FOLDER, &st) == 0 && st.st_nlink > 2 ? st.st_nlink - 2 : 0;
}

void task_name(pid_t tid, char name[TASK_NAME])
{
	char path[64];
	ssize_t n;
	int fd;

	name[0] = '\0';
	snprintf(path, sizeof(path), FOLDER "/%d/comm", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, name, TASK_NAME - 1);
	close(fd);
	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
}
