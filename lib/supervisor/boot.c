#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "supervisor/boot.h"
#include "supervisor/signing.h"

#define ANSWER_MS 30000
#define ANSWER_MAX 65536

bool boot_wanted(void)
{
	return getenv(BOOT_ENV) != NULL;
}

char *boot_env(int listen_fd, int parent_fd, int identity_fd)
{
	AUTO_FREE char *parent = parent_fd < 0 ? xstrdup("") :
				xasprintf(",parent:%d", parent_fd);
	AUTO_FREE char *identity = identity_fd < 0 ? xstrdup("") :
				xasprintf(",identity:%d", identity_fd);

	return xasprintf("listen:%d%s%s", listen_fd, parent, identity);
}

/* The descriptors that BIGM_BOOT names. */
struct boot_fds {
	int listen, parent, identity;
};

static int parse_fd(const char *word, struct boot_fds *fds)
{
	const struct {
		const char *name;
		int *fd;
	} names[] = {
		{ "listen:", &fds->listen },
		{ "parent:", &fds->parent },
		{ "identity:", &fds->identity },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].name);
		char *end;
		long fd;

		if (strncmp(word, names[i].name, len) != 0)
			continue;
		errno = 0;
		fd = strtol(word + len, &end, 10);
		if (errno || end == word + len || *end || fd < 0 ||
		    fd > 1 << 20 || *names[i].fd >= 0)
			return -1;
		*names[i].fd = (int)fd;
		return 0;
	}
	return -1;
}

static int parse_env(const char *value, struct boot_fds *fds,
		     struct bigm_error *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	char *rest = NULL;

	for (char *word = strtok_r(copy, ",", &rest); word;
	     word = strtok_r(NULL, ",", &rest))
		if (parse_fd(word, fds) < 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      BOOT_ENV "=%s: \"%s\" makes no "
					      "sense; only bigm sets it",
					      value, word);
	if (fds->listen < 0 || (fds->parent < 0 && fds->identity < 0))
		return bigm_error_set(err, BIGM_EINVALID,
				      BOOT_ENV "=%s: names no listening "
				      "socket, or nobody to ask for a "
				      "certificate",
				      value);
	return 0;
}

static bool socket_is(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	       value == wanted;
}

/* The numbers may be stale, when a program left the variable to a child:
 * better to say so than to serve some other file. */
static int check_fds(const struct boot_fds *fds, struct bigm_error *err)
{
	if (!socket_is(fds->listen, SO_ACCEPTCONN, 1))
		return bigm_error_set(err, BIGM_EINVALID,
				      BOOT_ENV ": descriptor %d is no listening "
				      "socket", fds->listen);
	if (fds->parent >= 0 && !socket_is(fds->parent, SO_TYPE, SOCK_SEQPACKET))
		return bigm_error_set(err, BIGM_EINVALID,
				      BOOT_ENV ": descriptor %d is no "
				      "SOCK_SEQPACKET socket", fds->parent);
	if (fcntl(fds->listen, F_SETFD, FD_CLOEXEC) < 0 ||
	    (fds->parent >= 0 && fcntl(fds->parent, F_SETFD, FD_CLOEXEC) < 0))
		return error_set_errno(err, errno, BOOT_ENV);
	return 0;
}

static int send_packet(int fd, const cJSON *json, struct bigm_error *err)
{
	AUTO_FREE char *text = json_print(json);
	ssize_t n;

	do
		n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set_errno(err, errno, "cannot write to the keeper");
	return 0;
}

void boot_tell_failed(int parent_fd, const struct bigm_error *why)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	if (parent_fd >= 0 && json &&
	    cJSON_AddStringToObject(json, "failed", why->text))
		(void)send_packet(parent_fd, json, NULL);
	log_error("%s", why->text);
}

static int send_request(int fd, const struct identity *id,
			struct bigm_error *err)
{
	AUTO_JSON cJSON *json = signing_request(id, err);

	return json ? send_packet(fd, json, err) : BIGM_EFAILED;
}

/* The keeper's answer; NULL on error. */
static cJSON *receive_answer(int fd, struct bigm_error *err)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	AUTO_FREE char *packet = NULL;
	cJSON *json;
	ssize_t n;
	int rc;

	do
		rc = poll(&poller, 1, ANSWER_MS);
	while (rc < 0 && errno == EINTR);
	if (rc == 0) {
		bigm_error_set(err, BIGM_EDEADLINE,
			       "no certificate from the keeper in %d s",
			       ANSWER_MS / 1000);
		return NULL;
	}
	packet = xmalloc(ANSWER_MAX);
	n = rc < 0 ? -1 : recv(fd, packet, ANSWER_MAX, 0);
	if (n < 0 && errno != ECONNRESET) {
		error_set_errno(err, errno, "cannot read from the keeper");
		return NULL;
	}
	if (n <= 0) {
		bigm_error_set(err, BIGM_EUNAVAILABLE,
			       "the keeper went away before it signed the "
			       "certificate");
		return NULL;
	}
	json = json_parse(packet, (size_t)n, err);
	if (!json)
		error_prefix(err, "the keeper's answer");
	return json;
}

