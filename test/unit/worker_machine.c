/* The machine of worker_fixture.h: the types Echo and Bad, and the toy that it
 * unpacks. */

#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "supervisor/supervisor.h"
#include "worker_fixture.h"

/* A service with a greeting for a state. */
static int echo_init(struct bigm *b, const cJSON *params, void **state,
		     struct bigm_error *err)
{
	const char *greeting = "hello";

	if (!b)
		return bigm_error_set(err, BIGM_EFAILED, "no handle");
	if (json_opt_string(params, "greeting", &greeting, err) < 0)
		return BIGM_EINVALID;
	*state = xstrdup(greeting);
	return 0;
}

static void echo_release(void *state)
{
	printf("released %s\n", (char *)state);
	printf("no newline");
	free(state);
}

static int echo_greet(struct bigm_request *req, const cJSON *arg,
		      cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_CreateString(bigm_request_state(req));
	return 0;
}

static int echo_getenv(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	const char *name, *value;

	if (bigm_json_get_string(arg, NULL, &name, err) < 0)
		return BIGM_EINVALID;
	value = getenv(name);
	*reply = value ? cJSON_CreateString(value) : cJSON_CreateNull();
	return 0;
}

static int echo_command_line(struct bigm_request *req, const cJSON *arg,
			     cJSON **reply, struct bigm_error *err)
{
	char line[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, sizeof(line) - 1);

	close(fd);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (line[i] == '\0')
			line[i] = ' ';
	line[n > 0 ? n : 0] = '\0';
	*reply = cJSON_CreateString(line);
	return 0;
}

/* What an image could leave to the next one, and must not. */
static int echo_soil(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	signal(SIGUSR1, SIG_IGN);
	return open("/dev/null", O_RDONLY) < 0 ? BIGM_EIO : 0;
}

static int echo_inherited(struct bigm_request *req, const cJSON *arg,
			  cJSON **reply, struct bigm_error *err)
{
	struct sigaction action;
	int fds = 0;

	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		fds += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	sigaction(SIGUSR1, NULL, &action);
	*reply = bigm_json("[%d, %d]", fds, action.sa_handler == SIG_IGN);
	return 0;
}

static int echo_exit(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	printf("last words");
	fflush(stdout);
	exit(3);
}

/* Runs until nobody waits for it any more. */
static int echo_hang(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	printf("hanging\n");
	fflush(stdout);
	while (!bigm_request_canceled(req))
		usleep(2000);
	return bigm_error_set(err, BIGM_ECANCELED, "canceled");
}

/* Runs whatever happens. */
static int echo_stay(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	printf("staying\n");
	fflush(stdout);
	while (pause() < 0)
		;
	return 0;
}

/* Writes so many bytes, whatever the caller takes. */
static int echo_pour(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	static const char piece[50021]; /* fits no frame, record or window */
	int64_t left = 0;
	int rc = 0;

	bigm_json_get_int64(arg, NULL, &left, NULL);
	for (; left > 0 && rc == 0; left -= (int64_t)sizeof(piece))
		rc = bigm_request_write(req, piece, sizeof(piece), err);
	return rc;
}

/* Takes nothing until the caller goes. */
static int echo_shut(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	while (!bigm_request_canceled(req))
		usleep(2000);
	return 0;
}

/* Answers each byte by a line, until it is told "x": then it fails. */
static int echo_converse(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	char byte = 0, line[] = "you said ?\n";
	int rc = bigm_request_write(req, "ready\n", 6, err);

	while (rc == 0 && bigm_request_read(req, &byte, 1, err) == 1) {
		if (byte == 'x')
			return bigm_error_set(err, BIGM_EEXIST,
					      "we have had enough");
		line[9] = byte;
		rc = bigm_request_write(req, line, sizeof(line) - 1, err);
	}
	return rc;
}

/* With {"silent": true} it does not even say why. */
static int bad_init(struct bigm *b, const cJSON *params, void **state,
		    struct bigm_error *err)
{
	bool silent = false;

	if (json_opt_bool(params, "silent", &silent, err) == 0 && silent)
		return BIGM_EIO;
	return bigm_error_set(err, BIGM_EFAILED, "the moon is missing");
}

static const struct bigm_method echo_methods[] = {
	{ "Greet", echo_greet, 0 },
	{ "Getenv", echo_getenv, 0 },
	{ "CommandLine", echo_command_line, 0 },
	{ "Soil", echo_soil, 0 },
	{ "Inherited", echo_inherited, 0 },
	{ "Exit", echo_exit, 0 },
	{ "Hang", echo_hang, 0 },
	{ "Stay", echo_stay, 0 },
	{ "Pour", echo_pour, BIGM_STREAM_REPLY },
	{ "Shut", echo_shut, BIGM_STREAM_ARG },
	{ "Converse", echo_converse, BIGM_STREAM_ARG | BIGM_STREAM_REPLY },
	{ 0 }
};

static const struct bigm_service_type echo_type = {
	.size = sizeof(echo_type),
	.name = "Echo",
	.methods = echo_methods,
	.init = echo_init,
	.release = echo_release,
};

static const struct bigm_service_type bad_type = {
	.size = sizeof(bad_type),
	.name = "Bad",
	.methods = (const struct bigm_method[]){ { 0 } },
	.init = bad_init,
};

static bool toy_knows(const void *begin, size_t len)
{
	return len >= strlen(TOY) && memcmp(begin, TOY, strlen(TOY)) == 0;
}

static void toy_discard(const char *dir)
{
	AUTO_FREE char *app = xasprintf("%s/app", dir);

	unlink(app);
	rmdir(dir);
}

static struct image *toy_unpack(const struct intake_source *source,
				const char *dir, struct store *store,
				struct bigm_error *err)
{
	AUTO_FREE char *coming = xasprintf("%s" TOY_COMING, dir);
	AUTO_FREE char *path = xasprintf("%s/app", coming);
	AUTO_FREE char *program = xasprintf("%s/app", dir);
	struct image *image;
	AUTO_CLOSE int fd = -1;
	const void *piece;
	ssize_t n;

	(void)store;
	mkdir(coming, 0700);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	while ((n = source->next(source->data, &piece, err)) > 0)
		if (files_write(fd, piece, (size_t)n) < 0)
			abort();
	if (n != 0 || rename(coming, dir) < 0) {
		toy_discard(coming);
		return NULL;
	}
	image = image_plain(program);
	image->dir = xstrdup(dir);
	return image;
}

static const struct intake toy_intake = {
	.knows = toy_knows, .unpack = toy_unpack, .discard = toy_discard,
};

void fixture_main(int argc, char **argv)
{
	static const struct bigm_service_type *const types[] = {
		&echo_type, &bad_type, NULL
	};
	struct boot *boot;

	if (!boot_wanted())
		return;
	boot = boot_receive(NULL);
	if (!boot)
		exit(1);
	signal(SIGXFSZ, SIG_IGN); /* a test may limit what it writes */
	worker_main(boot, argc, argv, types, &toy_intake);
}
