#include "cmd/progress_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/table.h"

/* The title, the table's headers, and the line that the cursor is on. */
#define OTHER_ROWS 3
#define MB 1e6
/* More than that of many machines is no help. */
#define MOST_SLOW 10

static bool is_settled(const struct progress_machine *machine)
{
	return machine->state == BIGM_RUNNING || machine->state == BIGM_STOPPED;
}

static bool is_over(const struct progress_machine *machine)
{
	return machine->state == BIGM_STOPPED;
}

void progress_view_release(struct progress_view *view)
{
	for (size_t i = 0; i < view->n; i++) {
		free(view->machines[i].name);
		free(view->machines[i].address);
	}
	free(view->machines);
}

static struct progress_machine *obtain(struct progress_view *view,
				       const char *name, uint64_t now_ns)
{
	struct progress_machine *machine;

	for (size_t i = 0; i < view->n; i++)
		if (strcmp(view->machines[i].name, name) == 0)
			return &view->machines[i];
	/* A driver may start more when those that it had are long settled. */
	if (view->began_ns == 0 || progress_view_settled(view))
		view->began_ns = now_ns;
	view->machines = xrealloc(view->machines,
				  (view->n + 1) * sizeof(*view->machines));
	machine = &view->machines[view->n++];
	*machine = (struct progress_machine){
		.name = xstrdup(name),
		.address = xstrdup(""),
		.began_ns = now_ns,
	};
	return machine;
}

void progress_view_set(struct progress_view *view, const char *name,
		       enum bigm_state state, const char *address,
		       uint64_t now_ns)
{
	struct progress_machine *machine = obtain(view, name, now_ns);

	if (!is_settled(machine) && state >= BIGM_RUNNING)
		machine->settled_ns = now_ns;
	machine->state = state;
	free(machine->address);
	machine->address = xstrdup(address);
}

void progress_view_phase(struct progress_view *view, const char *name,
			 const char *phase, uint64_t now_ns)
{
	struct progress_machine *m = obtain(view, name, now_ns);
	struct progress_step *step = &m->steps[m->nsteps];

	if (*phase == '\0' || m->nsteps == PROGRESS_STEPS ||
	    (m->nsteps > 0 && strcmp(step[-1].name, phase) == 0))
		return;
	snprintf(step->name, sizeof(step->name), "%s", phase);
	step->began_ns = now_ns;
	m->nsteps++;
}

bool progress_view_ships(const struct progress_view *view)
{
	for (size_t i = 0; i < view->n; i++)
		if (view->machines[i].shipping && !is_over(&view->machines[i]))
			return true;
	return false;
}

void progress_view_ship(struct progress_view *view, const char *name,
			uint64_t shipped, uint64_t size, uint64_t now_ns)
{
	struct progress_machine *machine = obtain(view, name, now_ns);

	if (size > 0 && view->ship_ns == 0)
		view->ship_ns = now_ns;
	/* One that was being told of has it all now. */
	machine->shipped = size > 0 ? shipped : machine->ship_size;
	machine->ship_size = size > 0 ? size : machine->ship_size;
	machine->shipping = size > 0;
}

void progress_view_ship_text(const struct progress_view *view, uint64_t now_ns,
			     FILE *out)
{
	uint64_t there = 0, size = 0, ns = now_ns - view->ship_ns;
	size_t n = 0, done = 0;

	if (!progress_view_ships(view))
		return;
	for (size_t i = 0; i < view->n; i++) {
		const struct progress_machine *m = &view->machines[i];

		if (m->ship_size == 0 || is_over(m))
			continue;
		there += m->shipped;
		size += m->ship_size;
		n++;
		done += !m->shipping;
	}
	fprintf(out, "shipping: %.1f of %.1f MB, %.1f MB/s, %zu of %zu done",
		(double)there / MB, (double)size / MB,
		ns > 0 ? (double)there / (double)ns * 1e9 / MB : 0, done, n);
}

/* How many machines there are, or will be. */
static size_t total_of(const struct progress_view *view)
{
	return view->n > view->expected ? view->n : view->expected;
}

static size_t count(const struct progress_view *view, enum bigm_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n; i++)
		n += view->machines[i].state == state;
	return n;
}

bool progress_view_settled(const struct progress_view *view)
{
	size_t n = count(view, BIGM_RUNNING) + count(view, BIGM_STOPPED);

	return n > 0 && n == total_of(view) && !progress_view_ships(view);
}

/* ------------------------------------------------------------------ */
/* Text                                                                */

const char *progress_time(uint64_t ns, char text[PROGRESS_TIME_SIZE])
{
	uint64_t tenths = ns / 100000000;

	if (tenths == 0)
		snprintf(text, PROGRESS_TIME_SIZE, "%" PRIu64 " ms", ns / 1000000);
	else if (tenths < 600)
		snprintf(text, PROGRESS_TIME_SIZE, "%" PRIu64 ".%" PRIu64 " s",
			 tenths / 10, tenths % 10);
	else
		snprintf(text, PROGRESS_TIME_SIZE, "%" PRIu64 " min %02" PRIu64 " s",
			 tenths / 600, tenths / 10 % 60);
	return text;
}

