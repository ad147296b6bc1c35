/*
 * Addresses of debug pages with their queries: what a query says becomes an
 * argument of `bigm pprof` that is an option and of the kind meant, or a place
 * in what the machines print, or an error page.  What pprof says, and a place in
 * the middle of a line, do no harm.
 *
 * The first line is the path, the rest what pprof prints: to standard error,
 * when it begins with '!'.  The loop, and pprof, are ours.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "debug/errand.h"
#include "keeper/core.h"
#include "keeper/live_private.h"
#include "keeper/pprof.h"
#include "keeper/pprof_pages.h"
#include "ssh/system.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 4096 /* what pprof prints fits into a pipe */

static struct {
	const uint8_t *text;
	size_t len;
} printed;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ------------------------------------------------------------------ */
/* In the place of errand.c: at once                                   */

void debug_errand_init(struct debug_errand *errand,
		       void (*begin)(struct debug_errand *errand),
		       void (*free)(struct debug_errand *errand))
{
	*errand = (struct debug_errand){ .begin = begin, .free = free,
					 .refs = 1 };
}

void debug_errand_unref(struct debug_errand *errand)
{
	if (--errand->refs == 0)
		errand->free(errand);
}

void debug_errand_done(struct debug_errand *errand)
{
	errand->done = true;
	debug_errand_unref(errand);
}

int debug_errand_run(struct debug_errand *errand, struct loop *loop,
		     const struct debug_request *req, uint64_t timeout_ms,
		     struct bigm_error *err)
{
	errand->refs = 2;
	errand->begin(errand);
	must(errand->done);
	return 0;
}

/* ------------------------------------------------------------------ */
/* In the place of pprof.c                                             */

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

/* It is what the page writes, or stands behind an option that has a value. */
static bool is_argument(const char *arg, size_t nth)
{
	static const char *const first[] = {
		"profile", "heap", "mutex", "block", "threads", "--json", NULL,
	};
	static const char *const options[] = {
		"--flamegraph=-", "--top", "--collapsed", "--text",
		"--output=-", "--rows=0", "--resolved", NULL,
	};

	if (nth == 0)
		return is_one_of(arg, first);
	if (strncmp(arg, "--seconds=", 10) == 0)
		return arg[10] && strlen(arg) < 40 &&
		       arg[10 + strspn(arg + 10, "0123456789.")] == '\0';
	return is_one_of(arg, options) || strncmp(arg, "--machine=", 10) == 0 ||
	       strncmp(arg, "--type=", 7) == 0;
}

pid_t pprof_start(struct keeper *k, const char *const *args, int out_fd,
		  int err_fd, void (*ended)(int wait_status, void *data),
		  void *data, struct bigm_error *err)
{
	bool complains = printed.len > 0 && printed.text[0] == '!';

	must(args[0] != NULL);
	for (size_t i = 0; args[i]; i++)
		must(is_argument(args[i], i));
	must(files_write(complains ? err_fd : out_fd, printed.text,
			 printed.len) == 0);
	return 0;
}

bool pprof_is_run(const struct pprof_list *list, pid_t pid)
{
	return false;
}

void pprof_release(struct pprof_list *list)
{
}

void pprof_dump(struct keeper *k, const char *machine, const char *stamp)
{
}

/* ------------------------------------------------------------------ */

static void fill(struct journal *journal)
{
	static const char *const kinds = ".+:!?";

	for (int i = 0; i < 3000; i++)
		buffer_appendf(journal_lines(journal), NULL,
			       "1%06d m%d%s %c line %d of what a machine prints, "
			       "0 m0 . \xc3\xa4\xff\n", i, i % 7,
			       i % 2 ? "/gpu" : "", kinds[i % 5], i);
	journal_touch(journal);
	journal_flush(journal);
}

static struct debug_pages *make_pages(struct keeper *k)
{
	static struct record record = { .name = (char *)(uintptr_t)"calm" };
	static char path[] = "/tmp/fuzz-pages-XXXXXX";
	struct debug_pages *pages = debug_pages_new();
	int fd = mkstemp(path);

	must(fd >= 0);
	close(fd);
	k->record = &record;
	k->ops = &system_ssh;
	k->loop = loop_new(NULL);
	k->journal = journal_new(k->loop, path, NULL);
	must(k->journal != NULL);
	unlink(path);
	fill(k->journal);
	k->live = live_new(k);
	k->live->asking = true; /* there is nobody to be asked */
	debug_pages_add(pages, live_routes, k->live);
	debug_pages_add(pages, pprof_routes, k);
	return pages;
}

static void check(const struct keeper *k, const char *path, const char *type,
		  const void *body, size_t len)
{
	uint64_t next = 0;

	if (strcmp(type, DEBUG_JSON) != 0)
		return;
	AUTO_JSON cJSON *json = json_parse(body, len, NULL);
	must(cJSON_IsObject(json));
	if (strncmp(path, "/live/log", 9) != 0)
		return;
	must(bigm_json_get_uint64(json, "next", &next, NULL) == 0 &&
	     next <= journal_size(k->journal));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keeper k;
	static struct debug_pages *pages;
	const uint8_t *line = memchr(data, '\n', size);
	size_t len = line ? (size_t)(line - data) : size, body_len;
	AUTO_FREE char *path = xstrndup((const char *)data, len);
	AUTO_FREE char *type = NULL;
	AUTO_FREE void *body = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (!pages)
		pages = make_pages(&k);
	if (size > MOST)
		return 0;
	printed.text = line ? line + 1 : data;
	printed.len = line ? size - len - 1 : 0;
	if (debug_pages_render(pages, path, NULL, NULL, &type, &body, &body_len,
			       &err) == 0)
		check(&k, path, type, body, body_len);
	else
		must(err.code != 0 && err.text[0] != '\0');
	return 0;
}
