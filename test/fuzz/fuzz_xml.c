/* What a service answers: parsed, and walked through every getter. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ec2/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct xml_node *n, size_t depth)
{
	size_t nodes = 1;

	if (depth > XML_DEPTH_MAX || !*xml_name(n) ||
	    (xml_first(n) && *xml_text(n)))
		abort();
	if (xml_first(n) && xml_find(n, xml_name(xml_first(n))) != xml_first(n))
		abort();
	xml_get_int(n, "item", 0);
	xml_get_bool(n, "item/a");
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c))
		nodes += walk(c, depth + 1);
	return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_XML struct xml *x = xml_parse(data, size, &err);

	if (!x && (!err.code || !*err.text))
		abort();
	if (x && walk(xml_root(x), 1) > XML_NODES_MAX)
		abort();
	return 0;
}
