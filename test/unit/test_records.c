#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/records.h"

#define WAIT_MS 20000

/* A record of so many bytes, its header apart; returns all of its length. */
static size_t put_record(uint8_t *at, size_t len)
{
	at[0] = 23;
	at[1] = at[2] = 3;
	at[3] = (uint8_t)(len >> 8);
	at[4] = (uint8_t)len;
	memset(at + RECORDS_HEADER, 23, len);
	return RECORDS_HEADER + len;
}

/* However the bytes are cut, what is lacking after each is known. */
static void the_end_is_found_however_they_come(void **state)
{
	static const size_t lens[] = { 1, 0, 16401, 5000, 4, 300 };
	static uint8_t bytes[32768];
	size_t ends[6], total = 0;

	for (size_t i = 0; i < 6; i++) {
		total += put_record(bytes + total, lens[i]);
		ends[i] = total;
	}
	for (size_t step = 1; step < 6000; step += step < 10 ? 1 : 611) {
		struct records r = { 0 };

		for (size_t at = 0; at < total;) {
			size_t n = step < total - at ? step : total - at, i = 0;

			records_pass(&r, bytes + at, n);
			at += n;
			while (ends[i] < at)
				i++;
			if (ends[i] - lens[i] <= at)
				assert_int_equal(r.left, ends[i] - at);
			else
				assert_int_equal(r.left, 0);
		}
	}
}

static void make_pair(int fds[2])
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&in, len), 0);
	fds[1] = accept(fd, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(fd);
}

static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms);
}

static int low_mark(int fd)
{
	int low = 0;
	socklen_t len = sizeof(low);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len), 0);
	return low;
}

static void take(struct records *r, int fd, size_t least)
{
	static uint8_t bytes[32768];

	while (least > 0) {
		ssize_t n = read(fd, bytes, least);

		assert_true(n > 0);
		records_pass(r, bytes, (size_t)n);
		least -= (size_t)n;
	}
	records_tell(r, fd);
}

static void the_kernel_wakes_for_whole_records(void **state)
{
	static uint8_t bytes[32768];
	size_t len = put_record(bytes, 16000);
	struct records r = { 0 };
	int fds[2];

	make_pair(fds);
	assert_int_equal(write(fds[0], bytes, 1000), 1000);
	take(&r, fds[1], 1000);
	assert_int_equal(low_mark(fds[1]), len - 1000);
	assert_int_equal(write(fds[0], bytes + 1000, 8000), 8000);
	assert_int_equal(readable(fds[1], 50), 0);
	assert_int_equal(write(fds[0], bytes + 9000, len - 9000), len - 9000);
	assert_int_equal(readable(fds[1], WAIT_MS), 1);
	take(&r, fds[1], len - 1000);
	/* What comes next may be small. */
	assert_int_equal(low_mark(fds[1]), 1);
	assert_int_equal(write(fds[0], bytes, 1), 1);
	assert_int_equal(readable(fds[1], WAIT_MS), 1);
	take(&r, fds[1], 1);
	/* The end wakes, too. */
	assert_int_equal(write(fds[0], bytes + 1, 1000), 1000);
	take(&r, fds[1], 1000);
	assert_true(low_mark(fds[1]) > 1);
	close(fds[0]);
	assert_int_equal(readable(fds[1], WAIT_MS), 1);
	close(fds[1]);
}

/* One that says that it is larger than any is waited for only so far. */
static void no_record_is_larger_than_it_may_be(void **state)
{
	uint8_t bytes[RECORDS_HEADER] = { 23, 3, 3, 0xff, 0xff };
	struct records r = { 0 };
	int fds[2];

	make_pair(fds);
	assert_int_equal(write(fds[0], bytes, sizeof(bytes)), sizeof(bytes));
	take(&r, fds[1], sizeof(bytes));
	assert_int_equal(low_mark(fds[1]), RECORDS_MOST);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_found_however_they_come),
		cmocka_unit_test(the_kernel_wakes_for_whole_records),
		cmocka_unit_test(no_record_is_larger_than_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
