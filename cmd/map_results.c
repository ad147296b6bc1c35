#include "cmd/map_results.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "map/template.h"

struct map_results {
	char *name;
	struct map_template *template; /* NULL: it has no placeholders */
};

struct map_results *map_results_new(const char *name, struct bigm_error *err)
{
	static const char *const tables[] = { ".csv", ".tsv", ".json" };
	char *const argv[] = { (char *)name, NULL };
	struct map_results *r;
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		size_t n = strlen(tables[i]);

		if (len >= n && strcmp(name + len - n, tables[i]) == 0) {
			bigm_error_set(err, BIGM_EINVALID,
				       "--results %s: tables are not written; "
				       "--journal has a line for each job", name);
			return NULL;
		}
	}
	r = xcalloc(1, sizeof(*r));
	r->name = xstrdup(name);
	r->template = map_template_new(argv);
	if (!map_template_has_places(r->template)) {
		map_template_free(r->template);
		r->template = NULL;
	}
	return r;
}

void map_results_free(struct map_results *r)
{
	if (r == NULL)
		return;
	free(r->name);
	map_template_free(r->template);
	free(r);
}

/* ---- names ---- */

/* An input as the name of a folder. */
static int append_name(struct buffer *path, const char *input,
		       struct bigm_error *err)
{
	struct buffer name = BUFFER_INIT(UINT32_MAX);
	int code;

	if (strcmp(input, ".") == 0 || strcmp(input, "..") == 0)
		buffer_append(&name, "\\", 1, NULL);
	for (; *input != '\0' && name.len < NAME_MAX; input++) {
		const char *as = *input == '\\' ? "\\\\" : *input == '\t' ? "\\t"
			       : *input == '/' ? "\\_" : NULL;

		buffer_append(&name, as != NULL ? as : input,
			      as != NULL ? 2 : 1, NULL);
	}
	code = buffer_append(path, buffer_data(&name),
			     name.len < NAME_MAX ? name.len : NAME_MAX, err);
	buffer_release(&name);
	return code;
}

static int append_tree(struct buffer *path, const struct map_result *result,
		       struct bigm_error *err)
{
	const char *input = result->inputs;
	int code = 0;

	for (size_t i = 0; i < result->width && code == 0; i++) {
		code = buffer_appendf(path, err, "/%zu/", i + 1);
		if (code == 0)
			code = append_name(path, input, err);
		input += strlen(input) + 1;
	}
	return code == 0 ? buffer_append(path, "/", 1, err) : code;
}

static int append_places(const struct map_results *r, struct buffer *path,
			 const struct map_result *result, struct bigm_error *err)
{
	AUTO_FREE const char **inputs = xcalloc(result->width + 1, sizeof(*inputs));
	const char *at = result->inputs;

	for (size_t i = 0; i < result->width; i++) {
		inputs[i] = at;
		at += strlen(at) + 1;
	}
	if (map_template_inputs(r->template) > result->width)
		return bigm_error_set(err, BIGM_EINVALID,
				      "--results %s: a job has only %zu inputs",
				      r->name, result->width);
	if (map_template_expand(r->template, result->number, inputs, path, err) != 0)
		return error_prefix(err, "--results %s", r->name);
	path->len--; /* its NUL; one between inputs is a space */
	for (size_t i = 0; i < path->len; i++)
		if (buffer_data(path)[i] == '\0')
			buffer_data(path)[i] = ' ';
	return 0;
}

/* All folders that the path goes through. */
static int make_folders(const char *path, struct bigm_error *err)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *slash = strchr(copy + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (folder_make(copy, err) != 0)
			return error_prefix(err, "--results");
		*slash = '/';
	}
	return 0;
}

/* ---- files ---- */

static int take(const void *bytes, size_t len, void *data, struct bigm_error *err)
{
	return files_write(*(int *)data, bytes, len) == 0
		       ? 0 : error_set_errno(err, errno, "cannot write it");
}

/* What is captured, or, without that, the number. */
static int keep(const char *base, const char *suffix, struct capture *capture,
		uint64_t number, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s%s", base, suffix);
	AUTO_FREE char *text = xasprintf("%" PRIu64, number);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), code;

	if (fd < 0)
		return error_set_errno(err, errno, "%s", path);
	code = capture != NULL ? capture_each(capture, take, &fd, err)
			       : take(text, strlen(text), &fd, err);
	if (close(fd) != 0 && code == 0)
		code = error_set_errno(err, errno, "cannot write it");
	return code == 0 ? 0 : error_prefix(err, "%s", path);
}

int map_results_keep(struct map_results *r, const struct map_result *result,
		     struct bigm_error *err)
{
	static const char *const in_folder[] = { "stdout", "stderr", "seq" };
	static const char *const beside[] = { "", ".err", ".seq" };
	struct capture *captures[] = { result->out, result->err, NULL };
	struct buffer path = BUFFER_INIT(2 * MAP_MOST_ARGV);
	const char *base;
	int code = 0;

	if (r->template == NULL)
		code = buffer_append(&path, r->name, strlen(r->name), err);
	if (code == 0)
		code = r->template == NULL ? append_tree(&path, result, err)
					   : append_places(r, &path, result, err);
	base = buffer_string(&path);
	if (code == 0)
		code = make_folders(base, err);
	for (size_t i = 0; i < 3 && code == 0; i++)
		code = keep(base, base[strlen(base) - 1] == '/' ? in_folder[i]
								: beside[i],
			    captures[i], result->number, err);
	buffer_release(&path);
	return code;
}
