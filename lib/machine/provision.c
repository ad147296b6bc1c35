#include "config.h"

#include "machine/provision.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

int provision_listen(char **address, struct bigm_error *err)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0) {
		int rc = error_set_errno(err, errno, "listening socket on "
						     PROVISION_HOST);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	*address = xasprintf("https://" PROVISION_HOST ":%u/",
			     ntohs(sin.sin_port));
	return fd;
}

static struct identity *make_identity(const struct system_keeper *keeper,
				      const char *name,
				      struct bigm_error *err)
{
	AUTO_FREE char *certificate = NULL, *authority = NULL;
	struct identity *id = identity_new(err);
	AUTO_FREE char *request = id ? identity_request(id, err) : NULL;

	if (request &&
	    keeper->sign(keeper->keeper, request, name, PROVISION_HOST,
			 &certificate, &authority, err) == 0 &&
	    identity_set_certificate(id, certificate, authority, err) == 0)
		return id;
	identity_free(id);
	return NULL;
}

struct boot *provision_boot(const struct system_keeper *keeper,
			    const struct system_order *order,
			    const char *address, int procs,
			    struct bigm_error *err)
{
	struct boot *boot;

	if (order->dir && mkdir(order->dir, 0700) < 0 && errno != EEXIST) {
		error_set_errno(err, errno, "cannot create %s", order->dir);
		return NULL;
	}
	boot = xcalloc(1, sizeof(*boot));
	boot->listen_fd = boot->parent_fd = -1;
	boot->name = xstrdup(order->name);
	boot->cluster = xstrdup(keeper->cluster);
	boot->address = xstrdup(address);
	boot->dir = xstrdup(order->dir ? order->dir : "");
	boot->marker = xstrdup(order->marker);
	boot->procs = procs;
	boot->lease_ms = order->lease_ms;
	boot->no_http = keeper->no_http;
	boot->identity = make_identity(keeper, order->name, err);
	if (boot->identity)
		return boot;
	boot_free(boot);
	return NULL;
}

int provision_leave(const struct system_keeper *keeper,
		    const struct system_order *order, const char *address,
		    int procs, struct bigm_error *err)
{
	struct boot *boot = provision_boot(keeper, order, address, procs, err);
	int fd = boot ? boot_leave(boot, NULL, err) : BIGM_EFAILED;

	boot_free(boot);
	return fd;
}
