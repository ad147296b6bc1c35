/*
 * yaml_tree: a YAML document read with libyaml, for tests that look into it.
 */
#ifndef TEST_UNIT_YAML_TREE_H
#define TEST_UNIT_YAML_TREE_H

#include <stddef.h>
#include <yaml.h>

struct yaml_tree {
	yaml_document_t document;
};

/* Fails the test for what is no YAML. */
void yaml_tree_read(struct yaml_tree *tree, const void *text, size_t len);
void yaml_tree_release(struct yaml_tree *tree);

/* By the way from the top: "coreos.units.0.name"; NULL when there is none. */
const yaml_node_t *yaml_tree_find(struct yaml_tree *tree, const char *way);
/* The text there; fails the test when there is none. */
const char *yaml_tree_text(struct yaml_tree *tree, const char *way);
/* Items of the list there; 0 when there is none. */
size_t yaml_tree_count(struct yaml_tree *tree, const char *way);
/* The place in the list `way` of the map that has `key: value`; -1. */
int yaml_tree_search(struct yaml_tree *tree, const char *way, const char *key,
		     const char *value);
/* Whether the list of lists has one with just these words, between blanks. */
int yaml_tree_has_words(struct yaml_tree *tree, const char *way,
			const char *words);

#endif
