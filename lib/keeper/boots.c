#include "config.h"

#include "keeper/boots.h"

void boots_succeeded(struct boots *boots, struct output_splitter *s)
{
	if (boots->failed < BOOTS_MOST)
		for (int i = 0; i < boots->failed; i++)
			output_booted(boots->kept[i]);
	boots->failed = 0;
	output_booted(s);
}

void boots_failed(struct boots *boots, struct output_splitter *s,
		  struct buffer *lines)
{
	if (boots->failed == BOOTS_MOST) {
		output_repeat(s, lines);
		return;
	}
	boots->kept[boots->failed++] = s;
	for (int i = 0; boots->failed == BOOTS_MOST && i < BOOTS_MOST; i++)
		output_repeat(boots->kept[i], lines);
}
