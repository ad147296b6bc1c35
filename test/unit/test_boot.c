#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/authority.h"
#include "supervisor/boot.h"

struct fixture {
	struct authority *authority;
	int listen_fd;
	int keeper_fd, parent_fd;
	char logged[512];
};

static void keep_line(enum log_level level, const char *line, void *data)
{
	struct fixture *f = data;

	(void)level;
	snprintf(f->logged, sizeof(f->logged), "%s", line);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct sockaddr_in any = { .sin_family = AF_INET };
	int pair[2];

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->authority = authority_new("c1", NULL);
	assert_non_null(f->authority);
	f->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&any,
			      sizeof(any)), 0);
	assert_int_equal(listen(f->listen_fd, 4), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	f->keeper_fd = pair[0];
	f->parent_fd = pair[1];
	log_set_sink(keep_line, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	log_set_sink(NULL, NULL);
	unsetenv(BOOT_ENV);
	authority_free(f->authority);
	if (f->listen_fd >= 0)
		close(f->listen_fd);
	if (f->keeper_fd >= 0)
		close(f->keeper_fd);
	if (f->parent_fd >= 0)
		close(f->parent_fd);
	free(f);
	return 0;
}

static void set_env(int listen_fd, int parent_fd, int identity_fd)
{
	AUTO_FREE char *value = boot_env(listen_fd, parent_fd, identity_fd);

	setenv(BOOT_ENV, value, 1);
}

static cJSON *receive(int fd)
{
	static char packet[65536];
	ssize_t n = recv(fd, packet, sizeof(packet), 0);

	return n > 0 ? json_parse(packet, (size_t)n, NULL) : NULL;
}

static cJSON *plain_answer(void)
{
	return bigm_json("{\"name\": \"m0\", \"cluster\": \"c1\", "
			 "\"procs\": 2, \"dir\": \"/some/where\", "
			 "\"lease_ms\": 5000, \"marker\": \"the end\", "
			 "\"no_http\": true, "
			 "\"address\": \"https://127.0.0.1:1/\"}");
}

static void send_json(int fd, const cJSON *json)
{
	AUTO_FREE char *text = json_print(json);

	assert_int_equal(send(fd, text, strlen(text), 0),
			 (ssize_t)strlen(text));
}

/* In a child: what a keeper does. */
static void answer_as_keeper(struct fixture *f, cJSON *answer)
{
	cJSON *request = receive(f->keeper_fd);
	char *certificate = NULL;
	const char *pem = NULL, *version = NULL;
	int64_t wire = 0;

	if (bigm_json_get_string(request, "request", &pem, NULL) < 0 ||
	    bigm_json_get_string(request, "version", &version, NULL) < 0 ||
	    bigm_json_get_int64(request, "wire", &wire, NULL) < 0 ||
	    authority_sign(f->authority, pem, ROLE_MACHINE, "m0", "127.0.0.1",
			   &certificate, NULL) < 0)
		_exit(9);
	cJSON_AddStringToObject(answer, "certificate", certificate);
	cJSON_AddStringToObject(answer, "authority",
				authority_pem(f->authority));
	send_json(f->keeper_fd, answer);
	cJSON_Delete(answer);
	free(certificate);
	cJSON_Delete(request);
	_exit(0);
}

static struct boot *boot_with(struct fixture *f, cJSON *answer,
			      struct bigm_error *err)
{
	pid_t pid = fork();
	struct boot *boot;
	int status;

	if (pid == 0)
		answer_as_keeper(f, answer);
	cJSON_Delete(answer);
	set_env(f->listen_fd, f->parent_fd, -1);
	boot = boot_receive(err);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* they are boot's now, or closed */
	f->listen_fd = f->parent_fd = -1;
	return boot;
}

static void assert_boot(const struct boot *boot, uint64_t incarnation)
{
	struct peer peer;

	assert_string_equal(boot->name, "m0");
	assert_string_equal(boot->cluster, "c1");
	assert_string_equal(boot->address, "https://127.0.0.1:1/");
	assert_string_equal(boot->dir, "/some/where");
	assert_string_equal(boot->marker, "the end");
	assert_int_equal(boot->procs, 2);
	assert_int_equal(boot->lease_ms, 5000);
	assert_true(boot->no_http);
	assert_int_equal(boot->incarnation, incarnation);
	assert_int_equal(identity_peer(boot->identity->certificate, &peer,
				       NULL), 0);
	assert_int_equal(peer.role, ROLE_MACHINE);
	assert_string_equal(peer.name, "m0");
}

static void a_machine_gets_what_it_needs(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct boot *boot = boot_with(f, plain_answer(), &err);

	assert_non_null(boot);
	assert_boot(boot, 1);
	assert_false(boot_wanted());
	assert_int_equal(fcntl(boot->listen_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(boot->parent_fd, F_GETFD), FD_CLOEXEC);
	boot_free(boot);
}

static void the_next_image_gets_the_same(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct boot *old = boot_with(f, plain_answer(), &err), *boot;
	struct image *next = image_plain("/bin/true");
	int fd = boot_leave(old, next, &err);

	image_free(next);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	set_env(dup(old->listen_fd), dup(old->parent_fd), fd);
	boot = boot_receive(&err);
	assert_non_null(boot);
	assert_boot(boot, 2);
	assert_int_equal(EVP_PKEY_eq(old->identity->key, boot->identity->key),
			 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	boot_free(boot);
	boot_free(old);
}

/* boot_receive() fails with the code and word, and has said so. */
static void assert_fails(struct fixture *f, int code, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(boot_receive(&err));
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, word));
	assert_string_equal(f->logged, err.text);
	assert_false(boot_wanted());
}

static void a_keeper_that_goes_away_ends_it(void **state)
{
	struct fixture *f = *state;

	close(f->keeper_fd);
	f->keeper_fd = -1;
	set_env(f->listen_fd, f->parent_fd, -1);
	f->listen_fd = f->parent_fd = -1;
	assert_fails(f, BIGM_EIO, "keeper");
}

static void a_bad_answer_is_told_to_the_keeper(void **state)
{
	static const char *const answers[] = {
		"no json", "{}", "[]", "null",
		"{\"name\":\"m0\",\"cluster\":\"c1\"}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":0}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":-5}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":1e300}",
		"{\"name\":\"m0\",\"cluster\":7,\"lease_ms\":1000}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":1000,"
		"\"procs\":-1}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":1000}",
		"{\"name\":\"m0\",\"cluster\":\"c1\",\"lease_ms\":1000,"
		"\"certificate\":\"x\",\"authority\":\"y\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct fixture *f;

		setup((void **)&f);
		send(f->keeper_fd, answers[i], strlen(answers[i]), 0);
		set_env(f->listen_fd, f->parent_fd, -1);
		f->listen_fd = f->parent_fd = -1;
		assert_null(boot_receive(NULL));
		assert_non_null(strstr(f->logged, "cannot begin"));
		cJSON_Delete(receive(f->keeper_fd)); /* the request */
		{
			AUTO_JSON cJSON *failed = receive(f->keeper_fd);
			const char *why = "";

			assert_int_equal(bigm_json_get_string(
				failed, "failed", &why, NULL), 0);
			assert_string_equal(why, f->logged);
		}
		teardown((void **)&f);
	}
}

