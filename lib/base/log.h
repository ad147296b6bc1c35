/*
 * log: one line per event, for people.
 *
 * The only mutable global of the library.  Lines go to a sink: the default
 * writes "bigm: TEXT\n" to stderr with one write(2), so lines of several
 * threads and processes never mix; a machine's stderr is its log.  Debug
 * lines are off unless asked for (BIGM_DEBUG=1, -v).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

typedef void log_sink_fn(enum log_level level, const char *line, void *data);

/* fn NULL: back to stderr. */
void log_set_sink(log_sink_fn *fn, void *data);
/* Lines above this level are dropped; default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_enabled(LOG_LEVEL_DEBUG))                              \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                \
	} while (0)

#endif
