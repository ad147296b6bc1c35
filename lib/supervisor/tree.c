#include "config.h"

#include "supervisor/tree.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define MODE_DIGITS 4
#define HEAD (MODE_DIGITS + 1) /* "0644 " */

static bool is_part(const char *part, size_t len)
{
	return len > 0 && len <= NAME_MAX && strncmp(part, ".", len) != 0 &&
	       !(len == 2 && memcmp(part, "..", 2) == 0) &&
	       strncmp(part, TREE_TEMPORARY, strlen(TREE_TEMPORARY)) != 0;
}

/* "." or a relative path of honest parts. */
static bool is_path(const char *path)
{
	int depth = 0;

	if (strcmp(path, ".") == 0)
		return true;
	if (strlen(path) >= PATH_MAX)
		return false;
	for (;; path++, depth++) {
		size_t len = strcspn(path, "/");

		if (!is_part(path, len) || depth > TREE_DEPTH)
			return false;
		path += len;
		if (*path == '\0')
			return true;
	}
}

static bool is_target(const char *target, size_t len)
{
	return len > 0 && len < PATH_MAX && strlen(target) == len;
}

static int read_mode(const char *digits, mode_t *mode)
{
	*mode = 0;
	for (int i = 0; i < MODE_DIGITS; i++) {
		if (digits[i] < '0' || digits[i] > '7')
			return -1;
		*mode = *mode << 3 | (mode_t)(digits[i] - '0');
	}
	return *mode > 0777 || digits[MODE_DIGITS] != ' ' ? -1 : 0;
}

int tree_entry_read(struct tree_entry *entry, char kind, const void *data,
		    size_t len, struct bigm_error *err)
{
	size_t path_len;

	*entry = (struct tree_entry){ .kind = kind };
	if (len < HEAD || read_mode(data, &entry->mode) < 0)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "an entry of a copy does not begin with a "
				      "mode");
	entry->copy = xmalloc(len - HEAD + 1);
	memcpy(entry->copy, (const char *)data + HEAD, len - HEAD);
	entry->copy[len - HEAD] = '\0';
	entry->path = entry->copy;
	path_len = strlen(entry->path);
	if (kind == 'l' && HEAD + path_len < len)
		entry->target = entry->copy + path_len + 1;
	if (!is_path(entry->path) ||
	    (kind != 'l' && HEAD + path_len != len))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the name \"%s\" is refused: it is none of "
				      "a file below the folder that is copied",
				      entry->path);
	if (kind == 'l' &&
	    (strcmp(entry->path, ".") == 0 || !entry->target ||
	     !is_target(entry->target, len - HEAD - path_len - 1)))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the link \"%s\" is refused: its target is "
				      "none", entry->path);
	return 0;
}

void tree_entry_release(struct tree_entry *entry)
{
	free(entry->copy);
	entry->copy = NULL;
}

/* Up no further than it is deep, and never up again behind a name, which may be
 * another link. */
bool tree_link_stays(const char *path, const char *target)
{
	int depth = 0;
	bool down = false;

	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		depth++;
	if (*target == '/')
		return false;
	while (*target) {
		size_t len = strcspn(target, "/");

		if (len == 2 && memcmp(target, "..", 2) == 0) {
			if (down || --depth < 0)
				return false;
		} else if (len > 0 && !(len == 1 && *target == '.')) {
			down = true;
		}
		target += len + (target[len] == '/');
	}
	return true;
}

char *tree_join(const char *folder, const char *name)
{
	return strcmp(folder, ".") == 0 ? xstrdup(name) :
					  xasprintf("%s/%s", folder, name);
}
