#include "config.h"

#include "debug/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

struct where {
	char host[64]; /* without brackets */
	bool has_port;
	unsigned port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int bad(const char *text, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\" is no address for debug pages; it is "
			      "HOST:PORT, where HOST is localhost or a loopback "
			      "address", text);
}

static int parse_port(const char *text, unsigned *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > 65535)
		return -1;
	*port = (unsigned)n;
	return 0;
}

/* Takes HOST and PORT apart; only their form is looked at. */
static int split(const char *text, struct where *w)
{
	const char *host = text, *port = NULL, *end;

	*w = (struct where){ .host = "127.0.0.1" };
	if (*text && strspn(text, "0123456789") == strlen(text)) {
		w->has_port = true;
		return parse_port(text, &w->port);
	}
	end = host + strcspn(host, ":");
	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end)
			return -1;
		port = end + 1;
	} else {
		port = end;
	}
	w->has_port = *port == ':';
	if (w->has_port ? parse_port(port + 1, &w->port) < 0 : *port != '\0')
		return -1;
	if (end == host)
		return *text == ':' ? 0 : -1;
	if ((size_t)(end - host) >= sizeof(w->host))
		return -1;
	memcpy(w->host, host, (size_t)(end - host));
	w->host[end - host] = '\0';
	return 0;
}

/* The length of the address, 0 for one that is none of a loopback device. */
static socklen_t loopback(const char *host, unsigned port, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (strcasecmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons((uint16_t)port);
		return ntohl(a->in.sin_addr.s_addr) >> 24 == 127 ?
			       sizeof(a->in) : 0;
	}
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)port);
		return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) ?
			       sizeof(a->in6) : 0;
	}
	return 0;
}

bool debug_host_is_ours(const char *host)
{
	union address a;
	struct where w;

	/* What is a port alone elsewhere is a name here. */
	return strspn(host, ":0123456789") < strlen(host) &&
	       split(host, &w) == 0 && loopback(w.host, w.port, &a) > 0;
}

/* A descriptor, or a negative errno. */
static int try_port(const union address *a, socklen_t len)
{
	int one = 1, saved;
	int fd = socket(a->any.sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, &a->any, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	return -saved;
}

static char *origin_of(int fd)
{
	char host[INET6_ADDRSTRLEN] = "";
	union address a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	getsockname(fd, &a.any, &len);
	if (a.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
		return xasprintf("http://[%s]:%u", host,
				 ntohs(a.in6.sin6_port));
	}
	inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
	return xasprintf("http://%s:%u", host, ntohs(a.in.sin_port));
}

int debug_listen(const char *address, char **origin, struct bigm_error *err)
{
	unsigned ports = 1;
	union address a;
	struct where w;
	socklen_t len;
	int fd;

	if (split(address ? address : "127.0.0.1", &w) < 0)
		return bad(address, err);
	if (!w.has_port) {
		w.port = DEBUG_PORT;
		ports = DEBUG_PORTS;
	}
	len = loopback(w.host, w.port, &a);
	if (len == 0)
		return bad(address, err);
	fd = try_port(&a, len);
	for (unsigned i = 1; fd == -EADDRINUSE && ports > 1 && i <= ports; i++) {
		/* When all are taken, the kernel knows one. */
		loopback(w.host, i < ports ? w.port + i : 0, &a);
		fd = try_port(&a, len);
	}
	if (fd < 0)
		return error_set_errno(err, -fd, "debug pages: cannot listen "
				       "on %s port %u", w.host, w.port);
	*origin = origin_of(fd);
	return fd;
}
