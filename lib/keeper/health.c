#include "config.h"

#include "keeper/health.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/loop.h"

/* It may answer slowly, but it may also be about to die. */
#define CALL_MS 30000

static int save(const char *path, const char *text, size_t len,
		struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = NULL;
	AUTO_CLOSE int fd = -1;

	if (len > HEALTH_DUMP_MAX)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "they are %zu bytes", len);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0 || !(file = fdopen(fd, "w")))
		return error_set_errno(err, errno, "cannot create %s", path);
	fd = -1; /* the file's */
	if (fwrite(text, 1, len, file) != len || fputc('\n', file) == EOF ||
	    fflush(file) != 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	return 0;
}

static void on_figures(struct bigm_call *call, void *data)
{
	struct health *h = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *path = xasprintf("%s/%s-%s" HEALTH_DUMP_SUFFIX, h->dir,
					 h->name, h->stamp);
	int rc = bigm_call_status(call, &why);
	size_t len;

	if (rc == 0) {
		const char *text = rpc_call_reply_text(call, &len);

		rc = save(path, text, len, &why);
	}
	if (rc == 0)
		log_info("%s: its figures are in %s", h->name, path);
	else
		log_warn("%s: no figures of it: %s", h->name, why.text);
	h->call = NULL;
	bigm_call_free(call);
}

void health_dump(struct health *h, const char *stamp)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = CALL_MS,
		.on_done = on_figures,
		.data = h,
	};

	if (h->call)
		return;
	snprintf(h->stamp, sizeof(h->stamp), "%s", stamp);
	h->call = rpc_call_start(h->client, "Supervisor.Expvars", NULL,
				 0, &options);
}

static void dump_seldom(struct health *h)
{
	uint64_t now = loop_now_ns();
	char stamp[CLOCK_STAMP_SIZE];

	if (h->dumped_ns != 0 &&
	    now - h->dumped_ns < HEALTH_DUMP_MS * NS_PER_MS)
		return;
	h->dumped_ns = now;
	clock_stamp(stamp);
	health_dump(h, stamp);
	if (h->dumped)
		h->dumped(stamp, h->data);
}

void health_note(struct health *h, const cJSON *reply)
{
	const char *trouble = "it does not say why";
	bool healthy = true;

	json_opt_bool(reply, "healthy", &healthy, NULL);
	json_opt_string(reply, "trouble", &trouble, NULL);
	if (healthy) {
		if (h->ill)
			log_info("%s: is healthy again", h->name);
		h->ill = false;
		return;
	}
	if (!h->ill)
		log_warn("%s: is unhealthy: %s", h->name, trouble);
	h->ill = true;
	dump_seldom(h);
}

void health_release(struct health *h)
{
	bigm_call_free(h->call);
	h->call = NULL;
}
