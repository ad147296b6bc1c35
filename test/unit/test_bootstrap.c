/*
 * A machine that waits for its keeper with an identity that it shares with
 * others, and the keeper that certifies it; and everybody else, who gets
 * nothing of either.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/certify.h"
#include "rpc/server.h"
#include "supervisor/bootstrap.h"
#include "worker_fixture.h"

#define LONG_MS 60000

struct world {
	struct authority *authority;
	struct identity *keeper, *bootstrap;
	struct loop *loop; /* of those who dial */
	int listen_fd;
	char address[64];

	/* The machine. */
	pthread_t thread;
	struct bootstrap_options options;
	struct boot *boot;
	struct bigm_error why;

	/* Those who dial. */
	struct tls_context *tls[16];
	struct rpc_client *clients[16];
	int nclients;

	/* What a certify came to. */
	struct certify *certify;
	uint64_t limit_ms;
	struct bigm_error result;
	atomic_bool done;

	/* A machine that behaves badly, on the loop. */
	struct tls_context *server_tls;
	struct rpc_server *server, *second;
	struct loop_task change;
	int requests;
};

static void drop_log(enum log_level level, const char *line, void *data)
{
}

static int open_port(char *address, size_t size)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(address, size, "https://127.0.0.1:%d/", ntohs(in.sin_port));
	return fd;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->authority = authority_new("c1", NULL);
	w->keeper = authority_issue(w->authority, ROLE_KEEPER, "keeper", NULL,
				    NULL);
	w->bootstrap = authority_bootstrap(w->authority, AUTHORITY_BOOTSTRAP_S,
					   NULL);
	w->loop = loop_new(NULL);
	assert_int_equal(loop_start_thread(w->loop, "test", NULL), 0);
	w->listen_fd = open_port(w->address, sizeof(w->address));
	assert_int_equal(listen(w->listen_fd, 16), 0);
	w->limit_ms = LONG_MS;
	w->why = w->result = (struct bigm_error)BIGM_ERROR_INIT;
	log_set_sink(drop_log, NULL);
	*state = w;
	return 0;
}

static void free_on_loop(void *data)
{
	struct world *w = data;

	certify_free(w->certify);
	for (int i = 0; i < w->nclients; i++)
		rpc_client_free(w->clients[i]);
	if (w->server)
		rpc_server_abort(w->server);
	if (w->second)
		rpc_server_abort(w->second);
}

static void servers_are_down(void *data)
{
	struct world *w = data;

	atomic_store(&w->done,
		     (!w->server || rpc_server_is_down(w->server)) &&
			     (!w->second || rpc_server_is_down(w->second)));
}

static void free_servers(void *data)
{
	struct world *w = data;

	if (w->server)
		rpc_server_free(w->server);
	if (w->second)
		rpc_server_free(w->second);
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, free_on_loop, w);
	for (atomic_store(&w->done, false); !atomic_load(&w->done);) {
		loop_call(w->loop, servers_are_down, w);
		poll(NULL, 0, 1);
	}
	loop_call(w->loop, free_servers, w);
	loop_free(w->loop);
	for (int i = 0; i < w->nclients; i++)
		tls_context_free(w->tls[i]);
	tls_context_free(w->server_tls);
	if (w->boot)
		w->listen_fd = -1; /* the boot's */
	boot_free(w->boot);
	if (w->listen_fd >= 0)
		close(w->listen_fd);
	identity_free(w->keeper);
	identity_free(w->bootstrap);
	authority_free(w->authority);
	log_set_sink(NULL, NULL);
	free(w);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The machine                                                         */

static void *machine(void *data)
{
	struct world *w = data;

	w->boot = bootstrap_receive(&w->options, &w->why);
	return NULL;
}

static void begin_machine(struct world *w, const struct identity *id,
			  uint64_t limit_ms)
{
	w->options = (struct bootstrap_options){
		.identity = id,
		.listen_fd = w->listen_fd,
		.parent_fd = -1,
		.dir = "/some/where",
		.limit_ms = limit_ms,
	};
	assert_int_equal(pthread_create(&w->thread, NULL, machine, w), 0);
}

static void end_machine(struct world *w)
{
	assert_int_equal(pthread_join(w->thread, NULL), 0);
}

/* ------------------------------------------------------------------ */
/* Who dials                                                           */

