/*
 * live: what the keeper's page at "/" shows, and tells again and again.
 *
 *	/		the page: lib/keeper/live/page.html, page.css, page.js, which
 *			are embedded into the program
 *	/live/data	?since=N: {"gen", "facts": {"cluster", …}, "machines": […]},
 *			of each machine that is another than at gen N a row, see live_row()
 *	/live/log	?after=N: {"next", "lines": [[MS, "m0", "TEXT"]…]}: of what
 *			the machines print, the last lines, or, of what came after
 *			N, as much as goes into LIVE_LOG_BYTES; "skipped" when there
 *			was more
 *
 * Nothing of it costs anything while nobody looks.  While somebody does, there
 * is a survey (survey.h) every LIVE_FIGURES_MS, and rows are made anew at most
 * every LIVE_ROWS_MS, however many look.
 *
 * Loop thread, but for the handlers.
 */
#ifndef KEEPER_LIVE_H
#define KEEPER_LIVE_H

#include "base/json.h"
#include "debug/pages.h"

#define LIVE_ROWS_MS 400
#define LIVE_FIGURES_MS 3000
#define LIVE_LOG_BYTES (128u << 10)
#define LIVE_LOG_LINES 200
#define LIVE_LINE_MAX 2000 /* bytes of a line that are shown */

struct keeper;
struct live;

/* Before anybody asks. */
struct live *live_new(struct keeper *k);

/* Somebody looks: machines are asked for their figures, for a while. */
void live_want(struct live *live);
/* Adds the "figures" of a machine, as /live/data has them; nothing when it has
 * not said any. */
void live_add_figures(const struct live *live, int index, cJSON *json);
/* The loop does not run any more: asks nobody.  NULL will do, here and below. */
void live_end(struct live *live);
/* When no handler runs any more; before loop_free(). */
void live_free(struct live *live);

/* Its routes; data is the live. */
extern const struct debug_route live_routes[];

#endif
