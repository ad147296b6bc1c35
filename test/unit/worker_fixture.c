#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
#include "base/folder.h"
#include "loop/process.h"
#include "machine/provision.h"
#include "worker_fixture.h"

#define CALL_MS 20000

static void spawn(struct fixture *f)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char *argv[] = { (char *)"worker", (char *)"first", NULL };
	AUTO_FREE char *boot = xasprintf("BIGM_BOOT=listen:3,parent:4");
	char *changes[] = { boot, NULL };
	char **env = process_env(NULL, changes);
	char self[4096] = "";
	int listen_fd = provision_listen(&f->address, &err), pair[2], out[2];

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
	strings_free(env);
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
