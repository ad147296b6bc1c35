#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "test/unit/sshd.h"

#define MOST_OUTPUT (64u << 20)

struct world {
	struct loop *loop;
	struct sshd *sshd;
	struct loop_timer watchdog;
	struct ssh *ssh;
	bool ready, closed;
	struct bigm_error why;
	int waiting; /* commands that have not ended */
};

struct command {
	struct world *w;
	struct buffer out[2];
	bool done;
	int status;
	struct bigm_error why;
	bool cut; /* the connection, at the first output */
	bool free; /* likewise */
};

static void on_watchdog(struct loop_timer *timer)
{
	print_error("nothing happens any more\n");
	abort();
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->loop = loop_new(NULL);
	w->sshd = sshd_start(w->loop);
	w->why = (struct bigm_error)BIGM_ERROR_INIT;
	loop_timer_start(w->loop, &w->watchdog, 30000, on_watchdog);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ssh_free(w->ssh);
	if (w->sshd)
		sshd_stop(w->sshd);
	loop_timer_stop(w->loop, &w->watchdog);
	loop_free(w->loop);
	free(w);
	return 0;
}

static struct world *world_of(void **state)
{
	struct world *w = *state;

	if (!w->sshd)
		skip();
	return w;
}

static void on_ready(void *data)
{
	struct world *w = data;

	w->ready = true;
	if (w->waiting == 0)
		loop_stop(w->loop);
}

static void on_closed(void *data, const struct bigm_error *why)
{
	struct world *w = data;

	w->closed = true;
	error_copy(&w->why, why);
	loop_stop(w->loop);
}

static void open_to(struct world *w, const struct ssh_target *target)
{
	static const struct ssh_events events = { on_ready, on_closed };

	w->ssh = ssh_open(w->loop, target, &events, w, NULL);
	assert_non_null(w->ssh);
}

static void open_it(struct world *w)
{
	struct ssh_target target = sshd_target(w->sshd);

	open_to(w, &target);
}

static void on_output(void *data, int stream, const void *bytes, size_t len)
{
	struct command *c = data;

	assert_in_range(stream, 1, 2);
	buffer_append(&c->out[stream - 1], bytes, len, NULL);
	if (c->cut)
		sshd_cut(c->w->sshd);
	if (c->free) {
		ssh_free(c->w->ssh);
		c->w->ssh = NULL;
		loop_stop(c->w->loop);
	}
}

static void on_done(void *data, int status, const struct bigm_error *why)
{
	struct command *c = data;

	assert_false(c->done);
	c->done = true;
	c->status = status;
	error_copy(&c->why, why);
	if (--c->w->waiting == 0)
		loop_stop(c->w->loop);
}

static struct ssh_run *begin(struct world *w, struct command *c,
			     const char *command, int input_fd)
{
	static const struct ssh_run_events events = { on_output, on_done };

	c->w = w;
	c->why = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&c->out[0], MOST_OUTPUT);
	buffer_init(&c->out[1], MOST_OUTPUT);
	w->waiting++;
	return ssh_run(w->ssh, command, input_fd, &events, c);
}

static void release(struct command *c)
{
	buffer_release(&c->out[0]);
	buffer_release(&c->out[1]);
}

static void test_a_command_runs(void **state)
{
	struct world *w = world_of(state);
	struct command c = { 0 };

	open_it(w);
	begin(w, &c, "echo out; echo err >&2; exit 7", -1);
	loop_run(w->loop);
	if (!c.done)
		fail_msg("%s", w->why.text);
	assert_int_equal(c.why.code, 0);
	assert_int_equal(c.status, 7);
	assert_string_equal(buffer_string(&c.out[0]), "out\n");
	assert_string_equal(buffer_string(&c.out[1]), "err\n");
	assert_true(w->ready);
	release(&c);
}

static void test_several_run_side_by_side(void **state)
{
	struct world *w = world_of(state);
	struct command commands[5] = { 0 };

	open_it(w);
	for (int i = 0; i < 5; i++) {
		AUTO_FREE char *text = xasprintf("echo %d; exit %d", i, i);

		begin(w, &commands[i], text, -1);
	}
	loop_run(w->loop);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(commands[i].status, i);
		assert_int_equal(atoi(buffer_string(&commands[i].out[0])), i);
		release(&commands[i]);
	}
}

