#include "config.h"

#include "debug/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define TABLES_MAX 16

struct debug_pages {
	struct {
		const struct debug_route *routes;
		void *data;
	} tables[TABLES_MAX];
	size_t n;
};

struct debug_pages *debug_pages_new(void)
{
	return xcalloc(1, sizeof(struct debug_pages));
}

void debug_pages_free(struct debug_pages *pages)
{
	free(pages);
}

void debug_pages_add(struct debug_pages *pages,
		     const struct debug_route *routes, void *data)
{
	if (pages->n == TABLES_MAX)
		abort();
	pages->tables[pages->n].routes = routes;
	pages->tables[pages->n++].data = data;
}

/* ------------------------------------------------------------------ */
/* Requests                                                            */

const char *debug_query(const struct debug_request *req, const char *name)
{
	return req->query ? req->query(req->asker, name) : NULL;
}

bool debug_over(const struct debug_request *req)
{
	return req->over && req->over(req->waiter);
}

void debug_request_release(struct debug_request *req)
{
	buffer_release(&req->body);
	if (req->release)
		req->release(req->stream);
	req->release = NULL;
	req->next = NULL;
}

static bool fits(const struct debug_route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (len > 1 && route->path[len - 1] == '/')
		return strncmp(route->path, path, len) == 0;
	return strcmp(route->path, path) == 0;
}

static const struct debug_route *find(const struct debug_pages *pages,
				      const char *path, void **data)
{
	const struct debug_route *best = NULL, *r;

	for (size_t i = 0; i < pages->n; i++)
		for (r = pages->tables[i].routes; r->path; r++)
			if (fits(r, path) &&
			    (!best || strlen(r->path) > strlen(best->path))) {
				best = r;
				*data = pages->tables[i].data;
			}
	return best;
}

static unsigned status_of(int code)
{
	switch (code) {
	case BIGM_ENOTFOUND:
		return 404;
	case BIGM_EINVALID:
		return 400;
	case BIGM_EPERMISSION:
		return 403;
	case BIGM_EUNSUPPORTED:
		return 501;
	case BIGM_EUNAVAILABLE:
	case BIGM_EEXHAUSTED:
	case BIGM_ECANCELED:
		return 503;
	case BIGM_EDEADLINE:
		return 504;
	default:
		return 500;
	}
}

static void show_error(struct debug_request *req, const struct bigm_error *why)
{
	debug_request_release(req);
	req->status = status_of(why->code);
	req->type = DEBUG_TEXT;
	req->name = NULL;
	buffer_appendf(&req->body, NULL, "%s\n", why->text);
}

static void show_list(const struct debug_pages *pages,
		      struct debug_request *req)
{
	const struct debug_route *r;

	req->status = strcmp(req->path, "/") == 0 ? 200 : 404;
	if (req->status == 404)
		buffer_appendf(&req->body, NULL,
			       "There is no such page.  There are:\n\n");
	for (size_t i = 0; i < pages->n; i++)
		for (r = pages->tables[i].routes; r->path; r++)
			if (r->title)
				buffer_appendf(&req->body, NULL, "%-28s %s\n",
					       r->path, r->title);
}

void debug_pages_answer(const struct debug_pages *pages,
			struct debug_request *req)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct debug_route *route;
	void *data = NULL;

	req->status = 200;
	req->type = DEBUG_TEXT;
	req->rest = "";
	buffer_init(&req->body, DEBUG_BODY_MAX);
	route = find(pages, req->path, &data);
	if (!route) {
		show_list(pages, req);
		return;
	}
	if (strlen(req->path) > strlen(route->path))
		req->rest = req->path + strlen(route->path);
	if (route->handle(req, data, &err) < 0)
		show_error(req, &err);
}

/* ------------------------------------------------------------------ */
/* Without a server                                                    */

/* "name=value&…", cut at '&' into a list; the last one is "". */
static const char *query_text(void *asker, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = asker; *p; p += strlen(p) + 1)
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return p + len + 1;
	return NULL;
}

static int gather(struct debug_request *req, struct bigm_error *err)
{
	ssize_t n;

	do {
		uint8_t *room = buffer_reserve(&req->body, 64 << 10, err);

		if (!room)
			return BIGM_EEXHAUSTED;
		n = req->next(req->stream, room, 64 << 10);
		if (n > 0)
			buffer_commit(&req->body, (size_t)n);
	} while (n > 0);
	return n == 0 ? 0 :
			bigm_error_set(err, BIGM_EFAILED, "%s: broke off",
				       req->path);
}

static int code_of(unsigned status)
{
	static const int codes[] = {
		BIGM_ENOTFOUND,	  BIGM_EINVALID,     BIGM_EPERMISSION,
		BIGM_EUNSUPPORTED, BIGM_EUNAVAILABLE, BIGM_EDEADLINE,
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (status_of(codes[i]) == status)
			return codes[i];
	return BIGM_EFAILED;
}

static int take(struct debug_request *req, char **type, void **body,
		size_t *len, struct bigm_error *err)
{
	const char *text;

	if (req->next && gather(req, err) < 0)
		return err ? err->code : BIGM_EFAILED;
	text = buffer_string(&req->body);
	if (req->status != 200)
		return bigm_error_set(err, code_of(req->status), "%s: %.*s",
				      req->path, (int)strcspn(text, "\n"),
				      text);
	*type = xstrdup(req->type);
	*len = req->body.len;
	*body = xmalloc(*len + 1);
	memcpy(*body, text, *len + 1);
	return 0;
}

int debug_pages_render(const struct debug_pages *pages, const char *path,
		       bool (*over)(void *waiter), void *waiter, char **type,
		       void **body, size_t *len, struct bigm_error *err)
{
	/* Two NULs end the list. */
	AUTO_FREE char *copy = xasprintf("%s%c", path, '\0');
	struct debug_request req = { .path = copy, .query = query_text,
				     .over = over, .waiter = waiter };
	char *query = copy + strcspn(copy, "?");
	int rc;

	if (*query)
		*query++ = '\0';
	for (char *p = query; *p; p++)
		if (*p == '&')
			*p = '\0';
	req.asker = query;
	debug_pages_answer(pages, &req);
	rc = take(&req, type, body, len, err);
	debug_request_release(&req);
	return rc;
}
