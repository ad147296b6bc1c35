/*
 * table: facts in columns, for people.
 */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS 20

#define TABLE_RED "\033[31m"
#define TABLE_GREEN "\033[32m"
#define TABLE_YELLOW "\033[33m"

struct table_cell {
	char *text;
	const char *colour; /* NULL: none */
};

struct table {
	size_t columns;
	struct table_cell *cells; /* row by row */
	size_t n;		  /* of them */
};

/* The headers are the first row; NULL ends them. */
void table_init(struct table *table, const char *const *headers);
void table_release(struct table *table);

/* One cell after the other, from left to right; copied.  A cell is one line
 * without control characters, whatever was given. */
void table_add(struct table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The colour of the cell that was added last; NULL: none. */
void table_colour(struct table *table, const char *colour);

/* Columns that are empty but for the header are left out.  Lines are cut at
 * the width; 0: never. */
void table_print(const struct table *table, size_t width, FILE *out);

/* The width of the terminal that stdout is; 0 when it is none. */
size_t table_width(void);

/* Whether fd is a terminal whose user likes colours (NO_COLOR). */
bool table_wants_colour(int fd);

#endif