/* A file in memory of so many bytes that are not all the same. */
static int make_input(size_t size, char digest[DIGEST_SIZE])
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (uint32_t i = 0; i < size / 4; i++)
		assert_int_equal(write(fd, &i, 4), 4);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(digest_fd(fd, "input", digest, NULL), 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void test_input_arrives_whole(void **state)
{
	struct world *w = world_of(state);
	struct command c = { 0 };
	char digest[DIGEST_SIZE];
	int fd = make_input(1u << 20, digest);

	open_it(w);
	begin(w, &c, "sha256sum", fd);
	loop_run(w->loop);
	assert_int_equal(c.status, 0);
	assert_memory_equal(buffer_data(&c.out[0]), digest + strlen("sha256:"),
			    64);
	release(&c);
}

static void test_a_command_may_leave_its_input(void **state)
{
	struct world *w = world_of(state);
	struct command c = { 0 };
	char digest[DIGEST_SIZE];
	int fd = make_input(8u << 20, digest);

	open_it(w);
	begin(w, &c, "head -c 4; exit 3", fd);
	loop_run(w->loop);
	assert_int_equal(c.status, 3);
	assert_int_equal(c.out[0].len, 4);
	release(&c);
}

static void test_much_output_comes_whole(void **state)
{
	struct world *w = world_of(state);
	struct command c = { 0 };
	char last[32] = "";

	open_it(w);
	begin(w, &c, "seq 100000", -1);
	loop_run(w->loop);
	assert_int_equal(c.out[0].len, 588895);
	memcpy(last, buffer_data(&c.out[0]) + c.out[0].len - 7, 7);
	assert_string_equal(last, "100000\n");
	release(&c);
}

static void test_a_signal_is_no_success(void **state)
{
	struct world *w = world_of(state);
	struct command c = { 0 };

	open_it(w);
	begin(w, &c, "kill -9 $$", -1);
	loop_run(w->loop);
	assert_int_equal(c.status, 255);
	release(&c);
}

static void test_another_hosts_key_is_refused(void **state)
{
	struct world *w = world_of(state);
	struct ssh_target target = sshd_target(w->sshd);
	struct ssh_key other;
	struct command c = { 0 };

	ssh_key_new(&other, "other", NULL);
	target.host_key = other.public_text;
	open_to(w, &target);
	begin(w, &c, "true", -1);
	loop_run(w->loop);
	if (!w->closed)
		loop_run(w->loop);
	assert_false(w->ready);
	assert_int_equal(c.why.code, BIGM_EPERMISSION);
	assert_int_equal(w->why.code, BIGM_EPERMISSION);
	assert_non_null(strstr(w->why.text, "another key"));
	ssh_key_release(&other);
	release(&c);
}

static void test_another_key_of_ours_is_refused(void **state)
{
	struct world *w = world_of(state);
	struct ssh_target target = sshd_target(w->sshd);
	struct ssh_key other;

	ssh_key_new(&other, "other", NULL);
	target.key = &other;
	open_to(w, &target);
	loop_run(w->loop);
	assert_true(w->closed);
	assert_int_equal(w->why.code, BIGM_EPERMISSION);
	assert_non_null(strstr(w->why.text, "SSH login: "));
	ssh_key_release(&other);
}

static void test_a_silent_host_is_given_up(void **state)
{
	struct world *w = world_of(state);
	struct ssh_target target = sshd_target(w->sshd);

	target.timeout_ms = 100;
	sshd_be_silent(w->sshd);
	open_to(w, &target);
	loop_run(w->loop);
	assert_int_equal(w->why.code, BIGM_EDEADLINE);
}

/* What a host does that is not there yet: its queue is full, and the kernel asks
 * again after a second. */
static void test_a_connection_that_is_not_taken_is_given_up(void **state)
{
	struct world *w = world_of(state);
	struct ssh_target target = sshd_target(w->sshd);
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int others[3];

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	getsockname(fd, (struct sockaddr *)&addr, &len);
	for (int i = 0; i < 3; i++) {
		others[i] = socket(AF_INET,
				   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				   0);
		connect(others[i], (struct sockaddr *)&addr, len);
	}
	target.port = ntohs(addr.sin_port);
	target.connect_ms = 100;
	open_to(w, &target);
	loop_run(w->loop);
	assert_int_equal(w->why.code, BIGM_EDEADLINE);
	assert_non_null(strstr(w->why.text, "connecting takes too long"));
	for (int i = 0; i < 3; i++)
		close(others[i]);
	close(fd);
}

static void test_nobody_there_is_said(void **state)
{
	struct world *w = world_of(state);
	struct ssh_target target = sshd_target(w->sshd);

	target.port = 1;
	open_to(w, &target);
	loop_run(w->loop);
	assert_int_equal(w->why.code, BIGM_EUNAVAILABLE);
	assert_non_null(strstr(w->why.text, "cannot connect: connection refused"));
}

static void test_a_lost_connection_ends_commands(void **state)
{
	struct world *w = world_of(state);
	struct command c = { .cut = true }, waiting = { 0 };

	open_it(w);
	begin(w, &c, "echo; exec sleep 1000", -1);
	begin(w, &waiting, "exec sleep 1000", -1);
	loop_run(w->loop);
	if (!w->closed)
		loop_run(w->loop);
	assert_true(c.done && waiting.done && w->closed);
	assert_int_equal(c.why.code, BIGM_EUNAVAILABLE);
	assert_int_equal(waiting.why.code, BIGM_EUNAVAILABLE);
	release(&c);
	release(&waiting);
}

static void test_it_may_be_freed_in_a_callback(void **state)
{
	struct world *w = world_of(state);
	struct command c = { .free = true }, other = { 0 };

	open_it(w);
	begin(w, &c, "echo; exec sleep 1000", -1);
	begin(w, &other, "true", -1);
	loop_run(w->loop);
	assert_false(c.done);
	assert_false(w->closed);
	release(&c);
	release(&other);
}

static void test_openssh_knows_the_keys(void **state)
{
	char dir[] = "/tmp/ssh-key-XXXXXX", line[1000] = "";
	struct ssh_key key;
	FILE *f;

	if (system("command -v ssh-keygen >/dev/null") != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *path = xasprintf("%s/key", dir);
	AUTO_FREE char *command = xasprintf("ssh-keygen -y -f %s", path);
	assert_int_equal(ssh_key_new(&key, "a comment", NULL), 0);
	f = fdopen(open(path, O_CREAT | O_WRONLY, 0600), "w");
	fputs(key.private_text, f);
	fclose(f);
	f = popen(command, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	pclose(f);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, key.public_text);
	unlink(path);
	rmdir(dir);
	ssh_key_release(&key);
}

static void test_what_is_no_key_is_refused(void **state)
{
	static const char *const lines[] = {
		"", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA x",
		"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGXBf6NlZzS5TM0XQs3bOZqKzcUH2V"
		"ZUZ0bHV6HhK7Qk",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE4AAAAIGXBf6NlZzS5TM0XQs3bOZqKzc"
		"UH2VZUZ0bHV6HhK7Qk",
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	size_t len;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_null(ssh_key_blob(lines[i], &len, &err));
		assert_int_equal(err.code, BIGM_EINVALID);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_command_runs),
		TEST(several_run_side_by_side),
		TEST(input_arrives_whole),
		TEST(a_command_may_leave_its_input),
		TEST(much_output_comes_whole),
		TEST(a_signal_is_no_success),
		TEST(another_hosts_key_is_refused),
		TEST(another_key_of_ours_is_refused),
		TEST(a_silent_host_is_given_up),
		TEST(a_connection_that_is_not_taken_is_given_up),
		TEST(nobody_there_is_said),
		TEST(a_lost_connection_ends_commands),
		TEST(it_may_be_freed_in_a_callback),
		cmocka_unit_test(test_openssh_knows_the_keys),
		cmocka_unit_test(test_what_is_no_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
