#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "document_tools.h"
#include "yaml_tree.h"

#define ROOM (1u << 20)

/* A command of the shell; what it said is the test's. */
static int run(const char *command)
{
	fflush(NULL);
	return system(command);
}

void need_program(const char *name)
{
	AUTO_FREE char *command = xasprintf("command -v %s >/dev/null", name);

	if (run(command) == 0)
		return;
	print_message("%s is not installed\n", name);
	skip();
}

static char *folder_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/document.XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(path));
	return path;
}

static void folder_remove(const char *path)
{
	AUTO_FREE char *command = xasprintf("rm -r '%s'", path);

	assert_int_equal(run(command), 0);
}

static void write_file(const char *folder, const char *name, const void *bytes,
		       size_t len)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	AUTO_FCLOSE FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
}

static void emit(const struct cloudconfig *c, enum cloudconfig_flavor flavor,
		 struct buffer *out)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	if (cloudconfig_emit(c, flavor, out, &err) != 0)
		fail_msg("%s", err.text);
}

void schema_accepts(const struct cloudconfig *c, enum cloudconfig_flavor flavor)
{
	struct buffer out = BUFFER_INIT(ROOM);
	AUTO_FREE char *folder = folder_new();
	AUTO_FREE char *command = xasprintf(
		"cloud-init schema --config-file %s/document 2>&1 | "
		"tee %s/said | grep -q '^Valid' || { cat %s/said; false; }",
		folder, folder, folder);

	emit(c, flavor, &out);
	write_file(folder, "document", buffer_data(&out), out.len);
	buffer_release(&out);
	if (run(command) != 0)
		fail_msg("cloud-init refuses the document for %s",
			 cloudconfig_flavor_name(flavor));
	folder_remove(folder);
}

void units_verify(const struct cloudconfig *c, const char *sed)
{
	struct buffer out = BUFFER_INIT(ROOM);
	AUTO_FREE char *folder = folder_new();
	AUTO_FREE char *command = xasprintf(
		"cd %s && sed -i '%s' * && "
		"systemd-analyze verify --man=no --recursive-errors=no * "
		">../said.$$ 2>&1; r=$?; cat ../said.$$; "
		"test $r = 0 && ! test -s ../said.$$; r=$?; "
		"rm ../said.$$; exit $r",
		folder, sed ? sed : "");
	struct yaml_tree tree;
	char way[64];
	size_t n;

	/* Of this flavor the units stand in the document as units. */
	emit(c, CLOUDCONFIG_FLATCAR, &out);
	yaml_tree_read(&tree, buffer_data(&out), out.len);
	buffer_release(&out);
	n = yaml_tree_count(&tree, "coreos.units");
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		snprintf(way, sizeof(way), "coreos.units.%zu.content", i);
		if (!yaml_tree_find(&tree, way))
			continue;
		const char *content = yaml_tree_text(&tree, way);
		snprintf(way, sizeof(way), "coreos.units.%zu.name", i);
		write_file(folder, yaml_tree_text(&tree, way), content,
			   strlen(content));
	}
	yaml_tree_release(&tree);
	if (run(command) != 0)
		fail_msg("systemd-analyze does not like the units");
	folder_remove(folder);
}
