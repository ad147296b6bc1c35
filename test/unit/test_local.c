/* The local system: sockets, boot handshake, output and ends of processes of
 * this host.  The machines are this program itself, see child_main(). */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/log.h"
#include "keeper/authority.h"
#include "loop/loop.h"
#include "loop/process.h"
#include "machine/orphans.h"
#include "machine/system.h"
#include "rpc/wire.h"
#include "supervisor/boot.h"

#define DEADLINE_MS 20000

/* ------------------------------------------------------------------ */
/* What the machines do                                                */

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(99);
}

static void send_text(const char *text)
{
	if (send(4, text, strlen(text), 0) < 0)
		_exit(98);
}

static void child_boot(void)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct boot *boot = boot_receive(&err);
	struct peer peer;
	struct stat st;

	if (!boot || identity_peer(boot->identity->certificate, &peer, &err))
		_exit(97);
	printf("%s %s %d %llu %s\n", boot->name, boot->address, boot->procs,
	       (unsigned long long)boot->lease_ms, peer.name);
	printf("session %d dir %d\n", getsid(0) == getpid(),
	       stat(boot->dir, &st) == 0 && S_ISDIR(st.st_mode));
	fflush(stdout);
	say("no newline");
	say(boot->marker);
	say("\n");
	_exit(0);
}

static void child_crash(void)
{
	say("before\nlast words");
	kill(getpid(), SIGKILL);
}

/* Leaves a child that holds the pipe, ignores SIGTERM, and has a child. */
static void child_orphan(void)
{
	int gate[2];
	char c;

	if (pipe(gate) < 0)
		_exit(96);
	if (fork() == 0) {
		signal(SIGTERM, SIG_IGN);
		setpgid(0, 0);
		if (fork() == 0) {
			dprintf(1, "grandchild %d\n", getpid());
			close(gate[1]);
			for (;;)
				pause();
		}
		close(gate[1]);
		for (;;)
			pause();
	}
	close(gate[1]);
	if (read(gate[0], &c, 1) != 0)
		_exit(95);
	kill(getpid(), SIGKILL);
}

static void child_twice(void)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct identity *id = identity_new(&err);
	char *request = id ? identity_request(id, &err) : NULL;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	char buf[65536], *text;

	if (!request)
		_exit(94);
	cJSON_AddStringToObject(json, "request", request);
	cJSON_AddNumberToObject(json, "wire", WIRE_VERSION);
	text = json_print(json);
	send_text(text);
	if (recv(4, buf, sizeof(buf), 0) <= 0)
		_exit(93);
	send_text(text);
	pause();
}

static void child_flood(void)
{
	char line[1001];

	memset(line, 'f', 1000);
	line[999] = '\n';
	line[1000] = '\0';
	for (int i = 0; i < 2000; i++)
		say(line);
	_exit(3);
}

/* More in the pipe than is read at once. */
static void child_stuff(void)
{
	char line[1000];

	if (fcntl(1, F_SETPIPE_SZ, 1 << 20) < 0)
		_exit(92);
	memset(line, 's', sizeof(line));
	for (int i = 0; i < 500; i++)
		if (write(1, line, sizeof(line)) != sizeof(line))
			_exit(91);
	_exit(0);
}

static void child_main(const char *what)
{
	alarm(60);
	if (!strcmp(what, "boot"))
		child_boot();
	else if (!strcmp(what, "crash"))
		child_crash();
	else if (!strcmp(what, "orphan"))
		child_orphan();
	else if (!strcmp(what, "twice"))
		child_twice();
	else if (!strcmp(what, "flood"))
		child_flood();
	else if (!strcmp(what, "stuff"))
		child_stuff();
	else if (!strcmp(what, "failed"))
		send_text("{\"failed\":\"no memory for it\"}"), _exit(1);
	else if (!strcmp(what, "garbage"))
		send_text("garbage"), pause();
	else if (!strcmp(what, "version"))
		send_text("{\"request\":\"x\",\"wire\":99,"
			  "\"version\":\"9.9\"}"), pause();
	else if (!strcmp(what, "env"))
		printf("%s %s\n", getenv("COLOR"), getenv("XDG_STATE_HOME"));
	else if (!strcmp(what, "sleep"))
		pause();
	fflush(stdout);
	_exit(0);
}

/* ------------------------------------------------------------------ */
/* The keeper's side                                                   */

struct machine {
	struct loop *loop;
	struct loop_timer deadline;
	struct authority *authority;
	const struct system_ops *ops;
	struct system *system;
	struct system_launch *launch;
	char dir[64];
	char address[64];
	int procs;
	pid_t pid;
	struct buffer output;
	int output_ends, goners;
	struct bigm_error why;
	void (*on_address)(struct machine *m);
};

