/*
 * entry: the profiler as its process sees it, and what every copy of it begins
 * with.
 */
#include "config.h"

#include <pthread.h>
#include <string.h>

#include "sampler/cpu.h"
#include "sampler/interpose.h"
#include "sampler/kinds.h"
#include "sampler/mine.h"
#include "sampler/text.h"

static int answer(const char *name, const struct profile *profile,
		  const struct profiler_order *order, struct buffer *out,
		  struct bigm_error *err)
{
	return order->debug > 0 ? text_profile(profile, name, out, err) :
				  profile_encode(profile, out, err);
}

static int take_cpu(const struct profiler_order *order, struct buffer *out,
		    struct bigm_error *err)
{
	AUTO_PROFILE struct profile *profile = profile_new();
	int rc = kinds_cpu(profile, order, err);

	return rc == 0 ? answer("profile", profile, order, out, err) : rc;
}

static const struct kind *find(const char *name, struct bigm_error *err)
{
	for (const struct kind *kind = kinds; kind->name; kind++)
		if (strcmp(kind->name, name) == 0)
			return kind;
	bigm_error_set(err, BIGM_ENOTFOUND, "there is no profile \"%s\"; there "
		       "are profile (CPUProfile), heap, mutex, block and "
		       "threads", name);
	return NULL;
}

static int take(const char *name, const struct profiler_order *order,
		struct buffer *out, struct bigm_error *err)
{
	const struct kind *kind = find(name, err);
	int rc;

	if (!kind)
		return BIGM_ENOTFOUND;
	if (kind->needs > interpose_seen())
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "%s: cannot be seen in a program that is "
				      "linked statically, built with a "
				      "sanitizer, or was started without "
				      PROFILER_LIBRARY, name);
	AUTO_PROFILE struct profile *profile = profile_new();
	rc = kind->fill(profile, order, err);
	return rc == 0 ? answer(name, profile, order, out, err) : rc;
}

static size_t list(struct profiler_count counts[PROFILER_KINDS])
{
	enum interposed seen = interpose_seen();
	size_t n = 0;

	for (const struct kind *kind = kinds; kind->name; kind++)
		if (kind->needs <= seen)
			counts[n++] = (struct profiler_count){
				.name = kind->name,
				.count = kind->count(),
			};
	return n;
}

extern const struct profiler bigm_profiler BIGM_API;

const struct profiler bigm_profiler = {
	.version = PACKAGE_VERSION,
	.cpu = take_cpu,
	.take = take,
	.list = list,
	.halt = cpu_halt,
};

/* The child of a fork has the memory of locks and counts, but not the threads
 * that held or made them. */
static void forked(void)
{
	mine_off = true;
	cpu_forked();
}

static __attribute__((constructor)) void begin(void)
{
	pthread_atfork(NULL, NULL, forked);
}
