#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "base/files.h"
#include "base/folder.h"
#include "loop/process.h"
#include "supervisor/supervisor.h"
#include "worker_fixture.h"

#define CALL_MS 20000

/* ------------------------------------------------------------------ */
/* The machine                                                         */

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

static int bad_init(struct bigm *b, const cJSON *params, void **state,
		    struct bigm_error *err)
{
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
	worker_main(boot, argc, argv, types, &toy_intake);
}

/* ------------------------------------------------------------------ */
/* Its keeper                                                          */

static int listen_anywhere(char **address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*address = xasprintf("https://127.0.0.1:%d/", ntohs(in.sin_port));
	return fd;
}

static void spawn(struct fixture *f)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char *argv[] = { (char *)"worker", (char *)"first", NULL };
	AUTO_FREE char *boot = xasprintf("BIGM_BOOT=listen:3,parent:4");
	char *changes[] = { boot, NULL };
	char **env = process_env(NULL, changes);
	char self[4096] = "";
	int listen_fd = listen_anywhere(&f->address), pair[2], out[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    pair), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	const struct process_fd fds[] = {
		{ out[1], 1 }, { out[1], 2 }, { listen_fd, 3 }, { pair[1], 4 },
	};
	const struct process_options options = {
		.program = self,
		.argv = argv,
		.env = env,
		.fds = fds,
		.nfds = 4,
		.session = true,
		.death_signal = SIGKILL,
	};

	/* Not the link itself, which is valgrind's under valgrind. */
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	if (f->machine)
		snprintf(self, sizeof(self), "%s", f->machine);
	f->pid = process_spawn(&options, &err);
	assert_true(f->pid > 0);
	json_strings_free(env);
	close(listen_fd);
	close(pair[1]);
	close(out[1]);
	f->keeper_fd = pair[0];
	f->out_fd = out[0];
}

static cJSON *receive(struct fixture *f)
{
	AUTO_FREE char *packet = xmalloc(65536);
	ssize_t n = recv(f->keeper_fd, packet, 65536, 0);

	return n > 0 ? json_parse(packet, (size_t)n, NULL) : NULL;
}

static char *certificate_text(X509 *certificate)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data, *text;
	long len;

	assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
	len = BIO_get_mem_data(out, &data);
	text = xstrndup(data, (size_t)len);
	BIO_free(out);
	return text;
}

static char *forge_answer(struct forge *forge, const char *request)
{
	const struct forge_order order = {
		.uris = { "bigm:" FORGE_CLUSTER "/machine/m0" },
	};
	BIO *in = BIO_new_mem_buf(request, -1);
	X509_REQ *req = PEM_read_bio_X509_REQ(in, NULL, NULL, NULL);
	X509 *certificate =
		forge_certificate(forge, X509_REQ_get0_pubkey(req), &order);
	char *text = certificate_text(certificate);

	X509_free(certificate);
	X509_REQ_free(req);
	BIO_free(in);
	return text;
}

static const char *cluster(const struct fixture *f)
{
	return f->forge ? FORGE_CLUSTER : authority_cluster(f->authority);
}

static void add_certificates(struct fixture *f, const char *request,
			     cJSON *json)
{
	AUTO_FREE char *certificate = NULL, *authority = NULL;

	if (f->forge) {
		certificate = forge_answer(f->forge, request);
		authority = certificate_text(f->forge->certificate);
	} else {
		assert_int_equal(authority_sign(f->authority, request,
						ROLE_MACHINE, "m0", "127.0.0.1",
						&certificate, NULL), 0);
		authority = xstrdup(authority_pem(f->authority));
	}
	cJSON_AddStringToObject(json, "certificate", certificate);
	cJSON_AddStringToObject(json, "authority", authority);
}

static void answer(struct fixture *f, uint64_t lease_ms)
{
	AUTO_JSON cJSON *request = receive(f);
	AUTO_JSON cJSON *json = bigm_json(
		"{\"name\": \"m0\", \"cluster\": \"%s\", \"procs\": 1, "
		"\"dir\": \"%s\", \"lease_ms\": %llu, \"address\": \"%s\", "
		"\"marker\": \"" FIXTURE_MARKER "\"}",
		cluster(f), f->dir, (unsigned long long)lease_ms, f->address);
	AUTO_FREE char *text = NULL;
	const char *pem;

	assert_int_equal(bigm_json_get_string(request, "request", &pem, NULL),
			 0);
	add_certificates(f, pem, json);
	text = json_print(json);
	assert_true(send(f->keeper_fd, text, strlen(text), 0) > 0);
}

/* Takes over id. */
static struct rpc_client *dial_as(struct fixture *f, struct identity *id)
{
	struct caller *caller = &f->callers[f->ncallers++];
	struct bigm_error err = BIGM_ERROR_INIT;
	struct rpc_target target = { .address = f->address, .fd = -1 };

	assert_true(f->ncallers <= FIXTURE_CALLERS);
	caller->id = id;
	caller->tls = tls_context_new(caller->id, &err);
	target.tls = caller->tls;
	target.expect.role = ROLE_MACHINE;
	snprintf(target.expect.cluster, sizeof(target.expect.cluster), "%s",
		 cluster(f));
	snprintf(target.expect.name, sizeof(target.expect.name), "m0");
	caller->client = rpc_client_new(f->loop, "m0");
	assert_int_equal(rpc_client_open(caller->client, &target, &err), 0);
	return caller->client;
}

struct rpc_client *fixture_client(struct fixture *f, enum role role)
{
	return dial_as(f, authority_issue(f->authority, role, role_name(role),
					  NULL, NULL));
}

