#include "config.h"

#include <string.h>

#include "pprof/call_tree.h"
#include "pprof/flamegraph_text.h"
#include "pprof/frames.h"

#define WIDTH 1200.0
#define ROW 17
#define HEAD 40
#define FOOT 26
#define LEAST 0.1 /* what is narrower is not drawn */

struct drawing {
	const struct call_tree *tree;
	const char *unit;
	struct buffer *out;
	struct bigm_error *err;
	unsigned rows;
	int rc;
};

static void put(struct drawing *d, const char *s, size_t len)
{
	if (d->rc == 0)
		d->rc = buffer_append(d->out, s, len, d->err);
}

static void put_text(struct drawing *d, const char *s)
{
	put(d, s, strlen(s));
}

/* Names come from machines and may hold anything; an XML file is no more one
 * with a wrong byte in it. */
static void put_escaped(struct drawing *d, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			put_text(d, "&lt;");
		else if (*s == '>')
			put_text(d, "&gt;");
		else if (*s == '&')
			put_text(d, "&amp;");
		else
			put(d, *s >= ' ' && *s < 0x7f ? s : "?", 1);
	}
}

static double scale(const struct drawing *d)
{
	return WIDTH / (double)(d->tree->nodes[0].total > 0 ?
					d->tree->nodes[0].total :
					1);
}

/* The first drawn child of a node, or the next drawn one behind it; 0. */
static uint32_t next_drawn(const struct drawing *d, uint32_t at)
{
	while (at && (double)d->tree->nodes[at].total * scale(d) < LEAST)
		at = d->tree->nodes[at].next;
	return at;
}

/* A warm colour, the same wherever the function is. */
static void put_colour(struct drawing *d, const char *name)
{
	uint32_t hash = lookup_fold(lookup_hash(1, name, strlen(name)));

	if (d->rc == 0)
		d->rc = buffer_appendf(d->out, d->err, "rgb(%u,%u,%u)",
				       205 + hash % 50, 80 + (hash >> 8) % 130,
				       (hash >> 16) % 55);
}

static void put_frame(struct drawing *d, uint32_t at, unsigned depth)
{
	const struct call_node *n = &d->tree->nodes[at];
	const char *name = at ? profile_text(d->tree->p, n->name) : "all";
	double total = (double)d->tree->nodes[0].total;
	double x = (double)n->start * scale(d);
	char value[FRAMES_VALUE];

	put_text(d, "<g class=\"f\"><title>");
	put_escaped(d, name);
	frames_print_value(n->total, d->unit, value);
	if (d->rc == 0)
		d->rc = buffer_appendf(
			d->out, d->err, " (%s, %.2f%%)</title><rect x=\"%.2f\" "
			"y=\"%u\" width=\"%.2f\" height=\"%d\" fill=\"", value,
			total > 0 ? 100 * (double)n->total / total : 100, x,
			HEAD + (d->rows - 1 - depth) * ROW,
			at ? (double)n->total * scale(d) : WIDTH, ROW - 1);
	put_colour(d, name);
	if (d->rc == 0)
		d->rc = buffer_appendf(d->out, d->err, "\"/><text x=\"%.2f\" "
				       "y=\"%u\"></text></g>\n", x + 3,
				       HEAD + (d->rows - 1 - depth) * ROW + 12);
}

/* Goes through the tree depth first, without recursion: it may be deep.  Draws
 * it, or only counts the rows. */
static void walk(struct drawing *d, bool draw)
{
	const struct call_node *nodes = d->tree->nodes;
	uint32_t at = 0, next;
	unsigned depth = 0;

	while (d->rc == 0) {
		if (draw)
			put_frame(d, at, depth);
		else if (depth >= d->rows)
			d->rows = depth + 1;
		next = next_drawn(d, nodes[at].child);
		if (next)
			depth++;
		while (!next && at) {
			next = next_drawn(d, nodes[at].next);
			if (!next) {
				at = nodes[at].parent;
				depth--;
			}
		}
		if (!next)
			break;
		at = next;
	}
}

static void put_head(struct drawing *d, const char *title)
{
	unsigned height = HEAD + d->rows * ROW + FOOT;

	d->rc = buffer_appendf(
		d->out, d->err,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
		"width=\"100%%\" viewBox=\"0 0 %.0f %u\">\n<style>"
		"text { font: 11px monospace; pointer-events: none }"
		".b { pointer-events: auto; cursor: pointer; fill: #06c }"
		".f { cursor: pointer } .f:hover rect { stroke: #000 }"
		"rect.match { fill: #d4f }</style>\n<rect width=\"100%%\" "
		"height=\"100%%\" fill=\"#fff\"/>\n<text x=\"600\" y=\"22\" "
		"text-anchor=\"middle\" style=\"font-size: 15px\">",
		WIDTH, height);
	put_escaped(d, title);
	if (d->rc == 0)
		d->rc = buffer_appendf(
			d->out, d->err, "</text>\n<text id=\"reset\" class=\"b\" "
			"x=\"10\" y=\"22\">Reset</text>\n<text id=\"search\" "
			"class=\"b\" x=\"70\" y=\"22\">Search</text>\n<text "
			"id=\"status\" x=\"1190\" y=\"22\" text-anchor=\"end\">"
			"</text>\n<text id=\"name\" x=\"10\" y=\"%u\"></text>\n",
			height - 8);
}

int call_tree_draw(const struct call_tree *tree, const char *title,
		   const char *unit, struct buffer *out,
		   struct bigm_error *err)
{
	struct drawing d = { .tree = tree, .unit = unit, .out = out,
			     .err = err };

	walk(&d, false);
	put_head(&d, title);
	walk(&d, true);
	put_text(&d, "<script><![CDATA[\n");
	put_text(&d, flamegraph_script);
	put_text(&d, "]]></script>\n</svg>\n");
	return d.rc;
}
