#include "config.h"

#include "keeper/pprof_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "debug/errand.h"
#include "keeper/core.h"
#include "keeper/pprof.h"

#define START_MS 30000
#define SLICE_MS 100
#define PIECE ((size_t)64 << 10)
#define ARGS_MAX 12
#define SECONDS_MAX 16 /* characters */

/* ------------------------------------------------------------------ */
/* A run, begun on the loop                                            */

/* Both sides have it until the last of them lets go; the ends of the pipes that
 * the child writes to go with it. */
struct job {
	struct debug_errand errand;
	struct keeper *k;
	char *args[ARGS_MAX + 1];
	size_t nargs;
	int out_fd, err_fd; /* the child's ends */
	int pidfd;
	pid_t pid;
	struct bigm_error error;
};

static void job_begin(struct debug_errand *errand)
{
	struct job *job = loop_container(errand, struct job, errand);

	job->pid = pprof_start(job->k, (const char *const *)job->args,
			       job->out_fd, job->err_fd, NULL, NULL,
			       &job->error);
	/* Nobody has reaped it yet: this is the loop's thread. */
	if (job->pid > 0)
		job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	cleanup_close(&job->out_fd);
	cleanup_close(&job->err_fd);
	job->out_fd = job->err_fd = -1;
	debug_errand_done(errand);
}

static void job_free(struct debug_errand *errand)
{
	struct job *job = loop_container(errand, struct job, errand);

	/* Who wanted it is gone. */
	if (job->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, job->pidfd, SIGKILL, NULL, 0);
	cleanup_close(&job->pidfd);
	cleanup_close(&job->out_fd);
	cleanup_close(&job->err_fd);
	for (size_t i = 0; i < job->nargs; i++)
		free(job->args[i]);
	free(job);
}

static void add_arg(struct job *job, char *arg)
{
	if (job->nargs < ARGS_MAX)
		job->args[job->nargs++] = arg;
	else
		free(arg);
}

/* ------------------------------------------------------------------ */
/* What it says                                                        */

/* Reads what is there; false at the end. */
static bool take(int fd, struct buffer *to)
{
	uint8_t *at = buffer_reserve(to, PIECE, NULL);
	char drop[512];
	ssize_t n = at ? read(fd, at, PIECE) : read(fd, drop, sizeof(drop));

	if (at && n > 0)
		buffer_commit(to, (size_t)n);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until both pipes have ended.  BIGM_ECANCELED when nobody waits any more. */
static int read_all(struct debug_request *req, int out_fd, int err_fd,
		    struct buffer *out, struct buffer *complaint,
		    struct bigm_error *err)
{
	struct pollfd fds[] = { { .fd = out_fd, .events = POLLIN },
				{ .fd = err_fd, .events = POLLIN } };
	struct buffer *const to[] = { out, complaint };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (debug_over(req))
			return bigm_error_set(err, BIGM_ECANCELED,
					      "nobody waits any more");
		if (poll(fds, 2, SLICE_MS) <= 0)
			continue;
		for (size_t i = 0; i < 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents &&
			    !take(fds[i].fd, to[i]))
				fds[i].fd = -1;
	}
	return 0;
}

/* Its complaint, as the page's: "bigm pprof: TEXT". */
static int explain(struct buffer *complaint, struct bigm_error *err)
{
	const char *text = buffer_string(complaint);
	const char *colon = strstr(text, "bigm pprof: ");
	bool unknown = strstr(text, ": no machine ") ||
		       strstr(text, "no values of");

	if (colon)
		text = colon + strlen("bigm pprof: ");
	return bigm_error_set(err, unknown ? BIGM_ENOTFOUND : BIGM_EFAILED,
			      "%s", *text ? text : "bigm-pprof failed");
}

static int pipes(int out[2], int err_pipe[2], struct bigm_error *err)
{
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set_errno(err, errno, "pipe");
	if (pipe2(err_pipe, O_CLOEXEC) == 0)
		return 0;
	close(out[0]);
	close(out[1]);
	return error_set_errno(err, errno, "pipe");
}

/* Runs the job to its end; what it wrote is the page's body.  The caller's
 * reference is given back. */
static int run(struct debug_request *req, struct job *job,
	       struct bigm_error *err)
{
	struct buffer complaint = BUFFER_INIT(64 << 10);
	int out[2] = { -1, -1 }, errors[2] = { -1, -1 }, rc;