static void check_over(struct machine *m)
{
	if (m->output_ends && m->goners)
		loop_stop(m->loop);
}

static void on_address(void *data, const char *address, int procs, pid_t pid)
{
	struct machine *m = data;

	snprintf(m->address, sizeof(m->address), "%s", address);
	m->procs = procs;
	m->pid = pid;
	if (m->on_address)
		m->on_address(m);
}

static void on_output(void *data, const void *bytes, size_t len)
{
	struct machine *m = data;

	if (len == 0)
		m->output_ends++;
	else
		assert_int_equal(buffer_append(&m->output, bytes, len, NULL),
				 0);
	check_over(m);
}

static void on_gone(void *data, const struct bigm_error *why)
{
	struct machine *m = data;

	m->goners++;
	error_copy(&m->why, why);
	check_over(m);
}

static int sign(void *keeper, const char *request, const char *name,
		const char *host, char **certificate, char **authority,
		struct bigm_error *err)
{
	struct machine *m = keeper;
	int rc = authority_sign(m->authority, request, ROLE_MACHINE, name,
				host, certificate, err);

	if (rc == 0)
		*authority = xstrdup(authority_pem(m->authority));
	return rc;
}

static void on_deadline(struct loop_timer *timer)
{
	fail_msg("the machine did not end");
}

static void prepare(struct machine *m)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct system_keeper us = { .sign = sign, .keeper = m,
				    .bigm_path = "/proc/self/exe" };

	memset(m, 0, sizeof(*m));
	m->why = err;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	m->loop = loop_new(&err);
	m->authority = authority_new(NULL, &err);
	m->ops = system_find("local", &err);
	us.loop = m->loop;
	us.cluster = authority_cluster(m->authority);
	m->system = m->ops->new(&us, NULL, &err);
	strcpy(m->dir, "/tmp/bigm-test-local-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	buffer_init(&m->output, 16u << 20);
	loop_timer_start(m->loop, &m->deadline, DEADLINE_MS, on_deadline);
}

static struct system_launch *start(struct machine *m, const char *what,
				   struct bigm_error *err)
{
	static const struct system_events events = {
		.address = on_address, .output = on_output, .gone = on_gone,
	};
	char *argv[] = { (char *)"test", (char *)"machine", (char *)what,
			 NULL };
	char *env[] = { (char *)"COLOR=green", NULL };
	struct system_order order = {
		.name = "m0",
		.program = "/proc/self/exe",
		.argv = argv,
		.env = env,
		.dir = m->dir,
		.marker = "the-end",
	};

	m->launch = m->ops->start(m->system, &order, &events, m, err);
	return m->launch;
}