/* It shows what it has, but believes the machine. */
struct rpc_client *fixture_forged(struct fixture *f, struct forge *forge,
				  const struct forge_order *order)
{
	struct identity *id = forge_identity(forge, order);

	X509_free(id->authority);
	id->authority = f->forge->certificate;
	X509_up_ref(id->authority);
	return dial_as(f, id);
}

static struct fixture *begin(uint64_t lease_ms, struct forge *forge,
			     const char *machine)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct bigm_error err = BIGM_ERROR_INIT;
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/worker-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->authority = authority_new(NULL, &err);
	f->forge = forge;
	f->machine = machine;
	spawn(f);
	answer(f, lease_ms);
	if (!forge)
		fixture_await(f, FIXTURE_MARKER " begins 1\n");
	f->loop = loop_new(&err);
	assert_int_equal(loop_start_thread(f->loop, "test", &err), 0);
	return f;
}

struct fixture *fixture_new(uint64_t lease_ms)
{
	return fixture_new_bare(NULL, lease_ms);
}

struct fixture *fixture_new_bare(const char *machine, uint64_t lease_ms)
{
	struct fixture *f = begin(lease_ms, NULL, machine);

	f->client = fixture_client(f, ROLE_KEEPER);
	return f;
}

struct fixture *fixture_new_forged(struct forge *forge)
{
	return begin(60000, forge, NULL);
}

void fixture_free(struct fixture *f)
{
	if (f->pid > 0) {
		kill(-f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	for (int i = 0; i < f->ncallers; i++)
		rpc_client_free(f->callers[i].client);
	loop_stop(f->loop);
	loop_free(f->loop);
	for (int i = 0; i < f->ncallers; i++) {
		tls_context_free(f->callers[i].tls);
		identity_free(f->callers[i].id);
	}
	authority_free(f->authority);
	if (f->keeper_fd >= 0)
		close(f->keeper_fd);
	if (f->out_fd >= 0)
		close(f->out_fd);
	folder_empty(f->dir, NULL, NULL);
	rmdir(f->dir);
	free(f->address);
	free(f);
}

/* ------------------------------------------------------------------ */
/* Calls                                                               */

static cJSON *reply_of(struct bigm_call *c, struct bigm_error *err)
{
	cJSON *reply = NULL;
	size_t len;

	if (bigm_call_wait(c, err) == 0) {
		const char *text = rpc_call_reply_text(c, &len);

		reply = json_parse(text, len, err);
		assert_non_null(reply);
	}
	bigm_call_free(c);
	return reply;
}

cJSON *call_as(struct rpc_client *client, const char *method, const char *arg,
	       struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = CALL_MS,
	};

	return reply_of(rpc_call_start(client, method, arg,
				       arg ? strlen(arg) : 0, &options), err);
}

cJSON *call(struct fixture *f, const char *method, const char *arg,
	    struct bigm_error *err)
{
	return call_as(f->client, method, arg, err);
}

cJSON *call_ok(struct fixture *f, const char *method, const char *arg)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *reply = call(f, method, arg, &err);

	if (!reply)
		fail_msg("%s: %s", method, err.text);
	return reply;
}

void call_fails(struct fixture *f, const char *method, const char *arg,
		int code, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(call(f, method, arg, &err));
	if (err.code != code || !strstr(err.text, word))
		fail_msg("%s: %s: %s", method, bigm_code_name(err.code),
			 err.text);
}

cJSON *call_stream(struct fixture *f, const char *method, const void *bytes,
		   size_t len, struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = CALL_MS,
		.stream_arg = true,
	};
	struct bigm_call *c = rpc_call_start(f->client, method, NULL, 0,
					     &options);

	/* An error here is told by the wait, and better. */
	if (bigm_call_write(c, bytes, len, NULL) == 0)
		bigm_call_end(c, NULL);
	return reply_of(c, err);
}

int call_read(struct fixture *f, const char *method, struct buffer *reply,
	      struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = CALL_MS,
		.stream_reply = true,
	};
	struct bigm_call *c = rpc_call_start(f->client, method, NULL, 0,
					     &options);
	static char piece[65536];
	ssize_t n;
	int rc;

	while ((n = bigm_call_read(c, piece, sizeof(piece), err)) > 0)
		assert_int_equal(buffer_append(reply, piece, (size_t)n, err),
				 0);
	rc = n < 0 ? (int)n : bigm_call_wait(c, err);
	bigm_call_free(c);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Ends                                                                */

void fixture_await(struct fixture *f, const char *text)
{
	size_t len = strlen(text);
	AUTO_FREE char *got = xcalloc(1, len + 1);

	for (size_t n = 0; n < len; n++)
		assert_int_equal(read(f->out_fd, got + n, 1), 1);
	assert_string_equal(got, text);
}

char *fixture_output(struct fixture *f)
{
	struct buffer b = BUFFER_INIT(1 << 20);
	char piece[4096], *text;
	ssize_t n;

	while ((n = read(f->out_fd, piece, sizeof(piece))) > 0)
		buffer_append(&b, piece, (size_t)n, NULL);
	text = xstrdup(buffer_string(&b));
	buffer_release(&b);
	return text;
}

int fixture_wait(struct fixture *f, int timeout_ms)
{
	uint64_t end = loop_now_ns() + (uint64_t)timeout_ms * 1000000;
	int status;

	while (waitpid(f->pid, &status, WNOHANG) == 0) {
		if (loop_now_ns() > end)
			return -1;
		poll(NULL, 0, 2);
	}
	f->pid = 0;
	return status;
}

char *fixture_failed(struct fixture *f)
{
	AUTO_JSON cJSON *json = receive(f);
	const char *why = "(nothing)";

	bigm_json_get_string(json, "failed", &why, NULL);
	return xstrdup(why);
}
