#include "config.h"

#include "bundle/gain.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "bundle/archive.h"

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void gain_measure(struct gain *gain, const void *sample, size_t len)
{
	AUTO_CLOSE int fd = memfd_create("bigm-sample", MFD_CLOEXEC);
	struct archive_sink sink = { .fd = fd };
	uint64_t began = cpu_ns();
	struct archive *a = fd < 0 ? NULL : archive_create(&sink, true, NULL);
	bool good = a && archive_add_bytes(a, "sample", sample, len, NULL) == 0;

	if (a && archive_close(a, "sample", NULL) < 0)
		good = false;
	*gain = (struct gain){
		.before = len,
		/* What could not be compressed gains nothing. */
		.after = good ? sink.size : len,
		.cpu_ns = cpu_ns() - began,
	};
}

bool gain_is_worth(const struct gain *gain, uint64_t link)
{
	uint64_t saved = gain->before - gain->after;

	if (gain->after >= gain->before - gain->before / 10)
		return false;
	return link == GAIN_ANY || gain->cpu_ns < saved * NS_PER_S / link;
}
