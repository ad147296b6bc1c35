/*
 * Settings from a configuration, the environment and a program's options:
 * whatever is refused has its place in front, and what is taken is there, with
 * its origin.  The first byte chooses which of the three it is; texts of the
 * latter two have a NUL behind each.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/folder.h"
#include "machine/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 64

static char dir[] = "/tmp/bigm-fuzz-settings-XXXXXX";

static void remove_dir(void)
{
	folder_empty(dir, NULL, NULL);
	rmdir(dir);
}

static int read_file(struct settings *s, const uint8_t *data, size_t size,
		     struct bigm_error *err)
{
	static char *path;

	if (!path) {
		if (!mkdtemp(dir))
			abort();
		atexit(remove_dir);
		setenv("XDG_CONFIG_HOME", dir, 1);
		path = xasprintf("%s/bigm", dir);
		mkdir(path, 0700);
		free(path);
		path = xasprintf("%s/bigm/config", dir);
	}
	if (files_replace(path, data, size, NULL) < 0)
		abort();
	int rc = settings_read_files(s, err);
	if (rc < 0 && strncmp(err->text, dir, sizeof(dir) - 1) != 0)
		abort();
	return rc;
}

/* The texts, of which copy has size bytes and a NUL. */
static int split(char *copy, size_t size, char *texts[MOST + 1])
{
	int n = 0;

	for (char *at = copy; n < MOST && at < copy + size;
	     at += strlen(at) + 1)
		texts[n++] = at;
	texts[n] = NULL;
	return n;
}

static int take_options(struct settings *s, char *texts[MOST + 1], int n,
			struct bigm_error *err)
{
	int left = n;
	int rc = settings_take_options(s, &left, texts, err);

	if (left > n || left < 0 || (rc == 0 && texts[left]))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct settings s = { 0 };
	struct setting_facts facts;
	char *texts[MOST + 1];
	int n, rc;

	if (size == 0)
		return 0;
	AUTO_FREE char *copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	n = split(copy, size - 1, texts);
	if (data[0] % 3 == 0)
		rc = read_file(&s, data + 1, size - 1, &err);
	else if (data[0] % 3 == 1)
		rc = settings_read_env(&s, texts, &err);
	else
		rc = take_options(&s, texts, n, &err);
	if (rc < 0 && (err.code == 0 || err.text[0] == '\0'))
		abort();
	for (size_t i = 0; settings_get(&s, i, &facts); i++)
		if (!facts.name)
			abort();
	settings_release(&s);
	return 0;
}