static void finish(struct machine *m)
{
	if (m->launch)
		m->ops->release(m->launch);
	m->ops->free(m->system);
	loop_timer_stop(m->loop, &m->deadline);
	loop_free(m->loop);
	authority_free(m->authority);
	buffer_release(&m->output);
	folder_empty(m->dir, NULL, NULL);
	rmdir(m->dir);
	/* Nothing is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void run(struct machine *m, const char *what)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	prepare(m);
	if (!start(m, what, &err))
		fail_msg("%s", err.text);
	loop_run(m->loop);
	assert_int_equal(m->output_ends, 1);
	assert_int_equal(m->goners, 1);
}

static void expect_why(struct machine *m, int code, const char *text)
{
	assert_int_equal(m->why.code, code);
	if (!strstr(m->why.text, text))
		fail_msg("\"%s\" lacks \"%s\"", m->why.text, text);
}

/* ------------------------------------------------------------------ */
/* Tests                                                               */

static void test_boot(void **state)
{
	struct machine m;
	AUTO_FREE char *expected = NULL;

	run(&m, "boot");
	assert_int_equal(m.why.code, 0);
	assert_int_equal(m.procs, 1);
	expected = xasprintf("m0 %s 1 %llu m0\nsession 1 dir 1\n"
			     "no newlinethe-end\n", m.address,
			     (unsigned long long)m.ops->keepalive.timeout_ms);
	assert_string_equal(buffer_string(&m.output), expected);
	finish(&m);
}

static void test_killed(void **state)
{
	struct machine m;

	run(&m, "crash");
	expect_why(&m, BIGM_EUNAVAILABLE, "killed by signal 9 (Killed)");
	assert_string_equal(buffer_string(&m.output), "before\nlast words");
	finish(&m);
}

/* More than a pipe holds, up to the last byte. */
static void test_flood(void **state)
{
	struct machine m;

	run(&m, "flood");
	expect_why(&m, BIGM_EUNAVAILABLE, "exited with status 3");
	assert_int_equal(m.output.len, 2000 * 1000);
	finish(&m);
}

/* The end of the process and what it wrote are seen in one turn. */
static void test_dead_before_it_is_read(void **state)
{
	struct machine m;
	struct bigm_error err = BIGM_ERROR_INIT;
	siginfo_t info;

	prepare(&m);
	assert_non_null(start(&m, "stuff", &err));
	waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	loop_run(m.loop);
	assert_int_equal(m.why.code, 0);
	assert_int_equal(m.output.len, 500 * 1000);
	finish(&m);
}

static void test_orphans_are_killed(void **state)
{
	struct machine m;
	int pid;

	run(&m, "orphan");
	expect_why(&m, BIGM_EUNAVAILABLE, "killed by signal 9 (Killed)");
	assert_int_equal(sscanf(buffer_string(&m.output), "grandchild %d",
				&pid), 1);
	assert_int_equal(kill(pid, 0), -1);
	finish(&m);
}

static void test_says_why_it_failed(void **state)
{
	struct machine m;

	run(&m, "failed");
	expect_why(&m, BIGM_EFAILED, "no memory for it");
	finish(&m);
}

static void test_peer_is_hostile(void **state)
{
	struct machine m;

	run(&m, "garbage");
	expect_why(&m, BIGM_EINVALID, "boot");
	finish(&m);
	run(&m, "twice");
	expect_why(&m, BIGM_EPROTOCOL, "second certificate");
	finish(&m);
	run(&m, "version");
	expect_why(&m, BIGM_EPROTOCOL, "9.9");
	finish(&m);
}

static void test_environment(void **state)
{
	struct machine m;

	run(&m, "env");
	assert_int_equal(m.why.code, 0);
	assert_string_equal(buffer_string(&m.output), "green (null)\n");
	finish(&m);
}

static void kill_it(struct machine *m)
{
	m->ops->kill(m->launch);
}

static void test_kill(void **state)
{
	struct machine m;
	struct bigm_error err = BIGM_ERROR_INIT;

	prepare(&m);
	m.on_address = kill_it;
	assert_non_null(start(&m, "sleep", &err));
	loop_run(m.loop);
	expect_why(&m, BIGM_EUNAVAILABLE, "killed by signal 9 (Killed)");
	finish(&m);
}

/* The socket takes connections before the machine does anything, and none
 * once it is dead. */
static int dial(const struct machine *m)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), port, rc;

	assert_int_equal(sscanf(m->address, "https://127.0.0.1:%d/", &port),
			 1);
	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	close(fd);
	return rc;
}

static void dial_and_kill(struct machine *m)
{
	assert_int_equal(dial(m), 0);
	m->ops->kill(m->launch);
}

static void test_socket(void **state)
{
	struct machine m;
	struct bigm_error err = BIGM_ERROR_INIT;

	prepare(&m);
	m.on_address = dial_and_kill;
	assert_non_null(start(&m, "sleep", &err));
	loop_run(m.loop);
	assert_int_equal(dial(&m), -1);
	finish(&m);
}

static void test_cannot_begin(void **state)
{
	struct machine m;
	struct bigm_error err = BIGM_ERROR_INIT;
	char *argv[] = { (char *)"none", NULL };
	struct system_order order = {
		.name = "m0", .program = "/nonexistent/none", .argv = argv,
		.marker = "x",
	};
	struct system_events events = {
		.address = on_address, .output = on_output, .gone = on_gone,
	};

	prepare(&m);
	order.dir = m.dir;
	assert_null(m.ops->start(m.system, &order, &events, &m, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "/nonexistent/none"));
	order.dir = "/proc/nowhere/m0";
	assert_null(m.ops->start(m.system, &order, &events, &m, &err));
	assert_non_null(strstr(err.text, "/proc/nowhere/m0"));
	finish(&m);
}

static int watched(pid_t pid, void *data)
{
	return pid == *(pid_t *)data;
}

static void test_reap(void **state)
{
	pid_t mine = fork(), other;
	siginfo_t info;

	if (mine == 0)
		_exit(0);
	other = fork();
	if (other == 0)
		_exit(0);
	/* Both are dead. */
	waitid(P_PID, (id_t)mine, &info, WEXITED | WNOWAIT);
	waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT);
	assert_false(orphans_reap(watched, &mine));
	assert_int_equal(waitpid(mine, NULL, WNOHANG), mine);
	assert_true(orphans_reap(watched, &mine));
	assert_int_equal(waitpid(other, NULL, WNOHANG), -1);
}

static void test_find(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(system_find("nosuch", &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "local"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_dead_before_it_is_read),
		cmocka_unit_test(test_orphans_are_killed),
		cmocka_unit_test(test_says_why_it_failed),
		cmocka_unit_test(test_peer_is_hostile),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_cannot_begin),
		cmocka_unit_test(test_reap),
		cmocka_unit_test(test_find),
	};

	if (argc == 3 && !strcmp(argv[1], "machine"))
		child_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