static int read_all(int fd, char *text, size_t size, size_t *len)
{
	*len = 0;
	for (;;) {
		ssize_t n = pread(fd, text + *len, size - *len, (off_t)*len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		*len += (size_t)n;
	}
}

/* What the old image left; NULL on error.  The memfd is closed. */
static cJSON *read_left(int fd, struct bigm_error *err)
{
	AUTO_CLOSE int closed = fd;
	AUTO_FREE char *text = xmalloc(ANSWER_MAX);
	cJSON *json = NULL;
	size_t len;

	(void)closed;
	if (read_all(fd, text, ANSWER_MAX, &len) < 0)
		error_set_errno(err, errno, "cannot read what the image before "
				"this one left");
	else
		json = json_parse(text, len, err);
	OPENSSL_cleanse(text, ANSWER_MAX);
	return json;
}

static int get_image(struct boot *boot, const cJSON *json,
		     struct bigm_error *err)
{
	const cJSON *image = cJSON_GetObjectItemCaseSensitive(json, "image");

	boot->image = image ? image_read(image, err) : NULL;
	return image && !boot->image ? BIGM_EINVALID : 0;
}

static int boot_continue(struct boot *boot, int identity_fd,
			 struct bigm_error *err)
{
	cJSON *json = read_left(identity_fd, err);
	int rc;

	if (!json)
		return BIGM_EINVALID;
	rc = bigm_json_get_uint64(json, "incarnation", &boot->incarnation, err);
	if (rc == 0)
		rc = signing_take_plain(boot, json, err);
	if (rc == 0)
		rc = get_image(boot, json, err);
	if (rc == 0)
		rc = signing_take_identity(boot, json, err);
	signing_free(json);
	return rc;
}

static int boot_ask(struct boot *boot, struct bigm_error *err)
{
	AUTO_JSON cJSON *json = NULL;
	int rc;

	boot->identity = identity_new(err);
	if (!boot->identity)
		return BIGM_EFAILED;
	rc = send_request(boot->parent_fd, boot->identity, err);
	if (rc < 0)
		return rc;
	json = receive_answer(boot->parent_fd, err);
	if (!json)
		return BIGM_EUNAVAILABLE;
	return signing_take_answer(boot, json, err);
}

struct boot *boot_receive(struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct boot_fds fds = { -1, -1, -1 };
	struct boot *boot;
	const char *env = getenv(BOOT_ENV);
	int rc = parse_env(env ? env : "", &fds, &why);

	if (rc == 0)
		rc = check_fds(&fds, &why);
	unsetenv(BOOT_ENV);
	boot = xcalloc(1, sizeof(*boot));
	boot->listen_fd = rc < 0 ? -1 : fds.listen;
	boot->parent_fd = rc < 0 ? -1 : fds.parent;
	boot->incarnation = 1;
	if (rc == 0)
		rc = fds.identity >= 0 ?
			     boot_continue(boot, fds.identity, &why) :
			     boot_ask(boot, &why);
	if (rc == 0)
		return boot;
	error_prefix(&why, "the machine cannot begin");
	boot_tell_failed(boot->parent_fd, &why);
	error_copy(err, &why);
	boot_free(boot);
	return NULL;
}

void boot_free(struct boot *boot)
{
	if (!boot)
		return;
	if (boot->listen_fd >= 0)
		close(boot->listen_fd);
	if (boot->parent_fd >= 0)
		close(boot->parent_fd);
	identity_free(boot->identity);
	free(boot->name);
	free(boot->cluster);
	free(boot->address);
	free(boot->dir);
	free(boot->marker);
	image_free(boot->image);
	free(boot);
}

static cJSON *left_json(const struct boot *boot, const struct image *next,
			struct bigm_error *err)
{
	cJSON *json = cJSON_CreateObject();

	if (!cJSON_AddStringToObject(json, "name", boot->name) ||
	    !cJSON_AddStringToObject(json, "cluster", boot->cluster) ||
	    !cJSON_AddStringToObject(json, "address", boot->address) ||
	    !cJSON_AddStringToObject(json, "dir", boot->dir) ||
	    !cJSON_AddStringToObject(json, "marker", boot->marker))
		alloc_failed();
	json_add_uint64(json, "procs", (uint64_t)boot->procs);
	json_add_uint64(json, "lease_ms", boot->lease_ms);
	if (boot->no_http)
		cJSON_AddTrueToObject(json, "no_http");
	json_add_uint64(json, "incarnation", boot->incarnation + 1);
	if (next && next->dir &&
	    !cJSON_AddItemToObject(json, "image", image_json(next)))
		alloc_failed();
	if (signing_add_identity(json, boot->identity, err) < 0) {
		signing_free(json);
		return NULL;
	}
	return json;
}

int boot_leave(const struct boot *boot, const struct image *next,
	       struct bigm_error *err)
{
	cJSON *json = left_json(boot, next, err);
	char *text;
	int fd;

	if (!json)
		return BIGM_EFAILED;
	text = json_print_secret(json);
	signing_free(json);
	fd = boot_leave_text(text, err);
	OPENSSL_cleanse(text, strlen(text));
	free(text);
	return fd;
}

int boot_leave_text(const char *text, struct bigm_error *err)
{
	int fd = memfd_create("bigm-identity", 0);

	if (fd >= 0 && files_write(fd, text, strlen(text)) == 0 &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	error_set_errno(err, errno, "cannot leave an identity");
	if (fd >= 0)
		close(fd);
	return BIGM_EIO;
}