	rc = pipes(out, errors, err);
	job->out_fd = out[1];
	job->err_fd = errors[1];
	if (rc == 0)
		rc = debug_errand_run(&job->errand, job->k->loop, req, START_MS,
				      err);
	if (rc == 0 && job->error.code)
		rc = error_copy(err, &job->error);
	if (rc == 0)
		rc = read_all(req, out[0], errors[0], &req->body, &complaint,
			      err);
	if (rc == 0 && req->body.len == 0)
		rc = explain(&complaint, err);
	cleanup_close(&out[0]);
	cleanup_close(&errors[0]);
	buffer_release(&complaint);
	debug_errand_unref(&job->errand);
	return rc;
}

static struct job *job_new(struct keeper *k)
{
	struct job *job = xcalloc(1, sizeof(*job));

	debug_errand_init(&job->errand, job_begin, job_free);
	job->k = k;
	job->out_fd = job->err_fd = job->pidfd = -1;
	job->error = (struct bigm_error)BIGM_ERROR_INIT;
	return job;
}

/* ------------------------------------------------------------------ */
/* Profiles                                                            */

/* The names as net/http/pprof has them, and ours. */
static const struct name {
	const char *page, *profile, *title;
} names[] = {
	{ "profile", "profile", "processors" },
	{ "heap", "heap", "memory" },
	{ "mutex", "mutex", "waits for locks" },
	{ "block", "block", "other waits" },
	{ "threads", "threads", "what threads do now" },
	{ "goroutine", "threads", NULL },
};
#define NAMES (sizeof(names) / sizeof(*names))

static const struct format {
	const char *name, *option, *type;
} formats[] = {
	{ "flamegraph", "--flamegraph=-", "image/svg+xml" },
	{ "top", "--top", DEBUG_TEXT },
	{ "collapsed", "--collapsed", DEBUG_TEXT },
	{ "text", "--text", DEBUG_TEXT },
	{ "proto", "--output=-", "application/octet-stream" },
};
#define FORMATS (sizeof(formats) / sizeof(*formats))

static const struct format *find_format(const struct debug_request *req)
{
	const char *name = debug_query(req, "format");
	const char *debug = debug_query(req, "debug");

	if (!name)
		name = debug && strcmp(debug, "0") != 0 ? "text" : "proto";
	for (size_t i = 0; i < FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static int add_query(struct job *job, const struct debug_request *req,
		     const char *profile, struct bigm_error *err)
{
	const char *machine = debug_query(req, "machine");
	const char *seconds = debug_query(req, "seconds");
	const char *type = debug_query(req, "type");

	if (seconds && (!*seconds || strlen(seconds) > SECONDS_MAX ||
			strspn(seconds, "0123456789.") != strlen(seconds)))
		return bigm_error_set(err, BIGM_EINVALID,
				      "seconds has to be a number");
	/* go tool pprof asks for seconds whatever the profile. */
	if (seconds && strcmp(profile, "profile") == 0)
		add_arg(job, xasprintf("--seconds=%s", seconds));
	if (machine)
		add_arg(job, xasprintf("--machine=%s", machine));
	if (type)
		add_arg(job, xasprintf("--type=%s", type));
	return 0;
}

static int show_profile(struct debug_request *req, struct keeper *k,
			const struct name *name, struct bigm_error *err)
{
	const struct format *format = find_format(req);
	struct job *job;
	int rc;

	if (!format)
		return bigm_error_set(err, BIGM_EINVALID, "format is proto, "
				      "text, top, collapsed or flamegraph");
	job = job_new(k);
	add_arg(job, xstrdup(name->profile));
	add_arg(job, xstrdup(format->option));
	add_arg(job, xstrdup("--rows=0"));
	/* go tool pprof would send us addresses of which we know no more. */
	add_arg(job, xstrdup("--resolved"));
	rc = add_query(job, req, name->profile, err);
	if (rc < 0) {
		debug_errand_unref(&job->errand);
		return rc;
	}
	rc = run(req, job, err);
	req->type = format->type;
	if (strcmp(format->name, "proto") == 0)
		req->name = name->profile;
	return rc;
}

/* ------------------------------------------------------------------ */
/* The list                                                            */

static void put_escaped(struct buffer *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&\"'", *s))
			buffer_appendf(out, NULL, "&#%d;", *s);
		else
			buffer_append(out, s, 1, NULL);
	}
}

