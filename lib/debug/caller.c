#include "config.h"

#include "debug/caller.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/alloc.h"
#include "base/error.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static void put_address(const union address *a, __be32 to[4], __be16 *port)
{
	if (a->any.sa_family == AF_INET6) {
		memcpy(to, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
		*port = a->in6.sin6_port;
	} else {
		to[0] = a->in.sin_addr.s_addr;
		*port = a->in.sin_port;
	}
}

/* Asks for the socket at the other end: its source is our peer. */
static int compose(int fd, struct question *q)
{
	union address ours = { 0 }, theirs = { 0 };
	socklen_t len = sizeof(ours), their_len = sizeof(theirs);
	struct inet_diag_sockid *id = &q->body.id;

	*q = (struct question){
		.head = { .nlmsg_len = sizeof(*q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u },
	};
	if (getsockname(fd, &ours.any, &len) < 0 ||
	    getpeername(fd, &theirs.any, &their_len) < 0)
		return -1;
	q->body.sdiag_family = (uint8_t)theirs.any.sa_family;
	put_address(&theirs, id->idiag_src, &id->idiag_sport);
	put_address(&ours, id->idiag_dst, &id->idiag_dport);
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return 0;
}

/* The kernel's answer; -1 with errno when there is none. */
static int ask(const struct question *q, struct inet_diag_msg *answer)
{
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
				   NETLINK_SOCK_DIAG);
	union {
		struct nlmsghdr head;
		uint8_t bytes[8192];
	} reply;
	ssize_t n;

	if (fd < 0 || send(fd, q, sizeof(*q), 0) < 0)
		return -1;
	do
		n = recv(fd, &reply, sizeof(reply), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if (!NLMSG_OK(&reply.head, (size_t)n) ||
	    reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    reply.head.nlmsg_len < NLMSG_LENGTH(sizeof(*answer))) {
		errno = ENOENT;
		return -1;
	}
	memcpy(answer, NLMSG_DATA(&reply.head), sizeof(*answer));
	return 0;
}

int debug_caller_check(int fd, struct bigm_error *err)
{
	struct inet_diag_msg answer;
	struct question q;

	if (compose(fd, &q) < 0 || ask(&q, &answer) < 0)
		return error_set_errno(err, EPERM, "the kernel does not say "
				       "whose the connection is");
	/* The kernel says that it is root's; but it has no inode. */
	if (answer.idiag_inode == 0)
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "nobody has the caller's end any more");
	if (answer.idiag_uid == geteuid() || answer.idiag_uid == 0)
		return 0;
	return bigm_error_set(err, BIGM_EPERMISSION,
			      "the caller runs as user %u, we as %u",
			      answer.idiag_uid, (unsigned)geteuid());
}
