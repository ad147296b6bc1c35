#include "base/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

size_t strings_count(strings_list list)
{
	size_t n = 0;

	while (list.theirs && list.theirs[n])
		n++;
	return n;
}

bool strings_have(strings_list list, const char *string)
{
	const char *const *at = list.theirs;

	while (at && *at && strcmp(*at, string) != 0)
		at++;
	return at && *at;
}

char **strings_copy(strings_list list)
{
	size_t n = strings_count(list);
	char **copy = list.theirs ? xcalloc(n + 1, sizeof(*copy)) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(list.theirs[i]);
	return copy;
}

void strings_add(char ***list, char *string)
{
	size_t n = strings_count(*list);

	*list = xrealloc(*list, (n + 2) * sizeof(**list));
	(*list)[n] = string;
	(*list)[n + 1] = NULL;
}

void strings_free(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
}
