/*
 * debug_page: bigm_debug_page().
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "debug/pages.h"
#include "machine/handle_private.h"

void handle_set_pages(struct bigm *b, struct debug_pages *pages)
{
	b->pages = pages;
}

/* The first line is the type. */
static int take(struct buffer *page, char **type, void **body, size_t *len,
		struct bigm_error *err)
{
	const char *text = buffer_string(page);
	const char *end = memchr(text, '\n', page->len);

	if (!end)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "Keeper.Page: the page has no type");
	*type = xstrndup(text, (size_t)(end - text));
	*len = page->len - (size_t)(end + 1 - text);
	*body = xmalloc(*len + 1);
	memcpy(*body, end + 1, *len + 1);
	return 0;
}

static int ask_keeper(struct bigm *b, const char *path, char **type,
		      void **body, size_t *len, struct bigm_error *err)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_reply = true };
	struct buffer page = BUFFER_INIT(DEBUG_BODY_MAX + RPC_PIECE);
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;
	struct bigm_call *call;
	struct cluster *cluster;
	int rc;

	cluster = handle_cluster(b);
	if (!cluster)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "%s: there is no cluster", path);
	cJSON_AddStringToObject(arg, "path", path);
	text = json_print(arg);
	call = rpc_call_start(cluster_client(cluster), "Keeper.Page", text,
			      strlen(text), &options);
	rc = rpc_call_read_all(call, &page, err);
	bigm_call_free(call);
	if (rc == 0)
		rc = take(&page, type, body, len, err);
	buffer_release(&page);
	return rc;
}

int bigm_debug_page(struct bigm *b, const char *path, char **type, void **body,
		    size_t *len, struct bigm_error *err)
{
	if (b->own_loop)
		return ask_keeper(b, path, type, body, len, err);
	if (!b->pages)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "%s: this machine shows no pages", path);
	return debug_pages_render(b->pages, path, NULL, NULL, type, body, len,
				  err);
}
