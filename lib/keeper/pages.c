#include "config.h"

#include "keeper/pages.h"

#include "base/log.h"
#include "debug/server.h"
#include "keeper/core.h"

void pages_init(struct keeper *k)
{
	k->pages = debug_pages_new();
}

int pages_serve(struct keeper *k, struct bigm_error *err)
{
	const struct keeper_options *o = k->options;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (o->no_http)
		return 0;
	k->http = debug_server_new(k->loop, k->pages, o->http, o->http_prefix,
				   &why);
	if (k->http)
		return 0;
	if (o->http || o->http_prefix)
		return bigm_error_set(err, why.code, "%s", why.text);
	log_warn("%s", why.text);
	return 0;
}

void pages_release(struct keeper *k)
{
	debug_server_free(k->http);
	debug_pages_free(k->pages);
	k->http = NULL;
	k->pages = NULL;
}
