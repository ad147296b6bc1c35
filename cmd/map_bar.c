#include "cmd/map_bar.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/lines.h"
#include "loop/loop.h"

#define MINUTE 60
#define HOUR 3600
#define WIPE "\r\033[K"

void map_bar_init(struct map_bar *bar, bool quiet)
{
	const char *term = getenv("TERM");

	*bar = (struct map_bar){
		.on = !quiet && isatty(STDERR_FILENO) &&
		      (term == NULL || strcmp(term, "dumb") != 0),
		.began_ns = loop_now_ns(),
	};
	pthread_mutex_init(&bar->lock, NULL);
}

static void append(char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
}

static void append_time(char *text, size_t size, double seconds)
{
	unsigned long s = (unsigned long)(seconds + 0.5);

	if (s >= HOUR)
		append(text, size, ", %lu h %02lu min left", s / HOUR,
		       s % HOUR / MINUTE);
	else if (s >= MINUTE)
		append(text, size, ", %lu min %02lu s left", s / MINUTE, s % MINUTE);
	else
		append(text, size, ", %lu s left", s);
}

void map_bar_text(char *text, size_t size, const struct map_figures *f,
		  double seconds)
{
	uint64_t ended = f->succeeded + f->failed, all = ended + f->before;
	double rate = seconds > 0 ? (double)ended / seconds : 0;

	*text = '\0';
	if (f->total > 0)
		append(text, size, "%" PRIu64 "/%" PRIu64 " jobs", all, f->total);
	else
		append(text, size, "%" PRIu64 " jobs", all);
	if (f->failed > 0)
		append(text, size, ", %" PRIu64 " failed", f->failed);
	if (ended > 0)
		append(text, size, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
	if (ended > 0 && f->total > all)
		append_time(text, size, (double)(f->total - all) / rate);
}

static void write_text(const char *text)
{
	lines_write_all(STDERR_FILENO, (const uint8_t *)text, strlen(text));
}

void map_bar_draw(struct map_bar *bar, const struct map_figures *figures)
{
	char text[160], line[200];

	if (!bar->on)
		return;
	map_bar_text(text, sizeof(text), figures,
		     (double)(loop_now_ns() - bar->began_ns) / 1e9);
	snprintf(line, sizeof(line), WIPE "%s", text);
	pthread_mutex_lock(&bar->lock);
	bar->shown = true;
	write_text(line);
	pthread_mutex_unlock(&bar->lock);
}

void map_bar_wipe(struct map_bar *bar)
{
	pthread_mutex_lock(&bar->lock);
	if (bar->shown)
		write_text(WIPE);
	bar->shown = false;
	pthread_mutex_unlock(&bar->lock);
}
