/*
 * ec2boot where there is nothing: in a root folder that is empty, and a network
 * that has no devices.  It is certified, and serves.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "keeper/authority.h"
#include "keeper/certify.h"
#include "keeper/ec2boot.h"
#include "supervisor/bootstrap.h"
#include "worker_fixture.h"

#define LONG_MS 60000
#define LISTEN_FD 3
#define NOT_ALLOWED 77
#define MARKER "-- the end --"

struct world {
	char root[64];
	char *program;
	struct authority *authority;
	struct identity *keeper;
	struct tls_context *tls;
	struct loop *loop;
	struct rpc_client *client;
	char address[64];
	int listen_fd;
	pid_t pid;
	int out_fd;
	struct certify *certify;
	struct bigm_error result;
	atomic_bool done;
};

static char *own_path(void)
{
	char path[4096] = "";

	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	return xstrdup(path);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct sockaddr_in in = { .sin_family = AF_INET };
	AUTO_FREE char *self = own_path();
	socklen_t len = sizeof(in);
	const char *tmp = getenv("TMPDIR");

	snprintf(w->root, sizeof(w->root), "%s/empty-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->root));
	w->program = ec2boot_find(self, NULL, NULL);
	assert_non_null(w->program);
	w->authority = authority_new(NULL, NULL);
	w->keeper = authority_issue(w->authority, ROLE_KEEPER, "keeper", NULL,
				    NULL);
	w->tls = tls_context_new(w->keeper, NULL);
	w->loop = loop_new(NULL);
	assert_int_equal(loop_start_thread(w->loop, "test", NULL), 0);
	w->client = rpc_client_new(w->loop, "m0");
	w->result = (struct bigm_error)BIGM_ERROR_INIT;
	w->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(w->listen_fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(w->listen_fd, 16), 0);
	assert_int_equal(getsockname(w->listen_fd, (struct sockaddr *)&in,
				     &len), 0);
	snprintf(w->address, sizeof(w->address), "https://127.0.0.1:%d/",
		 ntohs(in.sin_port));
	*state = w;
	return 0;
}

static void free_on_loop(void *data)
{
	struct world *w = data;

	certify_free(w->certify);
	rpc_client_free(w->client);
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, free_on_loop, w);
	loop_free(w->loop);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	if (w->out_fd > 0)
		close(w->out_fd);
	close(w->listen_fd);
	tls_context_free(w->tls);
	identity_free(w->keeper);
	authority_free(w->authority);
	folder_empty(w->root, NULL, NULL);
	rmdir(w->root);
	free(w->program);
	free(w);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The machine                                                         */

/* A root folder without anything, nor a network. */
static bool leave_the_world(const char *root)
{
	int spaces = CLONE_NEWNS | CLONE_NEWNET;

	return unshare(geteuid() == 0 ? spaces : spaces | CLONE_NEWUSER) == 0 &&
	       mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
	       chroot(root) == 0 && chdir("/") == 0;
}

/* `make check-arm64` says what to execute instead: qemu-user, and what that is
 * to read; then the world stays. */