static struct rpc_client *dial(struct world *w, const struct identity *id)
{
	struct rpc_target target = {
		.address = w->address,
		.fd = -1,
		.tls = tls_context_new(id, NULL),
		.expect = { .role = ROLE_BOOTSTRAP },
	};
	struct rpc_client *client = rpc_client_new(w->loop, "m0");

	w->tls[w->nclients] = target.tls;
	w->clients[w->nclients++] = client;
	assert_int_equal(rpc_client_open(client, &target, NULL), 0);
	return client;
}

static void call_is_refused(struct rpc_client *client, const char *method,
			    const char *arg, int code, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(call_as(client, method, arg, &err));
	if (err.code != code || !strstr(err.text, word))
		fail_msg("%s: %s: %s", method, bigm_code_name(err.code),
			 err.text);
}

static const struct signing_facts facts_of_m0 = {
	.name = "m0", .cluster = "c1", .address = "https://127.0.0.1/",
	.dir = "", .marker = "the end", .procs = 2, .lease_ms = 5000,
	.no_http = true,
};

/* The answer that makes it `facts`, with a certificate for `name` as `role`
 * signed by `signer`. */
static char *answer_for(struct rpc_client *client, struct authority *signer,
			enum role role, const char *name,
			const struct signing_facts *facts)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = call_as(client, "Bootstrap.SigningRequest",
					NULL, &err);
	AUTO_JSON cJSON *answer = NULL;
	AUTO_FREE char *certificate = NULL;
	const char *request;

	if (!json)
		fail_msg("%s", err.text);
	assert_int_equal(signing_check_request(json, &request, NULL), 0);
	assert_int_equal(authority_sign(signer, request, role, name,
					"127.0.0.1", &certificate, NULL), 0);
	answer = signing_answer(facts, certificate, authority_pem(signer));
	return json_print(answer);
}

static void certify_it(struct world *w, struct rpc_client *client)
{
	AUTO_FREE char *answer = answer_for(client, w->authority, ROLE_MACHINE,
					    "m0", &facts_of_m0);
	AUTO_JSON cJSON *reply = call_as(client, "Bootstrap.Certify", answer,
					 NULL);

	assert_non_null(reply);
	end_machine(w);
	assert_non_null(w->boot);
	assert_string_equal(w->boot->name, "m0");
}

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static int sign(void *keeper, const char *request, const char *name,
		const char *host, char **certificate, char **authority,
		struct bigm_error *err)
{
	struct world *w = keeper;
	int rc = authority_sign(w->authority, request, ROLE_MACHINE, name, host,
				certificate, err);

	*authority = xstrdup(authority_pem(w->authority));
	w->requests++;
	return rc;
}

static void on_certified(void *data, const struct bigm_error *why)
{
	struct world *w = data;

	if (why)
		w->result = *why;
	atomic_store(&w->done, true);
}

static void start_certify(void *data)
{
	struct world *w = data;
	struct certify_order order = {
		.loop = w->loop,
		.tls = w->tls[0],
		.facts = facts_of_m0,
		.limit_ms = w->limit_ms,
		.sign = sign,
		.keeper = w,
	};

	order.facts.address = w->address;
	w->certify = certify_start(&order, on_certified, w, NULL);
	assert_non_null(w->certify);
}

static void await_done(struct world *w)
{
	for (int ms = 0; !atomic_load(&w->done); ms++) {
		assert_true(ms < LONG_MS);
		poll(NULL, 0, 1);
	}
}

static void certify(struct world *w)
{
	w->tls[w->nclients] = tls_context_new(w->keeper, NULL);
	w->clients[w->nclients++] = rpc_client_new(w->loop, "unused");
	loop_call(w->loop, start_certify, w);
	await_done(w);
}

static void fails_with(struct world *w, int code, const char *word)
{
	if (w->result.code != code || !strstr(w->result.text, word))
		fail_msg("%s: %s", bigm_code_name(w->result.code),
			 w->result.text);
}

/* ------------------------------------------------------------------ */
/* Tests                                                               */

