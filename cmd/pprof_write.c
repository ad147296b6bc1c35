#include "cmd/pprof_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "cmd/table.h"
#include "pprof/call_tree.h"
#include "pprof/frames.h"
#include "pprof/text.h"
#include "pprof/top.h"

#define TEXT_LIMIT ((size_t)256 << 20)

/* What goes to stdout. */
static bool is_stdout(const char *file)
{
	return file && strcmp(file, "-") == 0;
}

int pprof_check(const struct pprof_options *options, struct bigm_error *err)
{
	int printed = options->top + options->collapsed + options->text +
		      is_stdout(options->output) +
		      is_stdout(options->flamegraph);

	if (printed > 1)
		return bigm_error_set(err, BIGM_EINVALID, "only one of --top, "
				      "--collapsed, --text, --output - and "
				      "--flamegraph - can go to standard "
				      "output");
	return 0;
}

static int put(const char *file, struct buffer *bytes, struct bigm_error *err)
{
	AUTO_CLOSE int fd = -1;

	if (!file || is_stdout(file)) {
		fwrite(buffer_data(bytes), 1, bytes->len, stdout);
		return 0; /* command_finish_output() says why */
	}
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || files_write(fd, buffer_data(bytes), bytes->len) < 0)
		return error_set_errno(err, errno, "cannot write %s", file);
	return 0;
}

static int write_proto(const char *file, const struct profile *p,
		       struct bigm_error *err)
{
	struct buffer out = BUFFER_INIT(PROFILE_MAX_ENCODED);
	int rc = profile_encode(p, &out, err);

	if (rc == 0)
		rc = put(file, &out, err);
	buffer_release(&out);
	return rc;
}

static int print_top(const struct pprof_options *options, struct profile *p,
		     uint32_t type, struct buffer *out, struct bigm_error *err)
{
	struct top top;
	int rc;

	top_make(&top, p, type);
	rc = top_print(&top, p, type, (size_t)options->rows, table_width(), out,
		       err);
	top_release(&top);
	return rc;
}

static int draw(struct profile *p, const char *name, uint32_t type,
		struct buffer *out, struct bigm_error *err)
{
	struct call_tree tree;
	char title[256];
	int rc;

	text_format(title, sizeof(title), "%s: %s", name,
		    profile_text(p, p->types[type].type));
	call_tree_make(&tree, p, type);
	rc = call_tree_draw(&tree, title,
			    profile_text(p, p->types[type].unit), out, err);
	call_tree_release(&tree);
	return rc;
}

static int collapse(struct profile *p, uint32_t type, struct buffer *out,
		    struct bigm_error *err)
{
	struct call_tree tree;
	int rc;

	call_tree_make(&tree, p, type);
	rc = call_tree_collapse(&tree, out, err);
	call_tree_release(&tree);
	return rc;
}

/* What is printed for people. */
static int print(const struct pprof_options *options, struct profile *p,
		 uint32_t type, struct bigm_error *err)
{
	struct buffer out = BUFFER_INIT(TEXT_LIMIT);
	int rc;

	if (options->collapsed)
		rc = collapse(p, type, &out, err);
	else if (options->text)
		rc = text_print(p, type, &out, err);
	else
		rc = print_top(options, p, type, &out, err);
	if (rc == 0)
		rc = put(NULL, &out, err);
	buffer_release(&out);
	return rc;
}

static int write_flamegraph(const struct pprof_options *options,
			    struct profile *p, const char *name, uint32_t type,
			    struct bigm_error *err)
{
	struct buffer out = BUFFER_INIT(TEXT_LIMIT);
	int rc = draw(p, name, type, &out, err);

	if (rc == 0)
		rc = put(options->flamegraph, &out, err);
	buffer_release(&out);
	return rc;
}

int pprof_write(const struct pprof_options *options, struct profile *p,
		const char *name, struct bigm_error *err)
{
	bool printed = options->top || options->collapsed || options->text;
	bool nothing = !printed && !options->output && !options->flamegraph;
	uint32_t type;
	int rc = 0;

	if (options->output || (nothing && !isatty(STDOUT_FILENO)))
		rc = write_proto(options->output, p, err);
	if (!printed && !options->flamegraph &&
	    !(nothing && isatty(STDOUT_FILENO)))
		return rc;
	if (rc == 0)
		rc = frames_type(p, options->type, &type, err);
	if (rc == 0 && options->flamegraph)
		rc = write_flamegraph(options, p, name, type, err);
	if (rc == 0 && (printed || nothing))
		rc = print(options, p, type, err);
	return rc;
}