void progress_view_count_text(const struct progress_view *view, FILE *out)
{
	size_t total = total_of(view);
	size_t running = count(view, BIGM_RUNNING);
	size_t stopped = count(view, BIGM_STOPPED);
	size_t others = total - running - stopped;

	if (running < total)
		fprintf(out, "%zu of ", running);
	fprintf(out, "%zu machine%s RUNNING", total, total == 1 ? "" : "s");
	if (others > 0)
		fprintf(out, ", %zu STARTING", others);
	if (stopped > 0)
		fprintf(out, ", %zu STOPPED", stopped);
}

/* Until when it is, or was, coming up. */
static uint64_t until(const struct progress_machine *m, uint64_t now_ns)
{
	return is_settled(m) ? m->settled_ns : now_ns;
}

void progress_view_phases_text(const struct progress_machine *m,
			       uint64_t now_ns, FILE *out)
{
	char time[PROGRESS_TIME_SIZE];

	for (int i = 0; i < m->nsteps; i++) {
		uint64_t end = i + 1 < m->nsteps ? m->steps[i + 1].began_ns
						 : until(m, now_ns);

		fprintf(out, "%s%s %s", i > 0 ? ", " : "", m->steps[i].name,
			progress_time(end - m->steps[i].began_ns, time));
	}
}

/* The same, malloc'ed. */
static char *phases_of(const struct progress_machine *m, uint64_t now_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		alloc_failed();
	progress_view_phases_text(m, now_ns, out);
	if (fclose(out) != 0)
		alloc_failed();
	return text;
}

static bool has_phases(const struct progress_view *view)
{
	for (size_t i = 0; i < view->n; i++)
		if (view->machines[i].nsteps > 0)
			return true;
	return false;
}

static const char *colour_of(enum bigm_state state)
{
	if (state == BIGM_RUNNING)
		return TABLE_GREEN;
	return state == BIGM_STOPPED ? TABLE_RED : TABLE_YELLOW;
}

static void add_machine(struct table *table, const struct progress_machine *m,
			bool colour, bool phases, uint64_t now_ns)
{
	AUTO_FREE char *text = phases ? phases_of(m, now_ns) : NULL;
	char time[PROGRESS_TIME_SIZE];

	table_add(table, "%s", m->name);
	table_add(table, "%s", bigm_state_name(m->state));
	table_colour(table, colour ? colour_of(m->state) : NULL);
	table_add(table, "%s", progress_time(until(m, now_ns) - m->began_ns, time));
	if (phases)
		table_add(table, "%s", text);
	table_add(table, "%s", m->address);
}

/* The table, of all machines or of the slow ones, with so many lines at most;
 * returns how many slow ones are left out. */
static size_t print_machines(const struct progress_view *view,
			     const struct progress_style *style, size_t lines,
			     uint64_t now_ns, FILE *out)
{
	static const char *const plain[] = { "MACHINE", "STATE", "TIME",
					     "ADDRESS", NULL };
	static const char *const detailed[] = { "MACHINE", "STATE", "TIME",
						"PHASES", "ADDRESS", NULL };
	bool all = view->n <= lines, phases = has_phases(view);
	size_t slow = 0, shown = 0;
	struct table table;

	/* One line says how many are left out. */
	lines = all || lines <= MOST_SLOW ? lines - !all : MOST_SLOW;
	table_init(&table, phases ? detailed : plain);
	for (size_t i = 0; i < view->n; i++) {
		slow += !is_settled(&view->machines[i]);
		if (shown == lines || (!all && is_settled(&view->machines[i])))
			continue;
		add_machine(&table, &view->machines[i], style->colour, phases,
			    now_ns);
		shown++;
	}
	if (shown > 0)
		table_print(&table, style->columns - 1, out);
	table_release(&table);
	return all ? 0 : slow - shown;
}

/* A line that is cut where the terminal ends; one column stays free, since
 * terminals differ in what they do behind the last. */
static void print_line(const char *text, const struct progress_style *style,
		       FILE *out)
{
	fprintf(out, "%.*s\n", (int)style->columns - 1, text);
}

static char *title(const struct progress_view *view, uint64_t now_ns)
{
	char *text = NULL, time[PROGRESS_TIME_SIZE];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		alloc_failed();
	fprintf(out, "%s: ", view->title);
	progress_view_count_text(view, out);
	fprintf(out, ", %s", progress_time(now_ns - view->began_ns, time));
	if (fclose(out) != 0)
		alloc_failed();
	return text;
}

/* Returns whether there is any. */
static bool print_ship(const struct progress_view *view,
		       const struct progress_style *style, uint64_t now_ns,
		       FILE *out)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	FILE *memory;

	if (!progress_view_ships(view))
		return false;
	memory = open_memstream(&text, &len);
	if (memory == NULL)
		alloc_failed();
	progress_view_ship_text(view, now_ns, memory);
	if (fclose(memory) != 0)
		alloc_failed();
	print_line(text, style, out);
	return true;
}

void progress_view_print(const struct progress_view *view,
			 const struct progress_style *style, uint64_t now_ns,
			 FILE *out)
{
	AUTO_FREE char *first = title(view, now_ns);
	size_t left_out, rows = style->rows;
	char text[64];

	print_line(first, style, out);
	if (view->n == 0 || rows < OTHER_ROWS + 2)
		return;
	rows -= rows > OTHER_ROWS + 2 && print_ship(view, style, now_ns, out);
	left_out = print_machines(view, style, rows - OTHER_ROWS, now_ns, out);
	if (left_out == 0)
		return;
	snprintf(text, sizeof(text), "and %zu more", left_out);
	print_line(text, style, out);
}
