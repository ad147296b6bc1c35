#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "test/bench/fleet_packet.h"

#define PACKET_MAX 16384

/* libuv made the socket non-blocking. */
void packet_send(int socket, const cJSON *json, int fd)
{
	struct pollfd room = { .fd = socket, .events = POLLOUT };
	AUTO_FREE char *text = json_print(json);
	struct iovec iov = { text, strlen(text) };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	while (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 &&
	       (errno == EINTR || errno == EAGAIN))
		poll(&room, 1, -1);
}

cJSON *packet_receive(int socket, int *fd, bool *over)
{
	AUTO_FREE char *text = xmalloc(PACKET_MAX);
	struct iovec iov = { text, PACKET_MAX };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	*fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	*over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	return n > 0 ? json_parse(text, (size_t)n, NULL) : NULL;
}

const char *packet_text(const cJSON *json, const char *name)
{
	const char *text = "";

	bigm_json_get_string(json, name, &text, NULL);
	return text;
}

size_t packet_index(const cJSON *json)
{
	uint64_t index = SIZE_MAX;

	bigm_json_get_uint64(json, "index", &index, NULL);
	return (size_t)index;
}

void packet_add(cJSON *json, const char *name, const char *value)
{
	if (!cJSON_AddStringToObject(json, name, value))
		alloc_failed();
}
