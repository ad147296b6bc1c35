#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "ec2/api.h"

void params_filters(struct params *p, const struct ec2_filter *filters,
		    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		params_item(p, "Filter");
		params_string(p, "Name", filters[i].name);
		params_strings(p, "Value", filters[i].values, filters[i].n);
		params_end(p);
	}
}

void params_tags(struct params *p, const char *resource_type,
		 const struct ec2_tag *tags, size_t n)
{
	if (n == 0)
		return;
	params_item(p, "TagSpecification");
	params_string(p, "ResourceType", resource_type);
	for (size_t i = 0; i < n; i++) {
		params_item(p, "Tag");
		params_string(p, "Key", tags[i].key);
		params_string(p, "Value", tags[i].value);
		params_end(p);
	}
	params_end(p);
}

const char *ec2_tag_value(const struct xml_node *tags, const char *key)
{
	const struct xml_node *n = xml_first(tags);

	while (n && strcmp(xml_get(n, "key"), key) != 0)
		n = xml_next(n);
	return xml_get(n, "value");
}

int64_t ec2_time(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end && (*end == '.' || *end == 'Z') ? timegm(&tm) : 0;
}

void *ec2_grow(void *items, size_t count, size_t size)
{
	/* At 0, 1, 2, 4, 8, …, when the room is used up. */
	if ((count & (count - 1)) == 0 || count == 0)
		items = xrealloc(items, (count ? 2 * count : 1) * size);
	memset((char *)items + count * size, 0, size);
	return items;
}
