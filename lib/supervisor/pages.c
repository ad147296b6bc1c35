#include "config.h"

#include "supervisor/pages.h"

#include "base/log.h"
#include "debug/server.h"
#include "debug/show.h"
#include "machine/handle.h"
#include "supervisor/figures.h"
#include "supervisor/worker.h"

typedef int show_fn(struct buffer *out, const struct shown *all, size_t n,
		    struct bigm_error *err);

static int show_own(struct debug_request *req, struct worker *worker,
		    show_fn *fn, struct bigm_error *err)
{
	AUTO_JSON cJSON *vars = cJSON_CreateObject();
	const struct shown shown = { .name = worker->boot->name,
				     .vars = vars };

	if (figures_add_all(worker, vars, err) < 0)
		return BIGM_EIO;
	return fn(&req->body, &shown, 1, err);
}

static int vars(struct debug_request *req, void *data, struct bigm_error *err)
{
	req->type = DEBUG_JSON;
	return show_own(req, data, show_vars, err);
}

static int metrics(struct debug_request *req, void *data,
		   struct bigm_error *err)
{
	req->type = SHOW_METRICS_TYPE;
	return show_own(req, data, show_metrics, err);
}

static int status(struct debug_request *req, void *data, struct bigm_error *err)
{
	return show_own(req, data, show_status, err);
}

static const struct debug_route routes[] = {
	{ "/debug/vars", vars, "variables of this machine, as JSON" },
	{ "/metrics", metrics, "the same for Prometheus" },
	{ "/debug/bigmachine/status", status, "how it is" },
	{ NULL, NULL, NULL },
};

void worker_pages_init(struct worker *worker)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	worker->pages = debug_pages_new();
	debug_pages_add(worker->pages, routes, worker);
	handle_set_pages(worker->bigm, worker->pages);
	if (worker->boot->no_http)
		return;
	worker->http = debug_server_new(worker->loop, worker->pages,
					"127.0.0.1:0", NULL, false,
					&err);
	if (!worker->http)
		log_warn("%s", err.text);
}

void worker_pages_release(struct worker *worker)
{
	debug_server_free(worker->http);
	worker->http = NULL;
}
