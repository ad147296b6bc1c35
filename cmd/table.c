#include "cmd/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

/* Between two columns. */
#define GAP 2

#define PLAIN "\033[0m"

void table_init(struct table *table, const char *const *headers)
{
	*table = (struct table){ 0 };
	while (headers[table->columns] != NULL)
		table->columns++;
	for (size_t i = 0; i < table->columns; i++)
		table_add(table, "%s", headers[i]);
}

void table_release(struct table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->cells[i].text);
	free(table->cells);
}

void table_add(struct table *table, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	text_vformat(text, sizeof(text), fmt, ap);
	va_end(ap);
	table->cells = xrealloc(table->cells,
				(table->n + 1) * sizeof(*table->cells));
	table->cells[table->n++] = (struct table_cell){
		.text = xstrdup(text),
	};
}

void table_colour(struct table *table, const char *colour)
{
	table->cells[table->n - 1].colour = colour;
}

/* Characters, not bytes; good enough for the text that we print. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* 0 for a column that has nothing to show. */
static size_t column_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t i = column + table->columns; i < table->n;
	     i += table->columns) {
		size_t cell = text_width(table->cells[i].text);

		width = cell > width ? cell : width;
	}
	if (width > 0 && text_width(table->cells[column].text) > width)
		width = text_width(table->cells[column].text);
	return width;
}

/* The text's first `width` characters, the last being "…" when it is cut. */
static void print_cut(const struct table_cell *cell, size_t width, FILE *out)
{
	const char *text = cell->text;
	bool cut = text_width(text) > width;
	size_t n = 0;

	if (cell->colour != NULL)
		fputs(cell->colour, out);
	for (; *text != '\0'; text++) {
		n += ((unsigned char)*text & 0xc0) != 0x80;
		if (cut && n >= width)
			break;
		fputc(*text, out);
	}
	if (cut && width > 0)
		fputs("…", out);
	if (cell->colour != NULL)
		fputs(PLAIN, out);
}

static void print_row(const struct table_cell *cells, const size_t *widths, size_t columns,
		      size_t width, FILE *out)
{
	size_t at = 0, pending = 0;

	for (size_t i = 0; i < columns; i++) {
		size_t cell = text_width(cells[i].text);

		if (widths[i] == 0)
			continue;
		if (cell > 0 && (width == 0 || at + pending < width)) {
			fprintf(out, "%*s", (int)pending, "");
			at += pending;
			print_cut(&cells[i], width == 0 ? cell : width - at, out);
			at += cell;
			pending = 0;
		}
		pending += widths[i] - cell + GAP;
	}
	fputc('\n', out);
}

void table_print(const struct table *table, size_t width, FILE *out)
{
	size_t widths[TABLE_COLUMNS];

	for (size_t i = 0; i < table->columns; i++)
		widths[i] = column_width(table, i);
	for (size_t i = 0; i + table->columns <= table->n; i += table->columns)
		print_row(table->cells + i, widths, table->columns, width, out);
}

size_t table_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

bool table_wants_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && (no == NULL || *no == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}