static void a_machine_gets_its_certificate(void **state)
{
	struct world *w = *state;
	struct peer self;

	begin_machine(w, w->bootstrap, LONG_MS);
	certify(w);
	assert_int_equal(w->result.code, 0);
	end_machine(w);
	assert_non_null(w->boot);
	assert_string_equal(w->boot->name, "m0");
	assert_string_equal(w->boot->cluster, "c1");
	assert_string_equal(w->boot->address, w->address);
	assert_string_equal(w->boot->marker, "the end");
	assert_string_equal(w->boot->dir, "/some/where");
	assert_int_equal(w->boot->procs, 2);
	assert_int_equal(w->boot->lease_ms, 5000);
	assert_true(w->boot->no_http);
	assert_int_equal(w->boot->incarnation, 1);
	assert_int_equal(w->boot->parent_fd, -1);
	assert_int_equal(w->boot->listen_fd, w->listen_fd);
	assert_int_equal(identity_peer(w->boot->identity->certificate, &self,
				       NULL), 0);
	assert_int_equal(self.role, ROLE_MACHINE);
	assert_string_equal(self.name, "m0");
	assert_int_equal(X509_check_ip_asc(w->boot->identity->certificate,
					   "127.0.0.1", 0), 1);
	/* The key is its own. */
	assert_int_equal(EVP_PKEY_eq(w->boot->identity->key,
				     w->bootstrap->key), 0);
}

static void the_identity_travels_as_text(void **state)
{
	struct world *w = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *text = bootstrap_text(w->bootstrap, &err);
	struct identity *id = bootstrap_read(text, strlen(text), &err);

	assert_non_null(id);
	assert_int_equal(EVP_PKEY_eq(id->key, w->bootstrap->key), 1);
	identity_free(id);
	assert_null(bootstrap_read("{}", 2, &err));
	assert_null(bootstrap_read(text, strlen(text) - 1, &err));
	assert_null(bootstrap_read("no json", 7, &err));
}

