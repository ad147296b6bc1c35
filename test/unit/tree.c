#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "tree.h"

#include <unistd.h>

int tree_new(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));
	const char *tmp = getenv("TMPDIR");

	snprintf(t->root, sizeof(t->root), "%s/tree-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(t->root));
	*state = t;
	return 0;
}

int tree_free(void **state)
{
	struct tree *t = *state;

	assert_int_equal(folder_empty(t->root, NULL, NULL), 0);
	rmdir(t->root);
	free(t);
	return 0;
}

static void put(struct tree *t, const char *path, const char *text,
		const char *mode)
{
	AUTO_FREE char *full = xasprintf("%s%s", t->root, path);
	FILE *file;

	for (char *p = strchr(full + strlen(t->root) + 1, '/'); p;
	     p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	file = fopen(full, mode);
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

void tree_write(struct tree *t, const char *path, const char *text)
{
	put(t, path, text, "we");
}

void tree_append(struct tree *t, const char *path, const char *text)
{
	put(t, path, text, "ae");
}

void tree_write_in(struct tree *t, const char *folder, const char *file,
		   const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, file);

	tree_write(t, path, text);
}
