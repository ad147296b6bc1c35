#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "worker_fixture.h"

/* Whom a machine, a process of its own, refuses, and what they are told.  Who
 * trusts whom in all detail is test_tls's. */
struct stranger {
	struct forge_order order;
	bool other_authority;
	const char *told; /* NULL: it is served */
};

#define DRIVER { "bigm:" FORGE_CLUSTER "/driver/driver" }

static const struct stranger strangers[] = {
	{ { .uris = DRIVER }, false, NULL },
	{ { .uris = DRIVER, .begin = -2 * FORGE_DAY, .end = -60 },
	  false, "has expired" },
	{ { .uris = DRIVER, .begin = 3600, .end = FORGE_DAY },
	  false, "not the one it expects" },
	{ { .uris = DRIVER, .self_signed = true },
	  false, "not of its cluster" },
	{ { .uris = DRIVER }, true, "not of its cluster" },
	{ { .uris = DRIVER, .usage = "serverAuth" },
	  false, "unsupported certificate" },
};

static void a_machine_serves_its_cluster_and_nobody_else(void **state)
{
	struct forge *forge = forge_new(), *other = forge_new();
	struct fixture *f = fixture_new_forged(forge);

	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
		const struct stranger *s = &strangers[i];
		struct bigm_error err = BIGM_ERROR_INIT;
		struct rpc_client *client = fixture_forged(
			f, s->other_authority ? other : forge, &s->order);
		AUTO_JSON cJSON *reply =
			call_as(client, "Supervisor.Ping", "1", &err);

		if (!s->told && !reply)
			fail_msg("a driver is refused: %s", err.text);
		if (s->told && (reply || err.code != BIGM_EPERMISSION ||
				!strstr(err.text, s->told)))
			fail_msg("%zu: %s: \"%s\" does not say \"%s\"", i,
				 bigm_code_name(err.code), err.text, s->told);
	}
	fixture_free(f);
	forge_free(forge);
	forge_free(other);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_serves_its_cluster_and_nobody_else),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
