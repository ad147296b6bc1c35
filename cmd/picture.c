#include "cmd/picture.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/lines.h"

/* Of a terminal that does not say how big it is. */
#define COLUMNS 80
#define ROWS 24

#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

void picture_init(struct picture *picture)
{
	buffer_init(&picture->drawn, SIZE_MAX);
}

void picture_release(struct picture *picture)
{
	buffer_release(&picture->drawn);
}

void picture_size(size_t *columns, size_t *rows)
{
	struct winsize size = { .ws_row = 0 };

	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col != 0 ? size.ws_col : COLUMNS;
	*rows = size.ws_row != 0 ? size.ws_row : ROWS;
}

/* How many rows of a terminal of that width the text takes: when it has become
 * narrower since, it has broken the lines anew. */
static size_t count_rows(const struct buffer *text, size_t columns)
{
	const uint8_t *bytes = buffer_data(text);
	size_t rows = 0, width = 0;

	for (size_t i = 0; i < text->len; i++) {
		if (bytes[i] == '\n') {
			rows += width > columns ? (width - 1) / columns + 1 : 1;
			width = 0;
		} else if (bytes[i] == '\033') {
			while (i < text->len && bytes[i] != 'm')
				i++;
		} else {
			width += (bytes[i] & 0xc0) != 0x80;
		}
	}
	return rows;
}

/* Leads the cursor back to where the picture begins. */
static void append_return(const struct picture *picture, struct buffer *out)
{
	size_t columns, rows;

	picture_size(&columns, &rows);
	rows = count_rows(&picture->drawn, columns);
	buffer_append(out, "\r", 1, NULL);
	if (rows > 0)
		buffer_appendf(out, NULL, "\033[%zuA", rows);
}

static void write_out(struct buffer *out)
{
	lines_write_all(STDERR_FILENO, buffer_data(out), out->len);
	buffer_release(out);
}

void picture_forget(struct picture *picture)
{
	buffer_consume(&picture->drawn, picture->drawn.len);
}

void picture_erase(struct picture *picture)
{
	struct buffer out = BUFFER_INIT(SIZE_MAX);

	if (picture->drawn.len == 0)
		return;
	append_return(picture, &out);
	buffer_appendf(&out, NULL, CLEAR_REST);
	picture_forget(picture);
	write_out(&out);
}

/* What is below is cleared at the end, and not before: that would flicker. */
void picture_draw(struct picture *picture, const char *text)
{
	struct buffer out = BUFFER_INIT(SIZE_MAX);

	if (picture->drawn.len > 0)
		append_return(picture, &out);
	picture_forget(picture);
	buffer_append(&picture->drawn, text, strlen(text), NULL);
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		buffer_append(&out, text, len, NULL);
		buffer_appendf(&out, NULL, CLEAR_LINE "\r\n");
		text += len + (text[len] == '\n');
	}
	buffer_appendf(&out, NULL, CLEAR_REST);
	write_out(&out);
}
