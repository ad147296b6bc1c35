/* What a keeper's life hangs on, where the kernel has no room to watch it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/lifeline.h"

/* Which of the next descriptors that libuv wants to watch is refused; < 0:
 * none. */
static int refused = -1;

/* As with fs.epoll.max_user_watches. */
__attribute__((visibility("default"))) int
epoll_ctl(int epoll, int how, int fd, struct epoll_event *event)
{
	if (how == EPOLL_CTL_ADD && refused >= 0 && refused-- == 0) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epoll, how, fd, event);
}

static void nothing(void *data)
{
}

static struct lifeline *begin(struct loop *loop, struct bigm_error *err)
{
	static const struct lifeline_events events = {
		nothing, nothing, nothing, nothing, nothing,
	};
	struct lifeline *l;
	int hold[2], guard[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, hold), 0);
	assert_int_equal(pipe(guard), 0);
	l = lifeline_new(loop, hold[0], guard[0], &events, NULL, err);
	close(hold[0]);
	close(hold[1]);
	close(guard[1]);
	return l;
}

static void test_refused(void **state)
{
	for (int which = 0; which < 2; which++) {
		struct bigm_error err = BIGM_ERROR_INIT;
		struct loop *loop = loop_new(NULL);

		refused = which;
		assert_null(begin(loop, &err));
		assert_int_equal(err.code, BIGM_EEXHAUSTED);
		loop_free(loop);
	}
}

static void test_not_refused(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct loop *loop = loop_new(NULL);
	struct lifeline *l = begin(loop, &err);

	assert_non_null(l);
	lifeline_release(l);
	lifeline_free(l);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_not_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
