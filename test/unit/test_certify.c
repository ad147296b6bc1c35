/*
 * A keeper that certifies a machine; and who is there instead of one, or nobody.
 */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "certify_world.h"

static void fails_with(struct world *w, int code, const char *word)
{
	if (w->result.code != code || !strstr(w->result.text, word))
		fail_msg("%s: %s", bigm_code_name(w->result.code),
			 w->result.text);
}

static void nobody_is_there(void **state)
{
	struct world *w = *state;

	close(w->listen_fd);
	w->listen_fd = -1;
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

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, certify_world_setup, \
					certify_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_there),
		TEST(an_expired_one_is_refused),
		TEST(another_clusters_is_refused),
		TEST(one_key_is_certified),
		TEST(one_that_has_its_certificate_is_left_alone),
		TEST(a_machine_is_not_certified_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
