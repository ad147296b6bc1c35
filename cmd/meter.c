#include "cmd/meter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

#define STEP_NS (500 * NS_PER_MS)

void meter_init(struct meter *meter, const char *title, bool quiet)
{
	uint64_t now = loop_now_ns();

	*meter = (struct meter){
		.title = title,
		.off = quiet || !isatty(STDERR_FILENO),
		.began_ns = now,
		.next_ns = now + STEP_NS,
	};
}

uint64_t meter_next(const struct meter *meter)
{
	return meter->off ? 0 : meter->next_ns;
}

void meter_print_size(char *buf, size_t len, double size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (size >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		size /= 1024;
		unit++;
	}
	snprintf(buf, len, size < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", size,
		 units[unit]);
}

void meter_show(struct meter *meter, uint64_t size, int done, int n)
{
	uint64_t now = loop_now_ns();
	char much[32], rate[32], line[160];
	int len;

	if (meter->off || now < meter->next_ns)
		return;
	meter->next_ns = now + STEP_NS;
	meter_print_size(much, sizeof(much), (double)size);
	meter_print_size(rate, sizeof(rate), (double)size * 1e9 /
						     (double)(now - meter->began_ns));
	len = snprintf(line, sizeof(line), "\r\033[K%s: %s, %s/s", meter->title,
		       much, rate);
	if (n > 1)
		snprintf(line + len, sizeof(line) - (size_t)len, ", %d of %d done",
			 done, n);
	meter->shown = true;
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		meter->off = true;
}

void meter_end(struct meter *meter)
{
	static const char wipe[] = "\r\033[K";

	if (meter->shown && write(STDERR_FILENO, wipe, sizeof(wipe) - 1) >= 0)
		meter->shown = false;
	meter->off = true;
}
