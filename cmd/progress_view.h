/*
 * progress_view: machines that are coming up, as a person sees them.
 *
 *	bigm start: 1 of 3 machines RUNNING, 2 STARTING, 4.2 s
 *	shipping: 12.5 of 75.0 MB, 6.1 MB/s, 1 of 3 done
 *	MACHINE  STATE     TIME   ADDRESS
 *	m0       RUNNING   1.8 s  https://127.0.0.1:40123/
 *	m1       STARTING  4.2 s
 *	m2       STARTING  4.2 s
 *
 * Where it is known how far a machine is, a column PHASES has what that took:
 * "requested 0.9 s, pending 3.1 s, booting 0.2 s".
 *
 * Nothing here knows a clock, a terminal or a cluster: they are told.  Where
 * there are more machines than rows, those that run are left to the count, and
 * of the others as many are shown as there is room for.
 */
#ifndef CMD_PROGRESS_VIEW_H
#define CMD_PROGRESS_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bigm.h"

#define PROGRESS_STEPS 16
#define PROGRESS_STEP_SIZE 32

/* A phase of a machine that is coming up. */
struct progress_step {
	char name[PROGRESS_STEP_SIZE];
	uint64_t began_ns;
};

struct progress_machine {
	char *name, *address;
	enum bigm_state state;
	uint64_t began_ns;   /* when it was first seen */
	uint64_t settled_ns; /* when it was RUNNING, or STOPPED before that */
	bool told;	     /* for who shows lines: this has been said */
	bool shipping;	     /* something is being sent to it */
	uint64_t shipped, ship_size; /* bytes of the last that was */
	struct progress_step steps[PROGRESS_STEPS];
	int nsteps;
};

struct progress_view {
	const char *title; /* what each line begins with: "bigm start" */
	size_t expected;   /* so many machines will come; 0: not known */
	uint64_t began_ns; /* since when some are awaited; 0: none ever was */
	struct progress_machine *machines; /* as they were first seen */
	size_t n;
	uint64_t ship_ns; /* since when something is sent; 0: nothing was */
};

void progress_view_release(struct progress_view *view);

/* Takes news of a machine. */
void progress_view_set(struct progress_view *view, const char *name,
		       enum bigm_state state, const char *address,
		       uint64_t now_ns);

/* How far a machine has come, where that is known; "": it is not. */
void progress_view_phase(struct progress_view *view, const char *name,
			 const char *phase, uint64_t now_ns);
/* "requested 0.9 s, pending 3.1 s"; nothing where it is not known. */
void progress_view_phases_text(const struct progress_machine *machine,
			       uint64_t now_ns, FILE *out);

/* What is sent to a machine: so many bytes of so many are there; size 0: it is
 * all there, or given up. */
void progress_view_ship(struct progress_view *view, const char *name,
			uint64_t shipped, uint64_t size, uint64_t now_ns);
bool progress_view_ships(const struct progress_view *view);
/* "shipping: 12.5 of 75.0 MB, 6.1 MB/s, 1 of 3 done": no line break; nothing
 * when nothing is sent. */
void progress_view_ship_text(const struct progress_view *view, uint64_t now_ns,
			     FILE *out);

/* Every machine runs, or has stopped, and nothing is sent.  Not so before there
 * is one. */
bool progress_view_settled(const struct progress_view *view);

struct progress_style {
	size_t columns, rows; /* of the terminal */
	bool colour;
};

/* What the terminal shows, in fewer lines than its rows. */
void progress_view_print(const struct progress_view *view,
			 const struct progress_style *style, uint64_t now_ns,
			 FILE *out);

/* "1 of 3 machines RUNNING, 2 STARTING": no line break. */
void progress_view_count_text(const struct progress_view *view, FILE *out);

/* A length of time: "30 ms", "0.3 s", "12.0 s", "2 min 05 s". */
#define PROGRESS_TIME_SIZE 32
const char *progress_time(uint64_t ns, char text[PROGRESS_TIME_SIZE]);

#endif
