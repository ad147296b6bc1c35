#include "config.h"

#include "pprof/call_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pprof/frames.h"

#define NODES_MAX (16u << 20)
#define DEEPEST 8192 /* frames of a stack; what is beyond belongs to the last */

struct node_key {
	uint32_t parent, name;
};

static bool same_node(const void *list, uint32_t at, const void *key)
{
	const struct call_node *n = &((const struct call_tree *)list)->nodes[at];
	const struct node_key *k = key;

	return n->parent == k->parent && n->name == k->name;
}

/* The node of that name below the parent, or the parent when the tree is full. */
static uint32_t go_down(struct call_tree *tree, uint32_t parent, uint32_t name)
{
	struct node_key key = { parent, name };
	uint32_t hash = lookup_fold(lookup_hash_number(
		tree->p->seed, (uint64_t)parent << 32 | name));
	uint32_t at = lookup_find(&tree->by_name, hash, same_node, tree, &key);

	if (at != LOOKUP_NONE)
		return at;
	if (tree->n == NODES_MAX)
		return parent;
	if (tree->n == tree->room) {
		tree->room = tree->room ? 2 * tree->room : 256;
		tree->nodes = xrealloc(tree->nodes, (size_t)tree->room *
							    sizeof(*tree->nodes));
	}
	if (!lookup_add(&tree->by_name, hash, tree->n))
		alloc_failed();
	tree->nodes[tree->n] = (struct call_node){ .name = name,
						   .parent = parent };
	return tree->n++;
}

static void add_sample(struct call_tree *tree, const struct frames *f,
		       const struct profile_sample *s, int64_t value)
{
	uint32_t at = 0, depth = 0;

	for (uint32_t k = s->locations; k-- > 0;) {
		uint32_t l = f->p->stacks[s->first_location + k];

		for (uint32_t n = f->first[l + 1]; n-- > f->first[l];)
			if (depth++ < DEEPEST)
				at = go_down(tree, at, f->names[n]);
	}
	tree->nodes[at].self = profile_sum(tree->nodes[at].self, value);
}

static int by_name(const void *a, const void *b, void *data)
{
	const struct call_tree *tree = data;
	const struct call_node *x = &tree->nodes[*(const uint32_t *)a];
	const struct call_node *y = &tree->nodes[*(const uint32_t *)b];

	return strcmp(profile_text(tree->p, x->name),
		      profile_text(tree->p, y->name));
}

/* Sums up, from the leaves on, and links children to their parents. */
static void finish(struct call_tree *tree)
{
	AUTO_FREE uint32_t *order = xcalloc((size_t)tree->n + 1,
					    sizeof(*order));

	for (uint32_t i = 0; i < tree->n; i++)
		order[i] = i;
	for (uint32_t i = tree->n; i-- > 0;) {
		struct call_node *n = &tree->nodes[i];

		n->total = profile_sum(n->total, n->self);
		if (i > 0)
			tree->nodes[n->parent].total = profile_sum(
				tree->nodes[n->parent].total, n->total);
	}
	qsort_r(order, tree->n, sizeof(*order), by_name, tree);
	/* From the last name on, each goes before the others. */
	for (uint32_t i = tree->n; i-- > 0;) {
		struct call_node *n = &tree->nodes[order[i]];

		if (order[i] == 0)
			continue;
		n->next = tree->nodes[n->parent].child;
		tree->nodes[n->parent].child = order[i];
	}
	for (uint32_t i = 0; i < tree->n; i++) {
		int64_t start = tree->nodes[i].start;

		for (uint32_t c = tree->nodes[i].child; c;
		     c = tree->nodes[c].next) {
			tree->nodes[c].start = start;
			start = profile_sum(start, tree->nodes[c].total);
		}
	}
}

void call_tree_make(struct call_tree *tree, struct profile *p, uint32_t type)
{
	struct frames f;

	*tree = (struct call_tree){ .p = p };
	/* Its parent is one that nobody has: it is found by none. */
	go_down(tree, PROFILE_NONE, 0);
	frames_init(&f, p);
	for (uint32_t i = 0; i < p->n_samples; i++) {
		int64_t value = frames_value(p, i, type);

		if (value > 0)
			add_sample(tree, &f, &p->samples[i], value);
	}
	frames_release(&f);
	finish(tree);
}

void call_tree_release(struct call_tree *tree)
{
	free(tree->nodes);
	lookup_release(&tree->by_name);
	*tree = (struct call_tree){ 0 };
}

/* A name without what divides names here. */
static int append_name(const struct call_tree *tree, uint32_t node,
		       struct buffer *out, struct bigm_error *err)
{
	const char *name = profile_text(tree->p, tree->nodes[node].name);
	size_t start = out->len;
	int rc = buffer_append(out, name, strlen(name), err);
	uint8_t *p = buffer_data(out);

	for (size_t i = start; rc == 0 && i < out->len; i++)
		if (p[i] == ';' || p[i] < ' ')
			p[i] = '_';
	return rc;
}

static int append_stack(const struct call_tree *tree, uint32_t node,
			struct buffer *out, struct bigm_error *err)
{
	uint32_t path[DEEPEST], depth = 0;
	int rc = 0;

	for (uint32_t i = node; i != 0; i = tree->nodes[i].parent)
		path[depth++] = i;
	while (rc == 0 && depth-- > 0) {
		rc = append_name(tree, path[depth], out, err);
		if (rc == 0 && depth > 0)
			rc = buffer_append(out, ";", 1, err);
	}
	if (rc == 0)
		rc = buffer_appendf(out, err, " %lld\n",
				    (long long)tree->nodes[node].self);
	return rc;
}

int call_tree_collapse(const struct call_tree *tree, struct buffer *out,
		       struct bigm_error *err)
{
	uint32_t at = 0;
	int rc = 0;

	/* Depth first, by the links alone: it may be deeper than our stack. */
	while (rc == 0) {
		if (at != 0 && tree->nodes[at].self > 0)
			rc = append_stack(tree, at, out, err);
		if (tree->nodes[at].child) {
			at = tree->nodes[at].child;
			continue;
		}
		while (at != 0 && !tree->nodes[at].next)
			at = tree->nodes[at].parent;
		if (at == 0)
			break;
		at = tree->nodes[at].next;
	}
	return rc;
}
