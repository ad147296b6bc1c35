/*
 * status_columns: the figures that bigm status --watch shows on a screen, and
 * how machines are sorted by them: one table of columns has the names for
 * --sort, the keys, the titles, the values and how these are written.
 */
#ifndef CMD_STATUS_COLUMNS_H
#define CMD_STATUS_COLUMNS_H

#include "base/json.h"
#include "cmd/table.h"

/* What one can sort by: names, and NULL. */
extern const char *const status_columns[];

/* How machines are shown. */
struct status_view {
	int sort;      /* an index of status_columns */
	bool reversed; /* otherwise the most comes first, but of names */
};

/* Does what a key (cmd/screen.h) says of the view; false when it says nothing. */
bool status_view_key(struct status_view *view, int key);
/* Which keys there are; malloc'ed. */
char *status_view_help(void);

/* The titles of figures, NULL at the end, written to titles (TABLE_COLUMNS and
 * one more), which is returned; and the cells of a machine. */
const char *const *status_figure_titles(const char **titles);
void status_add_figures(struct table *t, const cJSON *machine);

/* The title, in buf with a mark if the view (may be NULL) is sorted by it. */
const char *status_mark_title(const struct status_view *view, const char *title,
			      char *buf, size_t len);

/* The machines in the order of the view; NULL: in theirs.  malloc'ed, with a
 * NULL behind the last. */
const cJSON **status_sort(const cJSON *machines, const struct status_view *view);

/* From what was seen before (NULL: nothing) and now, lists of clusters: "rate",
 * calls a second, and "latency", seconds, among the figures of each machine in
 * *now. */
void status_add_rates(const cJSON *before, cJSON *now);

#endif
