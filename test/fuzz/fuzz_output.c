/* The output file's lines: the parser on raw bytes, and the splitter on the
 * same bytes in pieces, whose every line the parser must take. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "keeper/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *data, size_t size)
{
	struct output_line line;
	ssize_t n;

	while ((n = output_parse(data, size, &line, NULL)) > 0) {
		if (line.text + line.len + 1 != data + n)
			abort();
		data += n;
		size -= (size_t)n;
	}
}

/* The first byte says how long the pieces are. */
static void split(const uint8_t *data, size_t size)
{
	size_t piece = size > 0 ? data[0] + 1u : 1;
	struct buffer lines = BUFFER_INIT(64u << 20);
	struct output_splitter s;
	struct output_line line;
	size_t text = 0;

	output_splitter_init(&s, "m0", size % 2 ? "label" : NULL, "end");
	for (size_t at = 0; at < size; at += piece)
		output_split(&s, data + at,
			     size - at < piece ? size - at : piece, &lines);
	output_split(&s, NULL, 0, &lines);
	while (lines.len > 0) {
		ssize_t n = output_parse(buffer_data(&lines), lines.len, &line,
					 NULL);

		if (n <= 0)
			abort();
		text += line.len + line.whole;
		buffer_consume(&lines, (size_t)n);
	}
	/* Nothing is lost, but for the machine's own words, and what follows
	 * the last of them. */
	if (!s.ended && s.kind == OUTPUT_BOOT && text != size)
		abort();
	output_repeat(&s, &lines);
	while (lines.len > 0) {
		ssize_t n = output_parse(buffer_data(&lines), lines.len, &line,
					 NULL);

		if (n <= 0 || !output_is_shown(line.kind, OUTPUT_SHOW_FAILURE))
			abort();
		buffer_consume(&lines, (size_t)n);
	}
	output_splitter_release(&s);
	buffer_release(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(data, size);
	split(data, size);
	return 0;
}
