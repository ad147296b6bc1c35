#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

#define PREFIX "bigm: "

static pthread_rwlock_t sink_lock = PTHREAD_RWLOCK_INITIALIZER;
static log_sink_fn *sink;
static void *sink_data;
static atomic_int max_level = -1; /* not yet asked for: see current_level() */

static void write_to_stderr(const char *line)
{
	char text[sizeof(PREFIX) + TEXT_MAX];
	size_t prefix = strlen(PREFIX), len = strlen(line);
	ssize_t n;

	memcpy(text, PREFIX, prefix);
	memcpy(text + prefix, line, len);
	text[prefix + len] = '\n';
	do
		n = write(STDERR_FILENO, text, prefix + len + 1);
	while (n < 0 && errno == EINTR);
}

void log_set_sink(log_sink_fn *fn, void *data)
{
	pthread_rwlock_wrlock(&sink_lock);
	sink = fn;
	sink_data = data;
	pthread_rwlock_unlock(&sink_lock);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

static int current_level(void)
{
	int level = atomic_load_explicit(&max_level, memory_order_relaxed);
	int unset = -1;
	const char *debug;

	if (level >= 0)
		return level;
	debug = getenv("BIGM_DEBUG");
	level = debug && *debug && strcmp(debug, "0") != 0 ? LOG_LEVEL_DEBUG :
							      LOG_LEVEL_INFO;
	/* log_set_level() in another thread wins. */
	if (atomic_compare_exchange_strong(&max_level, &unset, level))
		return level;
	return unset;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= current_level();
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[TEXT_MAX];
	int saved = errno;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	text_vformat(line, sizeof(line), fmt, ap);
	va_end(ap);
	pthread_rwlock_rdlock(&sink_lock);
	if (sink)
		sink(level, line, sink_data);
	else
		write_to_stderr(line);
	pthread_rwlock_unlock(&sink_lock);
	errno = saved;
}
