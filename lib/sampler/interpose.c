#include "config.h"

#include "sampler/interpose.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/profiler.h"

void interpose_find(void *functions, const struct interpose_next *next,
		    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *p = next[i].version ? dlvsym(RTLD_NEXT, next[i].name,
						   next[i].version) :
					    NULL;

		if (!p)
			p = dlsym(RTLD_NEXT, next[i].name);
		/* A conversion that C has no word for: these are objects. */
		memcpy((char *)functions + next[i].at, &p, sizeof(p));
	}
}

/* Our file's address in memory. */
static void *own_base(const void *p)
{
	Dl_info info;

	return dladdr(p, &info) ? info.dli_fbase : NULL;
}

enum interposed interpose_seen(void)
{
	static const char here;
	void *used = dlsym(RTLD_DEFAULT, "pthread_create");

	return used && own_base(used) == own_base(&here) ? INTERPOSED_ALL
							 : INTERPOSED_NOTHING;
}

static bool is_us(const char *path, size_t len)
{
	const size_t name = strlen(PROFILER_LIBRARY);

	return len >= name &&
	       memcmp(path + len - name, PROFILER_LIBRARY, name) == 0;
}

/* The next program is not to be profiled: neither what the user's program
 * starts nor what it becomes. */
static void leave_environment(void)
{
	static const char variable[] = "LD_PRELOAD", between[] = ": ";
	const char *value = getenv(variable);
	char *others = value ? malloc(strlen(value) + 1) : NULL, *to = others;

	if (!others)
		return;
	for (const char *from = value; *from; from += strspn(from, between)) {
		size_t len = strcspn(from, between);

		if (len > 0 && !is_us(from, len)) {
			if (to != others)
				*to++ = ':';
			memcpy(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
	if (to == others)
		unsetenv(variable);
	else
		setenv(variable, others, 1);
	free(others);
}

static __attribute__((constructor)) void begin(void)
{
	if (interpose_seen() == INTERPOSED_ALL)
		leave_environment();
}
