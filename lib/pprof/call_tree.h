/*
 * call_tree: all stacks of a profile from their roots on, as one tree; and
 * what is drawn of it.
 */
#ifndef PPROF_CALL_TREE_H
#define PPROF_CALL_TREE_H

#include "base/buffer.h"
#include "profile/profile.h"

/* A function, called by its parent. */
struct call_node {
	uint32_t name; /* a string of the profile */
	uint32_t parent;
	uint32_t child, next; /* the first of its own; its parent's next; by
			       * name; 0: none */
	int64_t self, total;
	int64_t start; /* total of all that stands left of it */
};

/* Nodes stand behind their parents; the first is the root of all. */
struct call_tree {
	const struct profile *p;
	struct call_node *nodes;
	uint32_t n, room;
	struct lookup by_name;
};

/* Of the values of that type; negative ones count as nothing.  The profile gets
 * strings for what has no name, and must outlive the tree.  To be released. */
void call_tree_make(struct call_tree *tree, struct profile *p, uint32_t type);
void call_tree_release(struct call_tree *tree);

/* Appends a line "ROOT;…;LEAF VALUE" for each stack, as flamegraph.pl and
 * others read it. */
int call_tree_collapse(const struct call_tree *tree, struct buffer *out,
		       struct bigm_error *err);

/* Appends an SVG image that needs nothing else: a click on a function shows
 * what is below it in full width, a search shows how much a word has. */
int call_tree_draw(const struct call_tree *tree, const char *title,
		   const char *unit, struct buffer *out,
		   struct bigm_error *err);

#endif
