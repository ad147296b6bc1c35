#include "cmd/map_output.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/lines.h"
#include "cmd/map_results.h"
#include "loop/process.h"

/* So many failures are told one by one; the summary counts them all. */
#define MOST_TOLD 10

/* Where a piece of output goes, and how far its present line is. */
struct sink {
	struct map_output *output;
	const char *tag;  /* NULL: none */
	int fd;
	bool in_line;
};

int map_output_init(struct map_output *output, struct bigm_error *err)
{
	if (output->results != NULL)
		output->files = map_results_new(output->results, err);
	return err->code;
}

void map_output_release(struct map_output *output)
{
	map_results_free(output->files);
}

static int write_bytes(struct sink *sink, const void *bytes, size_t len,
		       struct bigm_error *err)
{
	int errnum;

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
	    (output->files != NULL &&
	     map_results_keep(output->files, result, err) != 0))
		return err->code;
	tell_failure(output, result);
	return 0;
}
