/* Bundles made here run where there is no libc, and where there is another.
 * The machine is a bare worker that enters such a tree before it begins. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "bundle/bare.h"
#include "bundle/elf_file.h"
#include "bundle/make.h"
#include "supervisor/boot.h"
#include "supervisor/run.h"
#include "worker_fixture.h"

#define TREE_ENV "TEST_TREE"
#define MUSL_LOADER "/lib/ld-musl-x86_64.so.1"
#define EXEC_MS 20000

struct world {
	char dir[64]; /* what the test makes, the tree too */
	char *tree;
	struct fixture *machine;
};

/* ------------------------------------------------------------------ */
/* The machine                                                         */

static const char *tmp_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp ? tmp : "/tmp";
}

static bool bind_at(const char *source, const char *tree)
{
	AUTO_FREE char *target = xasprintf("%s%s", tree, source);

	return mount(source, target, NULL, MS_BIND | MS_REC, NULL) == 0;
}

/* A name space with the folder of the tests, and what no program does
 * without. */
static bool enter(const char *tree)
{
	return unshare(geteuid() == 0 ? CLONE_NEWNS :
					CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
	       bind_at("/proc", tree) && bind_at("/dev/null", tree) &&
	       bind_at(tmp_folder(), tree) && chroot(tree) == 0 &&
	       chdir("/") == 0;
}

/* ------------------------------------------------------------------ */
/* The tree                                                            */

static void make_folders(const char *tree, const char *path)
{
	AUTO_FREE char *command = xasprintf("mkdir -p %s%s", tree, path);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void copy_file(const char *from, const char *tree, const char *to)
{
	AUTO_FREE char *command = xasprintf("cp %s %s%s", from, tree, to);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static int may_enter(const char *tree)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(enter(tree) ? 0 : 77);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	int fd;

	*state = w;
	snprintf(w->dir, sizeof(w->dir), "%s/tree-XXXXXX", tmp_folder());
	assert_non_null(mkdtemp(w->dir));
	w->tree = xasprintf("%s/root", w->dir);
	assert_int_equal(mkdir(w->tree, 0755), 0);
	make_folders(w->tree, "/proc");
	make_folders(w->tree, "/dev");
	make_folders(w->tree, "/lib");
	make_folders(w->tree, tmp_folder());
	AUTO_FREE char *null = xasprintf("%s/dev/null", w->tree);
	fd = open(null, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->machine)
		fixture_free(w->machine);
	folder_empty(w->dir, NULL, NULL);
	rmdir(w->dir);
	free(w->tree);
	free(w);
	return 0;
}

static void start_machine(struct world *w)
{
	if (may_enter(w->tree) != 0)
		skip();
	setenv(TREE_ENV, w->tree, 1);
	w->machine = fixture_new(120000);
	unsetenv(TREE_ENV);
}

/* ------------------------------------------------------------------ */
/* Uploads                                                             */

static void upload(struct world *w, const void *bytes, size_t len)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = call_stream(w->machine, "Supervisor.Setbinary",
					     bytes, len, &err);

	if (!reply)
		fail_msg("%s", err.text);
}

/* Of a bundle of all these programs the part for that architecture. */
static void upload_part(struct world *w, const struct make_program *programs,
			size_t nprograms, const char *arch)
{
	AUTO_FREE char *path = xasprintf("%s/a.bigm", w->dir);
	const struct make_order order = {
		.programs = programs, .nprograms = nprograms, .path = path,
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct bundle_part *part;
	struct bundle_reader *reader;
	struct bundle bundle;

	if (make_bundle(&order, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(bundle_open(&bundle, path, &err), 0);
	part = bundle_find(&bundle, arch, &err);
	if (!part)
		fail_msg("%s", err.text);
	reader = bundle_reader_new(&bundle, part, &err);
	assert_non_null(reader);
	size_t size = (size_t)part->size, got = 0;
	AUTO_FREE char *bytes = xmalloc(size);

	while (got < size) {
		const void *piece;
		ssize_t n = bundle_reader_next(reader, &piece, &err);

		assert_true(n > 0 && (size_t)n <= size - got);
		memcpy(bytes + got, piece, (size_t)n);
		got += (size_t)n;
	}
	bundle_reader_free(reader);
	bundle_release(&bundle);
	upload(w, bytes, size);
}

static void upload_bundle(struct world *w, const char *program)
{
	const struct make_program programs[] = { { program, NULL } };

	upload_part(w, programs, 1, elf_own_arch());
}

static void upload_program(struct world *w, const char *program)
{
	AUTO_FCLOSE FILE *file = fopen(program, "re");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	AUTO_FREE char *bytes = xmalloc((size_t)st.st_size);
	assert_int_equal(fread(bytes, 1, (size_t)st.st_size, file),
			 st.st_size);
	upload(w, bytes, (size_t)st.st_size);
}

/* Runs what was uploaded; all frames that come of it, as they are. */
static void run(struct world *w, struct buffer *reply)
{
	static const char order[] =
		"{\"argv\":[\"word\",\"a\"],\"binary\":true}";
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = EXEC_MS,
		.stream_arg = true, .stream_reply = true,
	};
	struct buffer frame = BUFFER_INIT(4096);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call = rpc_call_start(w->machine->client,
						"Supervisor.Run", NULL, 0,
						&options);
	char piece[4096];
	ssize_t n;

	run_frame_append(&frame, 's', order, strlen(order), NULL);
	bigm_call_write(call, buffer_data(&frame), frame.len, NULL);
	while ((n = bigm_call_read(call, piece, sizeof(piece), &err)) > 0)
		buffer_append(reply, piece, (size_t)n, NULL);
	if (n < 0)
		fail_msg("%s", err.text);
	bigm_call_free(call);
	buffer_release(&frame);
}

static void assert_run(struct world *w, const char *word)
{
	struct buffer reply = BUFFER_INIT(1 << 20);

	run(w, &reply);
	if (!memmem(buffer_data(&reply), reply.len, word, strlen(word)))
		fail_msg("%s: not among %zu bytes: %s", word, reply.len,
			 buffer_string(&reply) + RUN_HEADER);
	buffer_release(&reply);
}

static const char *compile(struct world *w, const char *compiler)
{
	static const char source[] =
		"#include <stdio.h>\n"
		"#include <unistd.h>\n"
		"int main(int c, char **v)\n"
		"{\n"
		"	printf(\"%s %s %d\\n\", v[0], v[1], access(\"/etc\", 0));\n"
		"	return 7;\n"
		"}\n";
	static char path[128];
	AUTO_FREE char *command = xasprintf("cd %s && %s -o hello hello.c",
					    w->dir, compiler);
	AUTO_FREE char *name = xasprintf("%s/hello.c", w->dir);
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	fputs(source, file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/hello", w->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	return path;
}

static bool has_musl(void)
{
	return access(MUSL_LOADER, X_OK) == 0 &&
	       /* NOLINTNEXTLINE(cert-env33-c) */
	       system("command -v musl-gcc >/dev/null") == 0;
}

/* ------------------------------------------------------------------ */

static void a_job_runs_where_there_is_no_libc(void **state)
{
	struct world *w = *state;
	const char *hello = compile(w, "${CC:-cc}");

	start_machine(w);
	upload_program(w, hello);
	assert_run(w, "\"code\":\"NOTFOUND\""); /* so it is true */
	upload_bundle(w, hello);
	assert_run(w, "word a -1\n");
	assert_run(w, "{\"status\":7}");
}

static char *own_bigpi(void)
{
	const char *build = getenv("abs_top_builddir");

	return xasprintf("%s/examples/bigpi", build ? build : ".");
}

/* The machine is what has been uploaded, of that program, and then serves.
 * Returns what it says of its processor. */
static char *become(struct world *w, const char *program)
{
	uint64_t deadline = loop_now_ns() + EXEC_MS * 1000000ull;
	struct bigm_error err = BIGM_ERROR_INIT;
	char wanted[DIGEST_SIZE];
	const char *digest = NULL, *arch = NULL;
	int64_t incarnation = 0;
	AUTO_JSON cJSON *info = NULL;

	assert_int_equal(digest_file(program, wanted, &err), 0);
	bigm_json_free(call_ok(w->machine, "Supervisor.Setargs",
			       "[\"bigpi\"]"));
	bigm_json_free(call_ok(w->machine, "Supervisor.Exec", NULL));
	rpc_client_reconnect(w->machine->client);
	while (incarnation != 2 && loop_now_ns() < deadline) {
		cJSON_Delete(info);
		info = call(w->machine, "Supervisor.Info", NULL, &err);
		bigm_json_get_int64(info, "incarnation", &incarnation, NULL);
		poll(NULL, 0, 5);
	}
	assert_int_equal(incarnation, 2);
	assert_int_equal(bigm_json_get_string(info, "digest", &digest, &err),
			 0);
	assert_string_equal(digest, wanted);
	assert_int_equal(bigm_json_get_string(info, "arch", &arch, &err), 0);
	return xstrdup(arch);
}

static cJSON *sample(struct world *w)
{
	bigm_json_free(call_ok(w->machine, "Supervisor.Register",
			       "{\"services\":[{\"name\":\"PI\"}]}"));
	return call_ok(w->machine, "PI.Sample",
		       "{\"seed\":1,\"begin\":0,\"end\":1000}");
}

static void a_driver_becomes_the_machine_where_there_is_no_libc(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *bigpi = own_bigpi();

	start_machine(w);
	upload_bundle(w, bigpi);
	free(become(w, bigpi));
	bigm_json_free(sample(w));
}

static void a_job_runs_where_there_is_musl(void **state)
{
	struct world *w = *state;

	if (!has_musl())
		skip();
	copy_file(MUSL_LOADER, w->tree, MUSL_LOADER);
	start_machine(w);
	upload_program(w, compile(w, "musl-gcc"));
	assert_run(w, "{\"status\":7}"); /* by the tree's own libc */
	upload_bundle(w, compile(w, "${CC:-cc}"));
	assert_run(w, "word a -1\n");
	assert_run(w, "{\"status\":7}");
}

static void a_musl_program_runs_where_there_is_no_libc(void **state)
{
	struct world *w = *state;

	if (!has_musl())
		skip();
	start_machine(w);
	upload_bundle(w, compile(w, "musl-gcc"));
	assert_run(w, "word a -1\n");
	assert_run(w, "{\"status\":7}");
}

static void a_static_program_runs_where_there_is_no_libc(void **state)
{
	struct world *w = *state;

	start_machine(w);
	upload_bundle(w, compile(w, "${CC:-cc} -static"));
	assert_run(w, "word a -1\n");
}

/* ------------------------------------------------------------------ */
/* Of another processor: `make check-arm64` says where that is           */

/* In a bundle for two; what it computes is what the other one does. */
static void a_driver_becomes_a_machine_of_another_processor(void **state)
{
	struct world *w = *state;
	const char *program = getenv("TEST_ARM64_PROGRAM");
	AUTO_FREE char *bigpi = own_bigpi();
	const struct make_program programs[] = {
		{ bigpi, NULL }, { program, "linux/arm64" },
	};

	start_machine(w);
	upload_bundle(w, bigpi);
	AUTO_FREE char *own = become(w, bigpi);
	AUTO_JSON cJSON *wanted = sample(w);

	fixture_free(w->machine);
	w->machine = fixture_new_bare(getenv("TEST_ARM64_MACHINE"), 120000);
	upload_part(w, programs, 2, "linux/arm64");
	AUTO_FREE char *arch = become(w, program);
	AUTO_JSON cJSON *got = sample(w);

	assert_string_not_equal(own, "aarch64");
	assert_string_equal(arch, "aarch64");
	assert_true(cJSON_Compare(got, wanted, true));
}

static void a_job_runs_on_another_processor(void **state)
{
	struct world *w = *state;

	w->machine = fixture_new_bare(getenv("TEST_ARM64_MACHINE"), 120000);
	upload_program(w, compile(w, "${ARM64_CC:?} -static"));
	assert_run(w, " a 0\n"); /* its name is the handler's matter */
	assert_run(w, "{\"status\":7}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_runs_where_there_is_no_libc),
		TEST(a_driver_becomes_the_machine_where_there_is_no_libc),
		TEST(a_job_runs_where_there_is_musl),
		TEST(a_musl_program_runs_where_there_is_no_libc),
		TEST(a_static_program_runs_where_there_is_no_libc),
	};
	const struct CMUnitTest arm64_tests[] = {
		TEST(a_driver_becomes_a_machine_of_another_processor),
		TEST(a_job_runs_on_another_processor),
	};
	const char *tree = getenv(TREE_ENV);

	if (boot_wanted()) {
		if (!tree || !enter(tree))
			_exit(77);
		bare_main(argc, argv);
	}
	if (getenv("TEST_ARM64_MACHINE"))
		return cmocka_run_group_tests(arm64_tests, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