static void become_other(char *command, const char *root, char *const *options)
{
	char *argv[16] = { NULL }, *rest = NULL;
	int n = 0;

	for (char *word = strtok_r(command, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		argv[n++] = word;
	for (int i = 1; options[i]; i++)
		argv[n++] = options[i];
	if (chdir(root) == 0)
		execv(argv[0], argv);
	_exit(NOT_ALLOWED + 1);
}

static void become(struct world *w, int identity, int out, const char *within)
{
	char *const argv[] = { (char *)"ec2boot", (char *)"--identity",
			       (char *)"-", (char *)"--dir", (char *)"m0",
			       (char *)"--listen-fd", (char *)"3",
			       (char *)"--within", (char *)within, NULL };
	char *const env[] = { NULL };
	int program = open(w->program, O_RDONLY | O_CLOEXEC);
	char *other = getenv("TEST_EC2BOOT");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (program < 0 || (!other && !leave_the_world(w->root)))
		_exit(NOT_ALLOWED);
	dup2(identity, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	/* Not the program, which has to be reached without /proc. */
	program = fcntl(program, F_DUPFD_CLOEXEC, 100);
	dup2(w->listen_fd, LISTEN_FD);
	fcntl(LISTEN_FD, F_SETFD, 0);
	if (other)
		become_other(other, w->root, argv);
	fexecve(program, argv, env);
	_exit(NOT_ALLOWED + 1);
}

/* An instrumented one is not static. */
static void skip_if_instrumented(void)
{
	const char *sanitizer = getenv("sanitizer");

	if (sanitizer && strcmp(sanitizer, "no") != 0)
		skip();
}

static void begin(struct world *w, const char *within)
{
	struct identity *id = authority_bootstrap(
		w->authority, AUTHORITY_BOOTSTRAP_S, NULL);
	AUTO_FREE char *text = bootstrap_text(id, NULL);
	int identity = boot_leave_text(text, NULL), out[2];

	identity_free(id);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	w->pid = fork();
	if (w->pid == 0)
		become(w, identity, out[1], within);
	w->out_fd = out[0];
	close(out[1]);
	close(identity);
}

/* All that it says, and its end. */
static char *end(struct world *w, int *status)
{
	struct buffer b = BUFFER_INIT(1 << 20);
	char piece[4096], *text;
	ssize_t n;

	while ((n = read(w->out_fd, piece, sizeof(piece))) > 0)
		buffer_append(&b, piece, (size_t)n, NULL);
	text = xstrdup(buffer_string(&b));
	buffer_release(&b);
	assert_int_equal(waitpid(w->pid, status, 0), w->pid);
	w->pid = 0;
	if (WIFEXITED(*status) && WEXITSTATUS(*status) == NOT_ALLOWED) {
		free(text);
		skip();
	}
	return text;
}

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static int sign(void *keeper, const char *request, const char *name,
		const char *host, char **certificate, char **authority,
		struct bigm_error *err)
{
	struct world *w = keeper;

	*authority = xstrdup(authority_pem(w->authority));
	return authority_sign(w->authority, request, ROLE_MACHINE, name, host,
			      certificate, err);
}

static void on_certified(void *data, const struct bigm_error *why)
{
	struct world *w = data;

	if (why)
		w->result = *why;
	atomic_store(&w->done, true);
}

static void start_certify(void *data)
{
	struct world *w = data;
	const struct certify_order order = {
		.loop = w->loop,
		.tls = w->tls,
		.facts = { .name = "m0",
			   .cluster = authority_cluster(w->authority),
			   .address = w->address,
			   .dir = "",
			   .marker = MARKER,
			   .procs = 1,
			   .lease_ms = LONG_MS },
		.limit_ms = LONG_MS,
		.sign = sign,
		.keeper = w,
	};

	w->certify = certify_start(&order, on_certified, w, NULL);
}

/* False where we may not make such a machine. */
static bool certify(struct world *w)
{
	loop_call(w->loop, start_certify, w);
	while (!atomic_load(&w->done)) {
		siginfo_t info = { .si_pid = 0 };

		poll(NULL, 0, 1);
		if (waitid(P_PID, (id_t)w->pid, &info,
			   WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == w->pid)
			return false;
	}
	if (w->result.code)
		fail_msg("%s", w->result.text);
	return true;
}

static void dial(struct world *w)
{
	struct rpc_target target = {
		.address = w->address,
		.fd = -1,
		.tls = w->tls,
		.expect = { .role = ROLE_MACHINE, .name = "m0" },
	};

	assert_int_equal(rpc_client_open(w->client, &target, NULL), 0);
}

static void it_serves_where_there_is_nothing(void **state)
{
	struct world *w = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *said = NULL, *dir = NULL;
	const char *const calls[][2] = {
		{ "Supervisor.Ping", "1" },
		{ "Supervisor.Keepalive", "{\"interval_ms\":60000}" },
		{ "Supervisor.Services", NULL },
		{ "Supervisor.Shutdown", "{\"message\":\"enough\"}" },
	};
	int status;

	skip_if_instrumented();
	begin(w, "1m");
	if (certify(w)) {
		dial(w);
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
			cJSON *reply = call_as(w->client, calls[i][0],
					       calls[i][1], &err);

			if (!reply)
				fail_msg("%s", err.text);
			cJSON_Delete(reply);
		}
	}
	said = end(w, &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(said, "enough"));
	assert_non_null(strstr(said, MARKER "\n"));
	dir = xasprintf("%s/m0", w->root);
	assert_int_equal(access(dir, F_OK), 0);
}

static void it_ends_when_nobody_comes(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *said = NULL;
	int status;

	skip_if_instrumented();
	begin(w, "50ms");
	said = end(w, &status);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_non_null(strstr(said, "the machine cannot begin: no keeper has "
				     "certified this machine within 50ms"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_serves_where_there_is_nothing),
		TEST(it_ends_when_nobody_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
