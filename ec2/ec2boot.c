/*
 * ec2boot: the worker that machines of other hosts begin as, and those of this
 * one with --ship.  It serves the Supervisor alone, takes a program or a
 * bundle, and becomes it; see ec2boot(8).
 *
 * It is linked statically, since nothing may be installed where it runs.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <nss.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "bundle/bare.h"
#include "ec2/privileges.h"
#include "rpc/crypto.h"
#include "ssh/guest.h"
#include "supervisor/bootstrap.h"

#define IDENTITY_MAX (64u << 10)
#define PORT 443
#define LIMIT_MS (10 * 60 * 1000)
#define USAGE_STATUS 2

static const char usage[] =
	"usage: ec2boot --identity FILE --dir DIR [--port N | --listen-fd N]\n"
	"               [--within TIME] [--parent-fd N | --guest FOLDER]\n"
	"               [--tell WORD]\n";

struct options {
	const char *identity, *dir;
	const char *guest; /* a folder; NULL: it is none */
	const char *word;  /* in front of what it tells; NULL: nothing */
	uint64_t port, listen_fd, parent_fd; /* a descriptor 0: none is given */
	uint64_t limit_ms;
	bool help, version;
};

/* ------------------------------------------------------------------ */
/* Options                                                             */

static int take_number(const char *text, uint64_t least, uint64_t most,
		       uint64_t *n, struct bigm_error *err)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *n >= least &&
	    *n <= most)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: must be a number from %llu to %llu", text,
			      (unsigned long long)least,
			      (unsigned long long)most);
}

static int take_option(struct options *o, int c, struct bigm_error *err)
{
	switch (c) {
	case 'i':
		o->identity = optarg;
		return 0;
	case 'd':
		o->dir = optarg;
		return 0;
	case 'g':
		o->guest = optarg;
		return 0;
	case 't':
		o->word = optarg;
		return 0;
	case 'p':
		return take_number(optarg, 0, 65535, &o->port, err);
	case 'f':
		return take_number(optarg, 3, 1 << 20, &o->listen_fd, err);
	case 'P':
		return take_number(optarg, 3, 1 << 20, &o->parent_fd, err);
	case 'w':
		return duration_parse(optarg, &o->limit_ms, err);
	case 'h':
		o->help = true;
		return 0;
	case 'V':
		o->version = true;
		return 0;
	default:
		return bigm_error_set(err, BIGM_EINVALID, "see ec2boot(8)");
	}
}

static int parse_options(int argc, char **argv, struct options *o,
			 struct bigm_error *err)
{
	static const struct option table[] = {
		{ "identity", required_argument, NULL, 'i' },
		{ "dir", required_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ "listen-fd", required_argument, NULL, 'f' },
		{ "parent-fd", required_argument, NULL, 'P' },
		{ "guest", required_argument, NULL, 'g' },
		{ "tell", required_argument, NULL, 't' },
		{ "within", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c, which;

	while ((c = getopt_long(argc, argv, "", table, &which)) != -1)
		if (take_option(o, c, err) < 0)
			return c == '?' ? err->code :
				error_prefix(err, "--%s", table[which].name);
	if (o->help || o->version)
		return 0;
	if (optind < argc)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: is no option; see ec2boot(8)",
				      argv[optind]);
	if (!o->identity || !o->dir)
		return bigm_error_set(err, BIGM_EINVALID,
				      "needs --identity and --dir, see "
				      "ec2boot(8)");
	return 0;
}

/* ------------------------------------------------------------------ */
/* What it needs                                                       */

/* What follows has nothing to read there, whatever it was. */
static void empty_stdin(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	close(ends[1]);
}

/* The bytes of the file, or of the first line of standard input; -1 with errno
 * set. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	do {
		n = fd < 0 ? -1 : read(fd, text + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && !(is_stdin && text[len - 1] == '\n')) ||
		 (n < 0 && errno == EINTR));
	if (!is_stdin && fd >= 0)
		close(fd);
	return n < 0 ? -1 : (ssize_t)len;
}

static struct identity *read_identity(const char *path, struct bigm_error *err)
{
	char *text = xmalloc(IDENTITY_MAX);
	ssize_t len = read_file(path, text, IDENTITY_MAX);
	struct identity *id = NULL;

	if (len < 0)
		error_set_errno(err, errno, "cannot read %s", path);
	else if (!(id = bootstrap_read(text, (size_t)len, err)))
		error_prefix(err, "%s", path);
	OPENSSL_cleanse(text, IDENTITY_MAX);
	free(text);
	return id;
}

static int bind_and_listen(int fd, const struct sockaddr *addr, socklen_t len)
{
	const int on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return bind(fd, addr, len) < 0 || listen(fd, SOMAXCONN) < 0 ? -1 : 0;
}

/* On all addresses: of both families, or of the one that there is. */
static int listen_on(uint16_t port, struct bigm_error *err)
{
	const struct sockaddr_in6 six = { .sin6_family = AF_INET6,
					  .sin6_port = htons(port) };
	const struct sockaddr_in four = { .sin_family = AF_INET,
					  .sin_port = htons(port) };
	const struct {
		const void *addr;
		socklen_t len;
	} all[] = { { &six, sizeof(six) }, { &four, sizeof(four) } };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sockaddr *addr = all[i].addr;
		int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && bind_and_listen(fd, addr, all[i].len) == 0)
			return fd;
		error_set_errno(err, errno, "cannot listen on port %u", port);
		if (fd >= 0)
			close(fd);
	}
	return err->code;
}

