/*
 * What the kernel says of processes and memory, in which jobs have words of
 * their own: the name of a process (stat, the kernel's log), the group that it is
 * in, and a container's view of it all.  Whatever a process calls itself, its
 * state, parent and id are the kernel's; and memory that is told adds up.
 *
 * The first byte chooses; files are separated by NULs.
 */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/files.h"
#include "base/folder.h"
#include "base/memory.h"
#include "loop/process.h"
#include "machine/oom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME_MAX_OF_PROCESS 15
#define MOST 1024 /* a group is so deep that it takes no time */

/* Of all hosts; its files are written anew for each. */
static char *root;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* The kernel's text around any name: it is never taken for the kernel's. */
static void name(const uint8_t *data, size_t size)
{
	AUTO_FREE char *comm = xstrndup((const char *)data,
					size < NAME_MAX_OF_PROCESS ?
						size : NAME_MAX_OF_PROCESS);
	AUTO_FREE char *stat = xasprintf(
		"77 (%s) S 42 77 77 0 -1 4194304 100 0 0 0", comm);
	AUTO_FREE char *victim = xasprintf(
		"6,916,4204,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask="
		"(null),cpuset=/,mems_allowed=0,oom_memcg=/jobs,task_memcg="
		"/jobs,task=%s,pid=77,uid=0", comm);
	AUTO_FREE char *killed = xasprintf(
		"3,914,4202,-;Out of memory: Killed process 77 (%s) total-vm:"
		"1052kB, anon-rss:1000kB", comm);
	pid_t parent = 0, pid = 0;
	char state = 0;

	must(process_stat_parse(stat, &state, &parent) && state == 'S' &&
	     parent == 42);
	must(oom_line(victim, &pid) == OOM_LINE_VICTIM && pid == 77);
	pid = 0;
	must(oom_line(killed, &pid) == OOM_LINE_KILLED && pid == 77);
}

static void texts(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	pid_t pid = 0;
	char state;

	process_stat_parse(text, &state, &pid);
	if (oom_line(text, &pid) != OOM_LINE_OTHER)
		must(pid > 0);
}

static void write_file(const char *name, const uint8_t **at, size_t *left)
{
	AUTO_FREE char *path = xasprintf("%s%s", root, name);
	const uint8_t *end = memchr(*at, 0, *left);
	size_t len = end ? (size_t)(end - *at) : *left;

	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			     0600);

	must(fd >= 0 && files_write(fd, *at, len) == 0);
	*at += len;
	*left -= len;
	if (*left > 0) {
		(*at)++;
		(*left)--;
	}
}

static void check_memory(void)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct process_memory own;
	struct memory m;

	if (memory_of_host(root, &m, &err) == 0) {
		must(m.total > 0 || m.used == 0);
		must(m.used <= m.total && m.used + m.available == m.total);
		memory_is_full(&m);
	} else {
		must(err.code != 0 && err.text[0] != '\0');
	}
	if (memory_of_process(root, &own, &err) < 0)
		must(err.code != 0 && err.text[0] != '\0');
}

static void check_group(void)
{
	struct cgroup group;
	int ups = 0;

	if (!cgroup_find(&group, root, 0, "memory"))
		return;
	must(strlen(group.path) < sizeof(group.path) &&
	     group.top <= strlen(group.path));
	must(strncmp(group.path, root, strlen(root)) == 0);
	while (cgroup_up(&group))
		must(++ups < PATH_MAX);
	must(strlen(group.path) == group.top);
}

/* ------------------------------------------------------------------ */

static void remove_root(void)
{
	folder_empty(root, NULL, NULL);
	rmdir(root);
	free(root);
}

static void make_root(void)
{
	static const char *const folders[] = {
		"/proc", "/proc/self", "/sys", "/sys/fs", "/sys/fs/cgroup",
		"/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a",
		"/sys/fs/cgroup/a", "/sys/fs/cgroup/a/b",
	};
	const char *tmp = getenv("TMPDIR");

	root = xasprintf("%s/fuzz-proc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	must(mkdtemp(root) != NULL);
	atexit(remove_root);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		AUTO_FREE char *path = xasprintf("%s%s", root, folders[i]);

		must(mkdir(path, 0700) == 0);
	}
}

static void host(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"/proc/meminfo", "/proc/self/statm", "/proc/self/cgroup",
		"/sys/fs/cgroup/a/memory.max",
		"/sys/fs/cgroup/a/memory.current",
		"/sys/fs/cgroup/a/memory.stat",
		"/sys/fs/cgroup/a/b/memory.max",
		"/sys/fs/cgroup/a/b/memory.current",
		"/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
		"/sys/fs/cgroup/memory/a/memory.usage_in_bytes",
		"/sys/fs/cgroup/memory/a/memory.stat",
	};

	if (!root)
		make_root();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		write_file(names[i], &data, &size);
	check_memory();
	check_group();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > MOST)
		return 0;
	if (data[0] & 1)
		host(data + 1, size - 1);
	else if (data[0] & 2)
		texts(data + 1, size - 1);
	else
		name(data + 1, size - 1);
	return 0;
}