static void only_a_bootstrap_identity_waits(void **state)
{
	struct world *w = *state;
	struct identity *old = authority_bootstrap(w->authority, -60, NULL);
	AUTO_FREE char *keeper = bootstrap_text(w->keeper, NULL);
	AUTO_FREE char *late = bootstrap_text(old, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct identity *id;

	assert_null(bootstrap_read(keeper, strlen(keeper), &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_non_null(strstr(err.text, "keeper of cluster c1"));
	/* Its keeper refuses it, if it is that old by its clock as well. */
	id = bootstrap_read(late, strlen(late), &err);
	assert_non_null(id);
	identity_free(id);
	identity_free(old);
}

static void nobody_but_its_keeper_may_certify_it(void **state)
{
	static const enum role roles[] = { ROLE_DRIVER, ROLE_MACHINE,
					   ROLE_BOOTSTRAP };
	struct world *w = *state;
	struct authority *others = authority_new("c1", NULL);
	struct identity *id = authority_issue(others, ROLE_KEEPER, "keeper",
					      NULL, NULL);

	begin_machine(w, w->bootstrap, LONG_MS);
	call_is_refused(dial(w, id), "Bootstrap.SigningRequest", NULL,
			BIGM_EPERMISSION, "");
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct identity *caller = authority_issue(
			w->authority, roles[i], "x", NULL, NULL);
		struct rpc_client *client = dial(w, caller);

		call_is_refused(client, "Bootstrap.SigningRequest", NULL,
				BIGM_EPERMISSION, "refused");
		call_is_refused(client, "Bootstrap.Certify", "{}",
				BIGM_EPERMISSION, "refused");
		identity_free(caller);
	}
	certify_it(w, dial(w, w->keeper));
	identity_free(id);
	authority_free(others);
}

static void it_serves_nothing_else(void **state)
{
	static const char *const methods[] = {
		"Supervisor.Ping", "Supervisor.Info", "Supervisor.Keepalive",
		"Supervisor.Exec", "Supervisor.Shutdown", "Bootstrap.Other",
	};
	struct world *w = *state;
	struct rpc_client *client;

	begin_machine(w, w->bootstrap, LONG_MS);
	client = dial(w, w->keeper);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		call_is_refused(client, methods[i], "null", BIGM_ENOTFOUND, "");
	certify_it(w, client);
}

static void bad_certificates_are_not_taken(void **state)
{
	struct world *w = *state;
	struct authority *others = authority_new("c1", NULL);
	struct signing_facts m1 = facts_of_m0, c2 = facts_of_m0;
	const struct {
		struct authority *signer;
		enum role role;
		const char *name;
		const struct signing_facts *facts;
		const char *word;
	} bad[] = {
		{ w->authority, ROLE_MACHINE, "m1", &facts_of_m0,
		  "is for machine m1" },
		{ w->authority, ROLE_MACHINE, "m0", &m1, "is machine m1" },
		{ w->authority, ROLE_MACHINE, "m0", &c2, "of cluster c2" },
		{ w->authority, ROLE_KEEPER, "m0", &facts_of_m0,
		  "is for keeper m0" },
		{ others, ROLE_MACHINE, "m0", &facts_of_m0,
		  "another authority" },
	};
	struct rpc_client *client;

	m1.name = "m1";
	c2.cluster = "c2";
	begin_machine(w, w->bootstrap, LONG_MS);
	client = dial(w, w->keeper);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_FREE char *answer =
			answer_for(client, bad[i].signer, bad[i].role,
				   bad[i].name, bad[i].facts);

		call_is_refused(client, "Bootstrap.Certify", answer,
				BIGM_EPERMISSION, bad[i].word);
	}
	certify_it(w, client);
	authority_free(others);
}

#define WHO "\"name\":\"m0\",\"cluster\":\"c1\""
#define NO_PEM \
	"\"lease_ms\":1000,\"certificate\":\"x\",\"authority\":\"y\""

static void bad_answers_are_not_taken(void **state)
{
	static const char *const answers[] = {
		"null", "[]", "{}", "{" WHO "}", "{" WHO ",\"lease_ms\":0}",
		"{" WHO ",\"lease_ms\":1000}", "{" WHO "," NO_PEM "}",
	};
	struct world *w = *state;
	struct rpc_client *client;
	/* A good one, of another machine's key. */
	struct identity *id = authority_issue(w->authority, ROLE_MACHINE, "m0",
					      NULL, NULL);
	AUTO_FREE char *pem = identity_certificate_pem(id, NULL);
	AUTO_JSON cJSON *json = signing_answer(&facts_of_m0, pem,
					       authority_pem(w->authority));
	AUTO_FREE char *other = json_print(json);

	begin_machine(w, w->bootstrap, LONG_MS);
	client = dial(w, w->keeper);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		call_is_refused(client, "Bootstrap.Certify", answers[i],
				BIGM_EINVALID, "");
	call_is_refused(client, "Bootstrap.Certify", other, BIGM_EPERMISSION,
			"for another key");
	certify_it(w, client);
	identity_free(id);
}

/* On one connection, so that both are there before it ends. */
static void it_is_certified_once(void **state)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .timeout_ms = LONG_MS };
	struct world *w = *state;
	struct signing_facts m1 = facts_of_m0;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *calls[2];
	char *answers[2];

	m1.name = "m1";
	begin_machine(w, w->bootstrap, LONG_MS);
	struct rpc_client *client = dial(w, w->keeper);
	answers[0] = answer_for(client, w->authority, ROLE_MACHINE, "m0",
				&facts_of_m0);
	answers[1] = answer_for(client, w->authority, ROLE_MACHINE, "m1", &m1);
	for (int i = 0; i < 2; i++)
		calls[i] = rpc_call_start(client, "Bootstrap.Certify",
					  answers[i], strlen(answers[i]),
					  &options);
	assert_int_equal(bigm_call_wait(calls[0], &err), 0);
	assert_true(bigm_call_wait(calls[1], &err) < 0);
	/* The second, if the machine had not left already. */
	assert_true(err.code == BIGM_EEXIST || err.code == BIGM_EUNAVAILABLE);
	for (int i = 0; i < 2; i++) {
		bigm_call_free(calls[i]);
		free(answers[i]);
	}
	end_machine(w);
	assert_string_equal(w->boot->name, "m0");
}

static void nobody_comes(void **state)
{
	struct world *w = *state;

	begin_machine(w, w->bootstrap, 50);
	end_machine(w);
	assert_null(w->boot);
	assert_int_equal(w->why.code, BIGM_EDEADLINE);
	assert_non_null(strstr(w->why.text, "within 50ms"));
}

static void nobody_is_there(void **state)
{
	struct world *w = *state;

	close(w->listen_fd);
	w->listen_fd = open_port(w->address, sizeof(w->address));
	w->limit_ms = 300; /* a try more than one */
	certify(w);
	fails_with(w, BIGM_EUNAVAILABLE, "could not be certified within 300ms");
	fails_with(w, BIGM_EUNAVAILABLE, "cannot connect to");
}

/* ------------------------------------------------------------------ */
/* Bad machines                                                        */

