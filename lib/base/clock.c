#include "base/clock.h"

#include <time.h>

uint64_t clock_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void clock_stamp(char stamp[CLOCK_STAMP_SIZE])
{
	time_t now = time(NULL);
	struct tm utc;

	strftime(stamp, CLOCK_STAMP_SIZE, "%Y%m%dT%H%M%SZ",
		 gmtime_r(&now, &utc));
}
