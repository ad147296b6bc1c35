#include "map/slots.h"

#include <ctype.h>
#include <stdlib.h>

/* No share and no difference is larger. */
#define MOST_N 102400

int map_slots_parse(struct map_slots *slots, const char *text,
		    struct bigm_error *err)
{
	const char *digits = text + (*text == '+' || *text == '-');
	char *end;
	unsigned long n = isdigit((unsigned char)*digits)
		? strtoul(digits, &end, 10) : MOST_N + 1;
	bool percent = n <= MOST_N && *end == '%' && digits == text;

	if (n > MOST_N || end[percent] != '\0' ||
	    (digits == text && !percent && n > MAP_MOST_AT_A_TIME))
		return bigm_error_set(err, BIGM_EINVALID,
				      "--jobs: \"%s\" is not N, up to %d, nor +N, "
				      "-N or N%% of a machine's processors", text,
				      MAP_MOST_AT_A_TIME);
	slots->kind = percent ? SLOTS_PERCENT : *text == '+' ? SLOTS_MORE
		    : *text == '-' ? SLOTS_LESS : SLOTS_JUST;
	slots->n = (unsigned)n;
	return 0;
}

static unsigned unbounded(const struct map_slots *slots, unsigned procs)
{
	switch (slots->kind) {
	case SLOTS_JUST:
		return slots->n > 0 ? slots->n : MAP_MOST_AT_A_TIME;
	case SLOTS_MORE:
		return procs + slots->n;
	case SLOTS_LESS:
		return procs > slots->n ? procs - slots->n : 1;
	case SLOTS_PERCENT:
		return (unsigned)((uint64_t)procs * slots->n / 100);
	default:
		return procs;
	}
}

unsigned map_slots_of(const struct map_slots *slots, unsigned procs)
{
	unsigned n = unbounded(slots, procs);

	return n == 0 ? 1 : n > MAP_MOST_AT_A_TIME ? MAP_MOST_AT_A_TIME : n;
}
