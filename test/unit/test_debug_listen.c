/* Where debug pages listen, and who may connect. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "debug/caller.h"
#include "debug/listen.h"

static void only_loopback(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0:3333", "10.1.2.3", "example.com:80", "[::]:3333",
		"127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:-1", "", "[::1",
		"[::1]x", "::1", "localhost:", ":", "127.1",
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *first = NULL, *second = NULL, *third = NULL;
	char *origin = NULL;
	int a, b, c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(debug_listen(bad[i], &origin, &err),
				 BIGM_EINVALID);
		assert_non_null(strstr(err.text, "loopback"));
	}
	a = debug_listen(NULL, &first, NULL);
	b = debug_listen("localhost", &second, NULL);
	assert_true(a >= 0 && b >= 0);
	assert_string_not_equal(first, second);
	/* One that was named is that one. */
	assert_int_equal(debug_listen(strrchr(first, ':'), &origin, &err),
			 BIGM_EIO);
	c = debug_listen("0", &third, NULL);
	assert_true(c >= 0);
	close(a);
	close(b);
	close(c);
}

/* The kernel says of a socket without an owner that it is root's. */
static void nobodys_connection_is_refused(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct bigm_error err = BIGM_ERROR_INIT;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	assert_int_equal(bind(listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&sin, &len);
	assert_int_equal(connect(caller, (struct sockaddr *)&sin, len), 0);
	fd = accept(listener, NULL, NULL);
	assert_int_equal(debug_caller_check(fd, &err), 0);
	close(caller);
	assert_int_equal(debug_caller_check(fd, &err), BIGM_EPERMISSION);
	close(fd);
	close(listener);
}

/* Of what is no TCP, or of no host that is asked, nobody says. */
static void what_is_no_connection_is_refused(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(debug_caller_check(fds[0], &err), BIGM_EPERMISSION);
	assert_int_equal(debug_caller_check(-1, &err), BIGM_EPERMISSION);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_loopback),
		cmocka_unit_test(nobodys_connection_is_refused),
		cmocka_unit_test(what_is_no_connection_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