/* ------------------------------------------------------------------ */

static int tell_port(const struct options *o, int listen_fd,
		     struct bigm_error *err)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);

	if (getsockname(listen_fd, (struct sockaddr *)&at, &len) < 0)
		return error_set_errno(err, errno, "cannot tell the port");
	/* It is in the same place of both families. */
	if (dprintf(STDOUT_FILENO, "%s port %u\n", o->word,
		    ntohs(((struct sockaddr_in *)(void *)&at)->sin_port)) < 0)
		return error_set_errno(err, errno, "cannot tell the port");
	return 0;
}

static struct boot *wait_with(const struct options *o, struct identity *id,
			      int parent_fd, struct bigm_error *err)
{
	const struct bootstrap_options options = {
		.identity = id,
		.listen_fd = o->listen_fd ? (int)o->listen_fd :
				listen_on((uint16_t)o->port, err),
		.parent_fd = parent_fd,
		.dir = o->dir,
		.limit_ms = o->limit_ms,
	};

	if (options.listen_fd < 0 ||
	    (o->word && tell_port(o, options.listen_fd, err) < 0))
		return NULL;
	if (mkdir(o->dir, 0700) < 0 && errno != EEXIST) {
		error_set_errno(err, errno, "cannot make %s", o->dir);
		return NULL;
	}
	privileges_drop();
	return bootstrap_receive(&options, err);
}

static struct boot *wait_for_keeper(const struct options *o,
				    struct bigm_error *err)
{
	struct identity *id = read_identity(o->identity, err);
	int parent_fd = o->parent_fd ? (int)o->parent_fd : -1;
	struct boot *boot = NULL;

	if (o->guest) {
		parent_fd = id ? guest_begin(o->guest, o->dir, err) : -1;
		if (parent_fd < 0)
			guest_remove(o->guest);
	}
	if (strcmp(o->identity, "-") == 0)
		empty_stdin();
	if (id && (!o->guest || parent_fd >= 0))
		boot = wait_with(o, id, parent_fd, err);
	identity_free(id);
	return boot;
}

/* What the C library would load for other ways to find a name is another C
 * library's, here. */
static void find_names_by_ourselves(void)
{
	__nss_configure_lookup("hosts", "files dns");
	__nss_configure_lookup("passwd", "files");
}

int main(int argc, char **argv)
{
	struct options o = { .port = PORT, .limit_ms = LIMIT_MS };
	struct bigm_error err = BIGM_ERROR_INIT;
	char *own_argv[] = { (char *)"ec2boot", NULL };
	struct boot *boot;

	find_names_by_ourselves();
	if (boot_wanted()) {
		privileges_drop();
		bare_main(argc, argv);
	}
	if (parse_options(argc, argv, &o, &err) < 0) {
		log_error("%s", err.text);
		return USAGE_STATUS;
	}
	if (o.help || o.version) {
		fputs(o.help ? usage : "ec2boot " PACKAGE_VERSION "\n", stdout);
		return 0;
	}
	crypto_init_lean();
	boot = wait_for_keeper(&o, &err);
	if (boot)
		bare_serve(boot, 1, own_argv);
	log_error("the machine cannot begin: %s", err.text);
	return EXIT_FAILURE;
}
