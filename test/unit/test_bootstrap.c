/*
 * A machine that waits for its keeper with an identity that it shares with
 * others; and everybody else, who gets nothing of it.
 */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "certify_world.h"
#include "worker_fixture.h"

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

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, certify_world_setup, \
					certify_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_gets_its_certificate),
		TEST(the_identity_travels_as_text),
		TEST(only_a_bootstrap_identity_waits),
		TEST(nobody_but_its_keeper_may_certify_it),
		TEST(it_serves_nothing_else),
		TEST(bad_certificates_are_not_taken),
		TEST(bad_answers_are_not_taken),
		TEST(it_is_certified_once),
		TEST(nobody_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
