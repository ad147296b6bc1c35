/*
 * Hosts that a user names, each and as a file: what is taken is nothing that
 * ssh(1) or a shell takes for something else, with processors that there can
 * be; what is refused says why, and of a file in which line.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/files.h"
#include "ssh/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ssh_host *host)
{
	if (host->procs < 0 || host->procs > SSH_PROCS_MOST || !*host->name ||
	    *host->name == '-')
		abort();
	for (const char *p = host->name; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("\"'`$\\;|&<>(){}*?!#", *p))
			abort();
}

static void one(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ssh_host host = { 0 };

	if (ssh_host_parse(&host, text, &err) == 0)
		check(&host);
	else if (err.code == 0 || err.text[0] == '\0')
		abort();
	ssh_host_release(&host);
}

static void check_all(struct ssh_hosts *hosts)
{
	struct ssh_host *taken;
	size_t n = 0;

	for (size_t i = 0; i < hosts->n; i++)
		check(&hosts->all[i]);
	while ((taken = ssh_hosts_take(hosts))) {
		if (!taken->taken)
			abort();
		n++;
	}
	if (n == 0 || n != hosts->n || n > SSH_HOSTS_MOST)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *none[] = { NULL };
	AUTO_CLOSE int fd = memfd_create("hosts", MFD_CLOEXEC);
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	const struct ssh_settings settings = { .hosts = none, .file = path };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ssh_hosts hosts;

	one(data, size);
	if (fd < 0 || files_write(fd, data, size) < 0)
		abort();
	if (ssh_hosts_load(&hosts, &settings, &err) == 0)
		check_all(&hosts);
	else if (err.code == 0 || strncmp(err.text, path, strlen(path)) != 0)
		abort();
	ssh_hosts_release(&hosts);
	return 0;
}
