#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tls_pair.h"

const struct forge_order driver = { .uris = URI("driver/driver") };
const struct forge_order machine = { .uris = URI("machine/m0") };
const struct peer expect_m0 = { ROLE_MACHINE, FORGE_CLUSTER, "m0" };

void end_init(struct end *end, struct identity *id)
{
	*end = (struct end){ .id = id, .error = BIGM_ERROR_INIT };
	buffer_init(&end->plain, 64u << 20);
	end->context = tls_context_new(id, &end->error);
	assert_non_null(end->context);
}

void end_release(struct end *end)
{
	tls_discard(end->tls);
	tls_context_free(end->context);
	identity_free(end->id);
	buffer_release(&end->plain);
}

struct pair *pair_new(const struct forge_order *client,
		      const struct forge_order *server,
		      const struct peer *expect)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->forge = forge_new();
	end_init(&p->client, forge_identity(p->forge, client));
	end_init(&p->server, forge_identity(p->forge, server));
	p->server.tls = tls_new_server(p->server.context, NULL);
	p->client.tls = tls_new_client(p->client.context, expect, NULL);
	assert_non_null(p->server.tls);
	assert_non_null(p->client.tls);
	return p;
}

void pair_free(struct pair *p)
{
	end_release(&p->client);
	end_release(&p->server);
	forge_free(p->forge);
	free(p);
}

bool carry(struct end *from, struct end *to, size_t step)
{
	struct buffer *out = tls_output(from->tls);
	bool moved = out->len > 0;

	while (out->len > 0) {
		size_t n = out->len < step ? out->len : step;

		to->result = tls_input(to->tls, buffer_data(out), n,
				       &to->plain, &to->error);
		buffer_consume(out, n);
	}
	return moved;
}

void pump_by(struct pair *p, size_t step)
{
	bool moved = true;

	while (moved) {
		moved = carry(&p->client, &p->server, step);
		moved = carry(&p->server, &p->client, step) || moved;
	}
}

void pump(struct pair *p)
{
	pump_by(p, SIZE_MAX);
}