static void a_certificate_for_another_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct identity *other = authority_issue(f->authority, ROLE_MACHINE,
						 "m0", NULL, &err);
	AUTO_FREE char *pem = identity_certificate_pem(other, &err);
	AUTO_JSON cJSON *answer = plain_answer();

	cJSON_AddStringToObject(answer, "certificate", pem);
	cJSON_AddStringToObject(answer, "authority",
				authority_pem(f->authority));
	send_json(f->keeper_fd, answer);
	set_env(f->listen_fd, f->parent_fd, -1);
	f->listen_fd = f->parent_fd = -1;
	assert_null(boot_receive(&err));
	identity_free(other);
}

static void a_long_marker_is_refused(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *answer = plain_answer();

	cJSON_ReplaceItemInObject(answer, "marker", cJSON_CreateString(
		"0123456789012345678901234567890123456789012345678901234567890123"));
	assert_null(boot_with(f, answer, &err));
	assert_non_null(strstr(err.text, "marker"));
}

static void a_foreign_variable_is_refused(void **state)
{
	static const char *const values[] = {
		"", "yes", "listen:", "listen:x", "listen:-1,parent:1",
		"listen:99999999999999999999", "parent:1", "listen:1",
		"listen:1,listen:1,parent:1", "listen:1,parent:1,other:1",
		"listen:1,parent:1", "listen:999,parent:998",
		"listen: 1,parent:1x",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv(BOOT_ENV, values[i], 1);
		assert_true(boot_wanted());
		assert_fails(f, BIGM_EINVALID, BOOT_ENV);
	}
}

static void stale_descriptors_are_refused(void **state)
{
	struct fixture *f = *state;

	set_env(f->parent_fd, f->parent_fd, -1);
	assert_fails(f, BIGM_EINVALID, "no listening socket");
	set_env(f->listen_fd, f->listen_fd, -1);
	assert_fails(f, BIGM_EINVALID, "SEQPACKET");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_gets_what_it_needs),
		TEST(the_next_image_gets_the_same),
		TEST(a_keeper_that_goes_away_ends_it),
		cmocka_unit_test(a_bad_answer_is_told_to_the_keeper),
		TEST(a_certificate_for_another_key_is_refused),
		TEST(a_long_marker_is_refused),
		TEST(a_foreign_variable_is_refused),
		TEST(stale_descriptors_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
