/*
 * meter: one line on the terminal that tells how far copies are, drawn anew
 * twice a second; nothing where stderr is no terminal.
 */
#ifndef CMD_METER_H
#define CMD_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meter {
	const char *title;
	bool off;
	bool shown; /* there is a line to be wiped */
	uint64_t began_ns, next_ns;
};

void meter_init(struct meter *meter, const char *title, bool quiet);

/* When to show it next, for events_next(); 0: never. */
uint64_t meter_next(const struct meter *meter);

/* Draws it when it is time to: so many bytes, and so many of n places are
 * done. */
void meter_show(struct meter *meter, uint64_t size, int done, int n);

/* Wipes the line. */
void meter_end(struct meter *meter);

/* "512 B", "1.5 KiB", "20 MiB": `size` in a unit that people read. */
void meter_print_size(char *buf, size_t len, double size);

#endif
