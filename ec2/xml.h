/*
 * xml: what a service answered, as a small tree.
 *
 * Parsed by expat, which knows encodings, well-formedness and all that; what
 * is kept of it is what AWS's answers are made of: elements with either
 * children or text.  Attributes, comments and namespaces are dropped.  A
 * document type, and so every entity but the five that XML has by itself, is
 * refused; depth, number of elements and size are bounded.
 *
 * A tree does not change once it is there, and any thread may read it.  All
 * getters take NULL for a node, which has nothing in it, so that a path through
 * what may be missing needs no checks on its way.
 */
#ifndef EC2_XML_H
#define EC2_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

#define XML_DEPTH_MAX 24	 /* EC2's deepest answer has 9 */
#define XML_NODES_MAX 500000	 /* 1,000 instances have about 150,000 */
#define XML_SIZE_MAX (32u << 20) /* of the document, bytes */

struct xml; /* a document */
struct xml_node;

/* NULL with BIGM_EPROTOCOL, and the line, for what is not well-formed or has a
 * document type; with BIGM_EEXHAUSTED for what is beyond the limits. */
struct xml *xml_parse(const void *text, size_t len, struct bigm_error *err);
void xml_free(struct xml *x);

const struct xml_node *xml_root(const struct xml *x);

const char *xml_name(const struct xml_node *n); /* "" for NULL */
/* The text of an element without children, white space and all; "" for one
 * with children, and for NULL. */
const char *xml_text(const struct xml_node *n);

/* Children in their order: for (n = xml_first(list); n; n = xml_next(n)). */
const struct xml_node *xml_first(const struct xml_node *n);
const struct xml_node *xml_next(const struct xml_node *n);
size_t xml_count(const struct xml_node *n); /* children */

/* The first descendant at a path, "placement/availabilityZone", or NULL. */
const struct xml_node *xml_find(const struct xml_node *n, const char *path);

/* Its text, or "" where there is none of that path. */
const char *xml_get(const struct xml_node *n, const char *path);
bool xml_get_bool(const struct xml_node *n, const char *path); /* "true" */
/* A whole number, or otherwise where it is missing or none. */
int64_t xml_get_int(const struct xml_node *n, const char *path,
		    int64_t otherwise);

void cleanup_xml(struct xml **x);
#define AUTO_XML __attribute__((cleanup(cleanup_xml)))

#endif
