#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "ec2/cancel.h"
#include "loop/loop.h"

struct cancel {
	atomic_bool set;
	int fd;
};

struct cancel *cancel_new(struct bigm_error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct cancel *c;

	if (fd < 0) {
		error_set_errno(err, errno, "cannot make an eventfd");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	return c;
}

void cancel_free(struct cancel *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

void cancel_set(struct cancel *c)
{
	const uint64_t one = 1;
	ssize_t n;

	atomic_store(&c->set, true);
	/* It fails only when the descriptor has been readable for 2^64 calls. */
	n = write(c->fd, &one, sizeof(one));
	(void)n;
}

bool cancel_is_set(const struct cancel *c)
{
	return c && atomic_load(&c->set);
}

int cancel_fd(const struct cancel *c)
{
	return c ? c->fd : -1;
}

bool cancel_sleep(const struct cancel *c, uint64_t ms)
{
	const int64_t wait = ms < INT64_MAX ? (int64_t)ms : -1;
	const int64_t deadline = wait_deadline(wait);
	struct pollfd fd = { .fd = cancel_fd(c), .events = POLLIN };

	while (!cancel_is_set(c)) {
		int64_t left = deadline - (int64_t)loop_now_ns();

		if (left <= 0)
			return false;
		/* Rounded up, or the last millisecond would be spun away. */
		left = left / 1000000 + 1;
		poll(&fd, 1, left < INT_MAX ? (int)left : INT_MAX);
	}
	return true;
}

int cancel_error(struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_ECANCELED, "canceled");
}
