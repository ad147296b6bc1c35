#include "aws_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define VARIABLES_MAX 32

void aws_home_write(const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/.aws/%s", getenv("HOME"), name);
	FILE *file;

	for (char *p = strstr(path, "/.aws/") + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	remove(path);
	if (!text)
		return;
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

struct aws_config *aws_home_config(const char *variables,
				   struct bigm_error *err)
{
	AUTO_FREE char *words = xstrdup(variables);
	AUTO_FREE char *home = xasprintf("HOME=%s", getenv("HOME"));
	char *env[VARIABLES_MAX + 1] = { home }, *save = NULL;
	size_t n = 1;

	for (char *w = strtok_r(words, " ", &save); w;
	     w = strtok_r(NULL, " ", &save)) {
		assert_true(n < VARIABLES_MAX);
		env[n++] = w;
	}
	return aws_config_load(env, err);
}