/* Another key each time. */
static int new_request(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	struct identity *id = identity_new(err);

	*reply = signing_request(id, err);
	identity_free(id);
	return 0;
}

static int no_certify(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		      struct bigm_error *err)
{
	struct world *w = bigm_request_state(req);

	if (w->change.fn)
		loop_post(w->loop, &w->change);
	return bigm_error_set(err, BIGM_EUNAVAILABLE, "not now");
}

static const struct bigm_method bad_methods[] = {
	{ "SigningRequest", new_request, BIGM_INLINE },
	{ "Certify", no_certify, BIGM_INLINE },
	{ 0 },
};

static struct rpc_server *serve(struct world *w, const struct identity *id)
{
	struct rpc_server_options options = { .tls = tls_context_new(id, NULL) };
	struct rpc_service service = { .name = xstrdup("Bootstrap"),
				       .methods = bad_methods,
				       .state = w };
	struct rpc_server *server = rpc_server_new(w->loop, &options);

	tls_context_free(w->server_tls);
	w->server_tls = options.tls;
	rpc_server_add(server, &service, NULL);
	rpc_server_listen(server, fcntl(w->listen_fd, F_DUPFD_CLOEXEC, 3),
			  NULL);
	return server;
}

static void serve_bootstrap(void *data)
{
	struct world *w = data;

	w->server = serve(w, w->bootstrap);
}

static void one_key_is_certified(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, serve_bootstrap, w);
	certify(w);
	fails_with(w, BIGM_EFAILED, "another machine asks for its certificate");
	assert_int_equal(w->requests, 1);
}

static void become_a_machine(struct loop_task *task)
{
	struct world *w = loop_container(task, struct world, change);
	struct identity *id = authority_issue(w->authority, ROLE_MACHINE, "m0",
					      NULL, NULL);

	rpc_server_abort(w->server);
	w->second = serve(w, id);
	identity_free(id);
}

/* The answer to Certify got lost on its way. */
static void one_that_has_its_certificate_is_left_alone(void **state)
{
	struct world *w = *state;

	w->change.fn = become_a_machine;
	loop_call(w->loop, serve_bootstrap, w);
	certify(w);
	assert_int_equal(w->result.code, 0);
	assert_int_equal(w->requests, 1);
}

/* A machine that slept too long, or somebody who found an old user data. */
static void serve_expired(void *data)
{
	struct world *w = data;
	struct identity *old = authority_bootstrap(w->authority, -60, NULL);

	w->server = serve(w, old);
	identity_free(old);
}

static void an_expired_one_is_refused(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, serve_expired, w);
	certify(w);
	fails_with(w, BIGM_EPERMISSION, "its certificate expired at");
	assert_int_equal(w->requests, 0);
}

static void serve_others(void *data)
{
	struct world *w = data;
	struct authority *others = authority_new("c1", NULL);
	struct identity *id = authority_bootstrap(others, 900, NULL);

	w->server = serve(w, id);
	identity_free(id);
	authority_free(others);
}

static void another_clusters_is_refused(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, serve_others, w);
	certify(w);
	fails_with(w, BIGM_EPERMISSION, "not signed by our authority");
	assert_int_equal(w->requests, 0);
}

static void serve_as_machine(void *data)
{
	struct world *w = data;
	struct identity *id = authority_issue(w->authority, ROLE_MACHINE, "m0",
					      NULL, NULL);

	w->server = serve(w, id);
	identity_free(id);
}

static void a_machine_is_not_certified_again(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, serve_as_machine, w);
	certify(w);
	fails_with(w, BIGM_EPERMISSION, "we dialled bootstrap");
	assert_int_equal(w->requests, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_gets_its_certificate),
		TEST(the_identity_travels_as_text),
		TEST(only_a_bootstrap_identity_waits),
		TEST(an_expired_one_is_refused),
		TEST(another_clusters_is_refused),
		TEST(nobody_but_its_keeper_may_certify_it),
		TEST(it_serves_nothing_else),
		TEST(bad_certificates_are_not_taken),
		TEST(bad_answers_are_not_taken),
		TEST(it_is_certified_once),
		TEST(nobody_comes),
		TEST(nobody_is_there),
		TEST(one_key_is_certified),
		TEST(one_that_has_its_certificate_is_left_alone),
		TEST(a_machine_is_not_certified_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
