/*
 * tree: a folder of fixtures that stands for the root of a host, for what
 * reads below /proc, /sys and /dev.
 */
#ifndef TEST_TREE_H
#define TEST_TREE_H

struct tree {
	char root[4096];
};

/* cmocka's setup and teardown; the state is a struct tree. */
int tree_new(void **state);
int tree_free(void **state);

/* Writes a file, and makes the folders that it is in.  path begins with '/'. */
void tree_write(struct tree *t, const char *path, const char *text);
void tree_write_in(struct tree *t, const char *folder, const char *file,
		   const char *text);
void tree_append(struct tree *t, const char *path, const char *text);

#endif
