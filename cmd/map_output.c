#include "cmd/map_output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "cmd/lines.h"
#include "loop/process.h"

/* So many failures are told one by one; the summary counts them all. */
#define MOST_TOLD 10

/* Where a piece of output goes, and how far its present line is. */
struct sink {
	struct map_output *output;
	const char *path; /* NULL: fd is ours */
	const char *tag;  /* NULL: none */
	int fd;
	bool in_line;
};

int map_output_init(struct map_output *output, struct bigm_error *err)
{
	if (output->results != NULL && folder_make(output->results, err) != 0)
		return error_prefix(err, "--results");
	return 0;
}

static int write_bytes(struct sink *sink, const void *bytes, size_t len,
		       struct bigm_error *err)
{
	int errnum;

	if (sink->path != NULL)
		return files_write(sink->fd, bytes, len) == 0 ? 0
			: error_set_errno(err, errno, "%s", sink->path);
	errnum = lines_write_all(sink->fd, bytes, len);
	if (errnum == 0)
		return 0;
	sink->output->errnum = errnum;
	return bigm_error_set(err, BIGM_ECANCELED, "stopped");
}

static int write_tag(struct sink *sink, struct bigm_error *err)
{
	sink->in_line = true;
	if (write_bytes(sink, sink->tag, strlen(sink->tag), err) != 0)
		return err->code;
	return write_bytes(sink, "\t", 1, err);
}

static int take(const void *bytes, size_t len, void *data,
		struct bigm_error *err)
{
	struct sink *sink = data;
	const char *at = bytes, *end = at + len;

	if (sink->tag == NULL)
		return write_bytes(sink, bytes, len, err);
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((eol != NULL ? eol + 1 : end) - at);

		if (!sink->in_line && write_tag(sink, err) != 0)
			return err->code;
		if (write_bytes(sink, at, n, err) != 0)
			return err->code;
		sink->in_line = eol == NULL;
		at += n;
	}
	return 0;
}

/* To our own; a tagged line without an end gets one, or the next tag would be
 * in it. */
static int print(struct map_output *output, const struct map_result *result,
		 struct capture *capture, int fd, struct bigm_error *err)
{
	struct sink sink = { .output = output, .fd = fd,
			     .tag = output->tag ? result->input : NULL };
	int code;

	if (capture->size == 0)
		return 0;
	map_bar_wipe(output->bar);
	code = capture_each(capture, take, &sink, err);
	if (code == 0 && sink.tag != NULL && sink.in_line)
		code = write_bytes(&sink, "\n", 1, err);
	return code;
}

static int keep(struct map_output *output, const char *folder, const char *name,
		struct capture *capture, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	struct sink sink = { .output = output, .path = path };
	int code;

	sink.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (sink.fd < 0)
		return error_set_errno(err, errno, "%s", path);
	code = capture_each(capture, take, &sink, err);
	if (close(sink.fd) != 0 && code == 0)
		code = error_set_errno(err, errno, "%s", path);
	return code;
}

static int keep_all(struct map_output *output, const struct map_result *result,
		    struct bigm_error *err)
{
	AUTO_FREE char *folder = NULL;

	if (output->results == NULL)
		return 0;
	folder = xasprintf("%s/%" PRIu64, output->results, result->number);
	if (folder_make(folder, err) != 0 ||
	    keep(output, folder, "stdout", result->out, err) != 0)
		return err->code;
	return keep(output, folder, "stderr", result->err, err);
}

static void tell_failure(struct map_output *output,
			 const struct map_result *result)
{
	const char *where = result->machine != NULL ? result->machine : "nowhere";
	char ended[128];
	const char *what = result->failed;

	if (result->status == 0 || output->told > MOST_TOLD)
		return;
	map_bar_wipe(output->bar);
	if (output->told++ == MOST_TOLD) {
		command_fail(output->in, 0, "more jobs fail, and are only counted");
		return;
	}
	if (what == NULL)
		what = result->late ? "its time was up"
			: process_describe_status(
				W_EXITCODE(result->signal != 0 ? 0 : result->status,
					   result->signal),
				ended, sizeof(ended));
	command_fail(output->in, 0, "job %" PRIu64 " (%s) on %s: %s",
		     result->number, result->input, where, what);
}

int map_output_result(struct map_output *output,
		      const struct map_result *result, struct bigm_error *err)
{
	if (print(output, result, result->out, STDOUT_FILENO, err) != 0 ||
	    print(output, result, result->err, STDERR_FILENO, err) != 0 ||
	    keep_all(output, result, err) != 0)
		return err->code;
	tell_failure(output, result);
	return 0;
}
