#include "config.h"

#include "base/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FOLDER "/sys/fs/cgroup"

/* True when the word is in the list, as "cpu" in "cpu,cpuacct". */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; list; list = strchr(list, ','), list = list ? list + 1 : NULL)
		if (strncmp(list, word, len) == 0 &&
		    (list[len] == ',' || list[len] == '\0'))
			return true;
	return false;
}

/* "ID:CONTROLLERS:/PATH\n", cut at its colons; false for no such line. */
static bool split_line(char *line, char **controllers, char **path)
{
	*controllers = strchr(line, ':');
	*path = *controllers ? strchr(*controllers + 1, ':') : NULL;
	if (!*path)
		return false;
	++*controllers;
	*(*path)++ = '\0';
	(*path)[strcspn(*path, "\n")] = '\0';
	return **path == '/';
}

bool cgroup_find(struct cgroup *group, const char *root, pid_t pid,
		 const char *controller)
{
	AUTO_FREE char *name = pid > 0 ?
		xasprintf("%s/proc/%d/cgroup", root, (int)pid) :
		xasprintf("%s/proc/self/cgroup", root);
	AUTO_FCLOSE FILE *file = fopen(name, "re");
	AUTO_FREE char *line = NULL;
	char *controllers, *path;
	size_t size = 0;
	bool found = false;

	while (file && getline(&line, &size, file) > 0) {
		int top;

		if (!split_line(line, &controllers, &path))
			continue;
		if (has_word(controllers, controller))
			controllers = (char *)controller;
		else if (*controllers || found)
			continue;
		top = snprintf(group->path, sizeof(group->path),
			       "%s" FOLDER "%s%s", root,
			       *controllers ? "/" : "", controllers);
		if ((size_t)top >= sizeof(group->path))
			return false;
		group->top = (size_t)top;
		group->v2 = *controllers == '\0';
		found = (size_t)snprintf(group->path + top,
					 sizeof(group->path) - (size_t)top,
					 "%s", path) <
			sizeof(group->path) - (size_t)top;
	}
	return found;
}

bool cgroup_up(struct cgroup *group)
{
	char *slash = strrchr(group->path + group->top, '/');

	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

static FILE *open_file(const struct cgroup *group, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", group->path, name);

	return fopen(path, "re");
}

uint64_t cgroup_value(const struct cgroup *group, const char *file)
{
	AUTO_FCLOSE FILE *f = open_file(group, file);
	uint64_t value;

	if (!f || fscanf(f, "%" SCNu64, &value) != 1)
		return UINT64_MAX;
	return value;
}

uint64_t cgroup_field(const struct cgroup *group, const char *file,
		      const char *key)
{
	AUTO_FCLOSE FILE *f = open_file(group, file);
	AUTO_FREE char *line = NULL;
	size_t size = 0, len = strlen(key);

	while (f && getline(&line, &size, f) > 0)
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
	return 0;
}
