#include "config.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "ec2/xml.h"

#define BLOCK_SIZE (64u << 10)

struct xml_node {
	const char *name, *text;
	struct xml_node *first, *last, *next;
};

/* Nodes and strings live in blocks that are freed all at once. */
struct block {
	struct block *next;
	size_t used, size;
	char data[] __attribute__((aligned(16)));
};

struct xml {
	struct block *blocks;
	struct xml_node *root;
};

struct parse {
	XML_Parser parser;
	struct xml *xml;
	struct xml_node *open[XML_DEPTH_MAX];
	size_t depth, nodes;
	struct buffer text; /* of the innermost element so far */
	struct bigm_error *err;
	int ret; /* what went wrong, beside expat's own errors */
};

static void *take(struct xml *x, size_t size)
{
	struct block *b = x->blocks;
	void *place;

	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = xmalloc(sizeof(*b) + room);
		b->next = x->blocks;
		b->used = 0;
		b->size = room;
		x->blocks = b;
	}
	place = b->data + b->used;
	b->used += size;
	return place;
}

static const char *take_string(struct xml *x, const void *text, size_t len)
{
	char *s;

	if (len == 0)
		return "";
	s = take(x, len + 1);
	memcpy(s, text, len);
	s[len] = '\0';
	return s;
}

static void stop(struct parse *p, int ret)
{
	p->ret = ret;
	XML_StopParser(p->parser, XML_FALSE);
}

static void XMLCALL on_start(void *data, const XML_Char *name,
			     const XML_Char **attributes)
{
	struct parse *p = data;
	struct xml_node *n, *parent;

	if (p->depth == XML_DEPTH_MAX || p->nodes == XML_NODES_MAX) {
		stop(p, bigm_error_set(p->err, BIGM_EEXHAUSTED,
				       "it has more than %d elements%s",
				       p->depth == XML_DEPTH_MAX ?
					       XML_DEPTH_MAX :
					       XML_NODES_MAX,
				       p->depth == XML_DEPTH_MAX ?
					       " one in the other" :
					       ""));
		return;
	}
	n = take(p->xml, sizeof(*n));
	*n = (struct xml_node){
		.name = take_string(p->xml, name, strlen(name)), .text = "",
	};
	parent = p->depth ? p->open[p->depth - 1] : NULL;
	if (!parent)
		p->xml->root = n;
	else if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	if (parent)
		parent->last = n;
	p->open[p->depth++] = n;
	p->nodes++;
	buffer_consume(&p->text, p->text.len);
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	struct parse *p = data;
	struct xml_node *n;

	/* It still comes for an empty element that on_start() refused. */
	if (p->ret)
		return;
	n = p->open[--p->depth];
	if (!n->first)
		n->text = take_string(p->xml, buffer_data(&p->text),
				      p->text.len);
	buffer_consume(&p->text, p->text.len);
}

static void XMLCALL on_text(void *data, const XML_Char *text, int len)
{
	struct parse *p = data;

	/* What stands between children is white space; it is dropped. */
	if (p->depth && p->open[p->depth - 1]->first)
		return;
	/* No more than the document has, which is bounded. */
	if (buffer_append(&p->text, text, (size_t)len, p->err) < 0)
		stop(p, BIGM_EEXHAUSTED);
}

static void XMLCALL on_doctype(void *data, const XML_Char *name,
			       const XML_Char *system_id,
			       const XML_Char *public_id, int has_subset)
{
	struct parse *p = data;

	stop(p, bigm_error_set(p->err, BIGM_EPROTOCOL,
			       "it has a document type"));
}

/* Since 2.9.0 of expat it counts so far everywhere. */
static unsigned long line_of(XML_Parser parser)
{
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
	return (unsigned long)XML_GetCurrentLineNumber64(parser);
#else
	return (unsigned long)XML_GetCurrentLineNumber(parser);
#endif
}

static void parse(struct parse *p, const void *text, size_t len)
{
	XML_SetUserData(p->parser, p);
	XML_SetElementHandler(p->parser, on_start, on_end);
	XML_SetCharacterDataHandler(p->parser, on_text);
	XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
	if (XML_Parse(p->parser, text, (int)len, 1) == XML_STATUS_OK || p->ret)
		return;
	p->ret = bigm_error_set(p->err, BIGM_EPROTOCOL, "line %lu: %s",
				line_of(p->parser),
				XML_ErrorString(XML_GetErrorCode(p->parser)));
}

struct xml *xml_parse(const void *text, size_t len, struct bigm_error *err)
{
	struct parse p = { .text = BUFFER_INIT(XML_SIZE_MAX), .err = err };

	if (len > XML_SIZE_MAX) {
		bigm_error_set(err, BIGM_EEXHAUSTED,
			       "XML: it has %zu bytes, more than %u", len,
			       XML_SIZE_MAX);
		return NULL;
	}
	p.parser = XML_ParserCreate(NULL);
	if (!p.parser)
		alloc_failed();
	p.xml = xcalloc(1, sizeof(*p.xml));
	parse(&p, text, len);
	XML_ParserFree(p.parser);
	buffer_release(&p.text);
	if (!p.ret)
		return p.xml;
	error_prefix(err, "XML");
	xml_free(p.xml);
	return NULL;
}

void xml_free(struct xml *x)
{
	if (!x)
		return;
	while (x->blocks) {
		struct block *b = x->blocks;

		x->blocks = b->next;
		free(b);
	}
	free(x);
}

void cleanup_xml(struct xml **x)
{
	xml_free(*x);
}

const struct xml_node *xml_root(const struct xml *x)
{
	return x->root;
}

const char *xml_name(const struct xml_node *n)
{
	return n ? n->name : "";
}

const char *xml_text(const struct xml_node *n)
{
	return n ? n->text : "";
}

const struct xml_node *xml_first(const struct xml_node *n)
{
	return n ? n->first : NULL;
}

const struct xml_node *xml_next(const struct xml_node *n)
{
	return n ? n->next : NULL;
}

size_t xml_count(const struct xml_node *n)
{
	size_t count = 0;

	for (n = xml_first(n); n; n = n->next)
		count++;
	return count;
}

static const struct xml_node *child(const struct xml_node *n, const char *name,
				    size_t len)
{
	for (n = xml_first(n); n; n = n->next)
		if (!strncmp(n->name, name, len) && !n->name[len])
			return n;
	return NULL;
}

const struct xml_node *xml_find(const struct xml_node *n, const char *path)
{
	while (n && *path) {
		size_t len = strcspn(path, "/");

		n = child(n, path, len);
		path += len + (path[len] == '/');
	}
	return n;
}

const char *xml_get(const struct xml_node *n, const char *path)
{
	return xml_text(xml_find(n, path));
}

bool xml_get_bool(const struct xml_node *n, const char *path)
{
	return !strcmp(xml_get(n, path), "true");
}

int64_t xml_get_int(const struct xml_node *n, const char *path,
		    int64_t otherwise)
{
	const char *text = xml_get(n, path);
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	return end == text || *end || errno ? otherwise : value;
}
