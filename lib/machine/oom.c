#include "config.h"

#include "machine/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/text.h"

#define INITIAL_NAMESPACE "pid:[4026531836]" /* the same on every kernel */
#define RECORD_MAX 8192 /* of the kernel's log */
#define VICTIMS_MAX 256 /* the oldest are forgotten */
#define WORDS_MAX 240

/* A process that the log names. */
struct victim {
	pid_t pid;
	char words[WORDS_MAX]; /* the kernel's own */
};

struct oom {
	int log_fd; /* -1: not to be read, or of other ids than ours */
	char record[RECORD_MAX];
	size_t len; /* of the line that has come so far */
	struct victim victims[VICTIMS_MAX];
	size_t next; /* place in victims, modulo its size */
	uint64_t logged; /* kills, ever */
	bool has_group;
	struct cgroup group;
	uint64_t before; /* the group's count at the beginning */
	uint64_t unlogged; /* kills that only the count has told */
};

/* ------------------------------------------------------------------ */
/* The kernel's log                                                    */

/* The number behind the words, where a process id can stand. */
static bool pid_after(const char *line, const char *words, char end, pid_t *pid)
{
	const char *at = strstr(line, words);
	char *rest;
	long n;

	if (!at)
		return false;
	at += strlen(words);
	n = strtol(at, &rest, 10);
	*pid = (pid_t)n;
	return rest > at && *rest == end && n > 0 && n == *pid;
}

/* A record in /dev/kmsg is "PRIORITY,NUMBER,TIME,FLAGS;TEXT"; programs can
 * write there too, and are told by their facility.  NULL for theirs. */
static const char *kernels_text(const char *line)
{
	int at = 0;

	(void)sscanf(line, "%*u,%*u,%*u,%*[^;];%n", &at);
	if (at == 0)
		return line; /* as dmesg prints it */
	/* sscanf() would make a small number of one that is too large. */
	return strtoul(line, NULL, 10) < 8 ? line + at : NULL;
}

/* A process may call itself anything: what follows its name is not looked at,
 * but for the last "pid=". */
enum oom_line oom_line(const char *line, pid_t *pid)
{
	const char *text = kernels_text(line), *last = NULL;

	if (!text)
		return OOM_LINE_OTHER;
	/* "Killed process 7 (sh) total-vm:…": behind "Out of memory: " or
	 * "Memory cgroup out of memory: " since Linux 5; alone until then, after
	 * "Out of memory: Kill process 7 (sh) score 9 or sacrifice child", when
	 * it could be the child instead. */
	if (pid_after(text, "Killed process ", ' ', pid))
		return OOM_LINE_KILLED;
	/* "oom-kill:constraint=…,task=sh,pid=7,uid=0", before it, since Linux
	 * 5; what is behind it may come too late for us. */
	if (!strstr(text, "oom-kill:constraint="))
		return OOM_LINE_OTHER;
	for (const char *at = text; (at = strstr(at, ",pid=")); at++)
		last = at;
	return last && pid_after(last, ",pid=", ',', pid) ? OOM_LINE_VICTIM :
							    OOM_LINE_OTHER;
}

static struct victim *find(struct oom *oom, pid_t pid)
{
	for (size_t i = 0; i < VICTIMS_MAX; i++)
		if (oom->victims[i].pid == pid)
			return &oom->victims[i];
	return NULL;
}

static void take_line(struct oom *oom, const char *line)
{
	pid_t pid;
	enum oom_line kind = oom_line(line, &pid);
	const char *text = strchr(line, ';');
	struct victim *v;

	if (kind == OOM_LINE_OTHER)
		return;
	oom->logged += kind == OOM_LINE_KILLED;
	v = find(oom, pid);
	if (!v)
		v = &oom->victims[oom->next++ % VICTIMS_MAX];
	v->pid = pid;
	text_format(v->words, sizeof(v->words), "%s", text ? text + 1 : line);
}

/* Takes what is new.  A read gives one record, or says that some were lost. */
static void read_log(struct oom *oom)
{
	ssize_t n;

	while (oom->log_fd >= 0) {
		char *line = oom->record, *end;

		n = read(oom->log_fd, oom->record + oom->len,
			 sizeof(oom->record) - oom->len - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return;
		oom->len += (size_t)n;
		oom->record[oom->len] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			take_line(oom, line);
		}
		oom->len -= (size_t)(line - oom->record);
		memmove(oom->record, line, oom->len);
		if (oom->len == sizeof(oom->record) - 1)
			oom->len = 0;
	}
}

/* At its end.  -1 unless the ids in it are those that we know. */
static int open_log(const char *root)
{
	AUTO_FREE char *ns = xasprintf("%s/proc/self/ns/pid", root);
	AUTO_FREE char *path = xasprintf("%s/dev/kmsg", root);
	char id[64] = "";
	int fd;

	if (readlink(ns, id, sizeof(id) - 1) < 0 ||
	    strcmp(id, INITIAL_NAMESPACE) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* ------------------------------------------------------------------ */
/* The control group                                                   */

static uint64_t count_kills(const struct oom *oom)
{
	return cgroup_field(&oom->group,
			    oom->group.v2 ? "memory.events" :
					    "memory.oom_control",
			    "oom_kill");
}

/* Whether the group counts a kill that nobody knows of yet. */
static bool take_kill(struct oom *oom)
{
	uint64_t known = oom->before +
			 (oom->log_fd >= 0 ? oom->logged : oom->unlogged);

	if (!oom->has_group || count_kills(oom) <= known)
		return false;
	oom->unlogged++;
	return true;
}

/* ------------------------------------------------------------------ */

struct oom *oom_new(const char *root)
{
	struct oom *oom = xcalloc(1, sizeof(*oom));

	oom->log_fd = open_log(root);
	oom->has_group = cgroup_find(&oom->group, root, 0, "memory");
	if (oom->has_group)
		oom->before = count_kills(oom);
	return oom;
}

void oom_free(struct oom *oom)
{
	if (!oom)
		return;
	cleanup_close(&oom->log_fd);
	free(oom);
}

void oom_begin(struct oom *oom, pid_t pid)
{
	struct victim *v;

	read_log(oom);
	v = find(oom, pid);
	if (v)
		v->pid = 0;
}

bool oom_killed(struct oom *oom, pid_t pid, int wait_status,
		struct bigm_error *why)
{
	bool killed = WIFSIGNALED(wait_status) &&
		      WTERMSIG(wait_status) == SIGKILL;
	struct victim *v;

	if (!killed && !(WIFEXITED(wait_status) &&
			 WEXITSTATUS(wait_status) == 128 + SIGKILL))
		return false;
	read_log(oom);
	v = find(oom, pid);
	if (!v && !take_kill(oom))
		return false;
	bigm_error_set(why, BIGM_EEXHAUSTED,
		       "out of memory: the kernel killed it%s%s%s",
		       v ? " (" : "", v ? v->words : "", v ? ")" : "");
	return true;
}
