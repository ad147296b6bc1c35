#include "cmd/map_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"

/* One list behind the other, each NULL-terminated. */
struct lists {
	char ***items;
	size_t n;
};

/* 3: words, 4: files; 0: it begins nothing. */
static int colons(const char *word)
{
	size_t n = strspn(word, ":");

	return (n == 3 || n == 4) && (word[n] == '\0' || strcmp(word + n, "+") == 0)
		       ? (int)n : 0;
}

char **map_sources_find(char **argv)
{
	while (*argv != NULL && colons(*argv) == 0)
		argv++;
	return *argv != NULL ? argv : NULL;
}

static void begin_list(struct lists *lists)
{
	lists->items = xrealloc(lists->items,
				(lists->n + 2) * sizeof(*lists->items));
	lists->items[lists->n++] = xcalloc(1, sizeof(char *));
	lists->items[lists->n] = NULL;
}

/* n: of the list that was begun last. */
static void add_word(struct lists *lists, size_t n, const char *word)
{
	char ***list = &lists->items[lists->n - 1];

	*list = xrealloc(*list, (n + 2) * sizeof(**list));
	(*list)[n] = xstrdup(word);
	(*list)[n + 1] = NULL;
}

static int open_file(const char *name, struct bigm_error *err)
{
	int fd = strcmp(name, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(name, O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : error_set_errno(err, errno, "%s", name);
}

static int add_file(struct lists *lists, const char *name, char delimiter,
		    struct bigm_error *err)
{
	AUTO_CLOSE int fd = open_file(name, err);
	const char *const *inputs;
	struct map_input *file;
	size_t n = 0;
	int code;

	if (fd < 0)
		return err->code;
	file = map_input_from_file(fd, delimiter);
	begin_list(lists);
	while ((code = map_input_next(file, &inputs, err)) > 0)
		add_word(lists, n++, inputs[0]);
	map_input_free(file);
	return code == 0 ? 0 : error_prefix(err, "%s", name);
}

static int add_words(struct lists *lists, char **words, char delimiter,
		     struct bigm_error *err)
{
	int kind = 0, code = 0;
	size_t n = 0;

	for (; words != NULL && *words != NULL && code == 0; words++) {
		if (colons(*words) != 0 && strchr(*words, '+') != NULL)
			return bigm_error_set(err, BIGM_EINVALID,
					      "%s: lists are combined, and not "
					      "linked to one another", *words);
		if (colons(*words) != 0) {
			kind = colons(*words);
			n = 0;
			if (kind == 3)
				begin_list(lists);
		} else if (kind == 3) {
			add_word(lists, n++, *words);
		} else {
			code = add_file(lists, *words, delimiter, err);
		}
	}
	return code;
}

/* The only file, of -a or behind "::::"; NULL: there are others, or words. */
static const char *only_file(const struct map_sources *s)
{
	char **words = s->words;

	if (words == NULL)
		return s->files.n == 0 ? "-" : s->files.n == 1 ? s->files.items[0]
							       : NULL;
	return s->files.n == 0 && strcmp(words[0], "::::") == 0 &&
			       words[1] != NULL && words[2] == NULL ? words[1] : NULL;
}

struct map_input *map_sources_open(const struct map_sources *s, int *fd,
				   struct bigm_error *err)
{
	const char *only = only_file(s);
	struct map_input *input = NULL;
	struct lists lists = { 0 };
	int code = 0;

	*fd = -1;
	if (only != NULL) {
		*fd = open_file(only, err);
		return *fd < 0 ? NULL : map_input_from_file(*fd, s->delimiter);
	}
	for (size_t i = 0; i < s->files.n && code == 0; i++)
		code = add_file(&lists, s->files.items[i], s->delimiter, err);
	if (code == 0)
		code = add_words(&lists, s->words, s->delimiter, err);
	if (code == 0 && lists.n == 0)
		code = bigm_error_set(err, BIGM_EINVALID, "::::: which files?");
	if (code == 0)
		input = map_input_from_lists(lists.items);
	for (size_t i = 0; i < lists.n; i++)
		strings_free(lists.items[i]);
	free(lists.items);
	return input;
}
