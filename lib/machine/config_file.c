#include "machine/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct reading {
	config_pair_fn *fn;
	void *data;
	const char *path;
	FILE *file;
	int line;     /* that is being read, from 1 on */
	struct bigm_error *err;
	int r;
};

/* A line for inih, which would take a longer one for several. */
static char *read_line(char *text, int size, void *data)
{
	struct reading *reading = data;

	if (reading->r < 0)
		return NULL;
	errno = 0;
	if (!fgets(text, size, reading->file)) {
		if (ferror(reading->file))
			reading->r = error_set_errno(reading->err, errno, "%s",
						     reading->path);
		return NULL;
	}
	reading->line++;
	if (strlen(text) + 1 < (size_t)size)
		return text;
	reading->r = bigm_error_set(reading->err, BIGM_EINVALID,
				    "%s:%d: the line has more than %d bytes",
				    reading->path, reading->line, size - 2);
	return NULL;
}

static int on_pair(void *data, const char *section, const char *name,
		   const char *value)
{
	struct reading *reading = data;

	if (reading->r < 0)
		return 1;
	AUTO_FREE char *place = xasprintf("%s:%d", reading->path, reading->line);
	reading->r = reading->fn(reading->data, section, name, value, place,
				 reading->err);
	return 1;
}

static int read_file(config_pair_fn *fn, void *data, const char *path,
		     struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	struct reading reading = { .fn = fn, .data = data, .path = path,
				   .file = file, .err = err };

	if (!file && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!file)
		return error_set_errno(err, errno, "%s", path);
	int line = ini_parse_stream(read_line, &reading, on_pair, &reading);
	if (reading.r == 0 && line > 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s:%d: neither NAME = VALUE nor "
				      "[SECTION]", path, line);
	return reading.r;
}

int config_files_read(config_pair_fn *fn, void *data, struct bigm_error *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	AUTO_FREE char *path = NULL;
	int r = read_file(fn, data, "/etc/bigm.conf", err);

	if (config && *config == '/')
		path = xasprintf("%s/bigm/config", config);
	else if (home && *home == '/')
		path = xasprintf("%s/.config/bigm/config", home);
	return r == 0 && path ? read_file(fn, data, path, err) : r;
}
