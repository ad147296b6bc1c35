#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

void yaml_tree_read(struct yaml_tree *tree, const void *text, size_t len)
{
	yaml_parser_t parser;

	assert_true(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, text, len);
	if (!yaml_parser_load(&parser, &tree->document))
		fail_msg("line %zu: %s", parser.problem_mark.line + 1,
			 parser.problem);
	yaml_parser_delete(&parser);
}

void yaml_tree_release(struct yaml_tree *tree)
{
	yaml_document_delete(&tree->document);
}

static const char *text_of(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE
		       ? (const char *)node->data.scalar.value
		       : NULL;
}

static yaml_node_t *step(yaml_document_t *d, const yaml_node_t *node,
			 const char *name)
{
	if (node->type == YAML_SEQUENCE_NODE) {
		yaml_node_item_t *item =
			node->data.sequence.items.start + atoi(name);

		return item < node->data.sequence.items.top
			       ? yaml_document_get_node(d, *item)
			       : NULL;
	}
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const char *key = text_of(yaml_document_get_node(d, pair->key));

		if (key && strcmp(key, name) == 0)
			return yaml_document_get_node(d, pair->value);
	}
	return NULL;
}

const yaml_node_t *yaml_tree_find(struct yaml_tree *tree, const char *way)
{
	yaml_node_t *node = yaml_document_get_root_node(&tree->document);
	char words[128], *rest = words;

	snprintf(words, sizeof(words), "%s", way);
	for (char *w; node && (w = strtok_r(rest, ".", &rest));)
		node = step(&tree->document, node, w);
	return node;
}

const char *yaml_tree_text(struct yaml_tree *tree, const char *way)
{
	const char *text = text_of(yaml_tree_find(tree, way));

	if (!text)
		fail_msg("the document has no %s", way);
	return text ? text : "";
}

size_t yaml_tree_count(struct yaml_tree *tree, const char *way)
{
	const yaml_node_t *node = yaml_tree_find(tree, way);

	return node && node->type == YAML_SEQUENCE_NODE
		       ? (size_t)(node->data.sequence.items.top -
				  node->data.sequence.items.start)
		       : 0;
}

int yaml_tree_search(struct yaml_tree *tree, const char *way, const char *key,
		     const char *value)
{
	char place[256];

	for (size_t i = 0; i < yaml_tree_count(tree, way); i++) {
		const char *text;

		snprintf(place, sizeof(place), "%s.%zu.%s", way, i, key);
		text = text_of(yaml_tree_find(tree, place));
		if (text && strcmp(text, value) == 0)
			return (int)i;
	}
	return -1;
}

int yaml_tree_has_words(struct yaml_tree *tree, const char *way,
			const char *words)
{
	char place[256];

	for (size_t i = 0; i < yaml_tree_count(tree, way); i++) {
		char line[4096] = "";
		size_t n;

		snprintf(place, sizeof(place), "%s.%zu", way, i);
		n = yaml_tree_count(tree, place);
		for (size_t k = 0; k < n; k++) {
			size_t len = strlen(line);

			snprintf(place, sizeof(place), "%s.%zu.%zu", way, i, k);
			snprintf(line + len, sizeof(line) - len, "%s%s",
				 k ? " " : "", yaml_tree_text(tree, place));
		}
		if (strcmp(line, words) == 0)
			return 1;
	}
	return 0;
}
