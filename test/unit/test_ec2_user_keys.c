#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/json.h"
#include "ec2/user_keys.h"

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE"
#define RSA "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ"

struct home {
	char dir[128];
	char *socket; /* the agent's */
	char **keys, *note;
};

static int set_up(void **state)
{
	struct home *h = xcalloc(1, sizeof(*h));
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *ssh = NULL;

	snprintf(h->dir, sizeof(h->dir), "%s/bigm-keys-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(h->dir));
	ssh = xasprintf("%s/.ssh", h->dir);
	assert_int_equal(mkdir(ssh, 0700), 0);
	h->socket = xasprintf("%s/agent", h->dir);
	*state = h;
	return 0;
}

static int tear_down(void **state)
{
	struct home *h = *state;
	AUTO_FREE char *command = xasprintf("rm -r '%s'", h->dir);

	assert_int_equal(system(command), 0);
	strings_free(h->keys);
	free(h->note);
	free(h->socket);
	free(h);
	return 0;
}

static void put(const struct home *h, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/.ssh/%s", h->dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void find(struct home *h, const char *socket, uint64_t ms)
{
	const struct user_keys_options options = {
		.home = h->dir, .socket = socket, .agent_ms = ms,
	};

	strings_free(h->keys);
	free(h->note);
	h->keys = user_keys_find(&options, &h->note);
}

static void assert_has(const char *text, const char *words)
{
	if (!text || !strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

static void files_of_public_keys_are_read(void **state)
{
	struct home *h = *state;

	put(h, "id_a.pub", ED "A ann@here\n");
	put(h, "id_b.pub", "# two\n" RSA "\r\n" ED "A the same again\n");
	put(h, "id_b-cert.pub", "ssh-ed25519-cert-v01@openssh.com "
				"AAAAIHNzaC1lZDI1NTE5LWNlcnQ ann\n");
	put(h, "odd.pub", "no key at all\n");
	put(h, "empty.pub", "");
	put(h, "id_c", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	find(h, NULL, 0);
	assert_string_equal(h->keys[0], ED "A ann@here");
	assert_string_equal(h->keys[1], RSA);
	assert_null(h->keys[2]);
	assert_null(h->note);
}

static void none_is_worth_a_note(void **state)
{
	struct home *h = *state;

	find(h, NULL, 0);
	assert_null(h->keys[0]);
	assert_has(h->note, "there is no SSH key of yours");
	assert_has(h->note, "--ec2-ssh-key");
}

static void those_that_do_not_fit_are_left_out(void **state)
{
	struct home *h = *state;
	char name[16], key[1200];
	size_t n = 0;

	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "id_%d.pub", i);
		snprintf(key, sizeof(key), RSA "%01000d\n", i);
		put(h, name, key);
	}
	find(h, NULL, 0);
	while (h->keys[n])
		n++;
	assert_int_equal(n, 3);
	assert_has(h->note, "6 of your SSH keys are left out");
}

/* What ssh-add says of it is what it is asked to hold. */
static void the_agent_is_asked(void **state)
{
	struct home *h = *state;
	AUTO_FREE char *command = xasprintf(
		"ssh-keygen -q -t ed25519 -N '' -C 'of the agent' -f '%s/key' "
		"&& cp '%s/key.pub' '%s/.ssh/id.pub' && "
		"ssh-keygen -q -t rsa -b 1024 -N '' -C r -f '%s/rsa' && "
		"SSH_AUTH_SOCK='%s' ssh-add -q '%s/key' '%s/rsa'",
		h->dir, h->dir, h->dir, h->dir, h->socket, h->dir, h->dir);
	pid_t agent = fork();

	if (agent == 0) {
		execlp("ssh-agent", "ssh-agent", "-D", "-a", h->socket, NULL);
		_exit(127);
	}
	for (int i = 0; i < 3000 && access(h->socket, F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(system(command), 0);
	find(h, h->socket, 20000);
	kill(agent, SIGTERM);
	waitpid(agent, NULL, 0);
	/* Once, although it is in a file, too. */
	assert_has(h->keys[0], "ssh-ed25519 AAAA");
	assert_has(h->keys[0], " of the agent");
	assert_has(h->keys[1], "ssh-rsa AAAA");
	assert_null(h->keys[2]);
	assert_null(h->note);
}

static void an_agent_that_is_gone_is_noted(void **state)
{
	struct home *h = *state;

	put(h, "id_a.pub", ED "A\n");
	find(h, h->socket, 20000);
	assert_non_null(h->keys[0]);
	assert_string_equal(h->note, "the SSH agent of SSH_AUTH_SOCK cannot be "
				     "asked");
}

static void an_agent_that_hangs_is_left_alone(void **state)
{
	struct home *h = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", h->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	find(h, h->socket, 200);
	assert_null(h->keys[0]);
	assert_has(h->note, "the SSH agent of SSH_AUTH_SOCK does not answer");
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(files_of_public_keys_are_read),
		TEST(none_is_worth_a_note),
		TEST(those_that_do_not_fit_are_left_out),
		TEST(the_agent_is_asked),
		TEST(an_agent_that_is_gone_is_noted),
		TEST(an_agent_that_hangs_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