static void put_cell(struct buffer *out, const struct name *name,
		     const char *machine, const cJSON *counts)
{
	bool all = strcmp(machine, "all") == 0;
	uint64_t count = 0;

	buffer_appendf(out, NULL, "<td><a href=\"%s?debug=1%s%s\">",
		       name->page, all ? "" : "&amp;machine=",
		       all ? "" : machine);
	if (bigm_json_get_uint64(counts, name->profile, &count, NULL) == 0)
		buffer_appendf(out, NULL, "%llu", (unsigned long long)count);
	else
		buffer_appendf(out, NULL, "text");
	buffer_appendf(out, NULL, "</a> <a target=\"graph\" href=\"%s?format="
		       "flamegraph%s%s\">graph</a> <a href=\"%s%s%s\">proto</a></td>",
		       name->page, all ? "" : "&amp;machine=",
		       all ? "" : machine, name->page,
		       all ? "" : "?machine=", all ? "" : machine);
}

static void put_row(struct buffer *out, const cJSON *facts)
{
	const char *machine = "", *problem;
	const cJSON *counts = cJSON_GetObjectItemCaseSensitive(facts,
							       "profiles");

	bigm_json_get_string(facts, "machine", &machine, NULL);
	buffer_appendf(out, NULL, "<tr><th>%s</th>", machine);
	if (bigm_json_get_string(facts, "error", &problem, NULL) == 0) {
		buffer_appendf(out, NULL, "<td colspan=\"%zu\">", NAMES);
		put_escaped(out, problem);
		buffer_appendf(out, NULL, "</td>");
	} else {
		for (size_t i = 0; i < NAMES; i++)
			if (names[i].title)
				put_cell(out, &names[i], machine, counts);
	}
	buffer_appendf(out, NULL, "</tr>\n");
}

static void put_list(struct buffer *out, const cJSON *list)
{
	const cJSON *facts;

	buffer_appendf(out, NULL,
		       "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
		       "charset=\"utf-8\"><title>Profiles</title><style>"
		       "body { font: 14px sans-serif } td, th { padding: 2px "
		       "12px; text-align: left } iframe { width: 100%%; height: "
		       "80vh; border: 0 }</style></head><body>\n"
		       "<h1>Profiles</h1>\n<table>\n<tr><th></th>");
	for (size_t i = 0; i < NAMES; i++)
		if (names[i].title)
			buffer_appendf(out, NULL, "<th>%s<br>%s</th>",
				       names[i].page, names[i].title);
	buffer_appendf(out, NULL, "</tr>\n");
	cJSON_ArrayForEach(facts, list)
		put_row(out, facts);
	buffer_appendf(out, NULL, "</table>\n<p>A profile of the processors "
		       "takes 30 seconds, or as <code>?seconds=</code> says. "
		       "Without debug and format a page is for <code>go tool "
		       "pprof</code>.</p>\n<iframe name=\"graph\" title=\"flame "
		       "graph\"></iframe>\n</body></html>\n");
}

static int show_list(struct debug_request *req, struct keeper *k,
		     struct bigm_error *err)
{
	struct job *job = job_new(k);
	int rc;

	add_arg(job, xstrdup("--json"));
	rc = run(req, job, err);
	if (rc < 0)
		return rc;
	AUTO_JSON cJSON *list = json_parse(buffer_data(&req->body),
					   req->body.len, err);
	if (!list)
		return err->code;
	buffer_release(&req->body);
	put_list(&req->body, list);
	req->type = DEBUG_HTML;
	return 0;
}

static int show(struct debug_request *req, void *data, struct bigm_error *err)
{
	if (!*req->rest)
		return show_list(req, data, err);
	for (size_t i = 0; i < NAMES; i++)
		if (strcmp(req->rest, names[i].page) == 0)
			return show_profile(req, data, &names[i], err);
	return bigm_error_set(err, BIGM_ENOTFOUND, "there is no profile %s",
			      req->rest);
}

const struct debug_route pprof_routes[] = {
	{ PPROF_PAGES, show, "profiles of all machines, and of each" },
	{ 0 },
};
