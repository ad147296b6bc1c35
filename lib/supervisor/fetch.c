#include "config.h"

#include "supervisor/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/client.h"
#include "supervisor/parcel.h"
#include "supervisor/worker.h"

#define PIECE (256u << 10)
#define ORDER_MAX (1u << 20)  /* bytes of the first line */
#define HAS_MOST 65536	      /* digests asked for at once */
#define FIND_MS 10000	      /* until a parcel that a peer wants is begun */
#define CONNECT_MS 5000

static struct worker *worker_of(const struct bigm_request *req)
{
	return bigm_request_state(req);
}

static bool is_gone(const void *req)
{
	return bigm_request_canceled(req);
}

/* ------------------------------------------------------------------ */
/* Has                                                                 */

int fetch_has(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err)
{
	struct store *store = &worker_of(req)->binaries.files;
	char **digests = json_get_strings(arg, "digests", "digests", err);
	size_t n = 0;
	cJSON *lacks;

	while (digests && digests[n] && n < HAS_MOST)
		n++;
	if (digests && digests[n])
		bigm_error_set(err, BIGM_EINVALID,
			       "digests must be an array of at most %d",
			       HAS_MOST);
	if (!digests || err->code) {
		json_strings_free(digests);
		return BIGM_EINVALID;
	}
	*reply = cJSON_CreateObject();
	lacks = cJSON_AddArrayToObject(*reply, "lacks");
	for (size_t i = 0; i < n && !is_gone(req); i++)
		if (!store_has(store, digests[i]))
			cJSON_AddItemToArray(lacks,
					     cJSON_CreateNumber((double)i));
	json_strings_free(digests);
	return 0;
}

/* ------------------------------------------------------------------ */
/* GetBinary                                                           */

static int send_file(struct bigm_request *req, const char *path,
		     struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *piece = xmalloc(PIECE);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open the program");
	for (;;) {
		ssize_t n = read(fd, piece, PIECE);

		if (n < 0)
			return error_set_errno(err, errno,
					       "cannot read the program");
		if (n == 0)
			return 0;
		if (bigm_request_write(req, piece, (size_t)n, err) < 0)
			return err->code;
	}
}

static int send_parcel(struct bigm_request *req, const char *digest,
		       uint64_t offset, struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	struct parcel *parcel = parcel_find(&worker_of(req)->shelf, digest,
					    FIND_MS, is_gone, req, err);
	ssize_t n = 1;

	if (!parcel)
		return err->code;
	while (n > 0) {
		n = parcel_read(parcel, offset, piece, PIECE, is_gone, req,
				err);
		if (n > 0 && bigm_request_write(req, piece, (size_t)n, err) < 0)
			n = err->code;
		offset += n > 0 ? (uint64_t)n : 0;
	}
	parcel_put(parcel);
	return (int)n;
}

int fetch_get_binary(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err)
{
	const char *digest = NULL;
	uint64_t offset = 0;

	(void)reply;
	if (!cJSON_IsObject(arg))
		return send_file(req, binary_own(&worker_of(req)->binaries),
				 err);
	if (bigm_json_get_string(arg, "digest", &digest, err) < 0 ||
	    (cJSON_GetObjectItemCaseSensitive(arg, "offset") &&
	     bigm_json_get_uint64(arg, "offset", &offset, err) < 0))
		return err->code;
	return send_parcel(req, digest, offset, err);
}

/* ------------------------------------------------------------------ */
/* Fetch: where the bytes come from                                    */

struct fetch {
	struct bigm_request *req;
	struct worker *worker;
	struct parcel_order order;
	struct parcel *parcel;
	uint64_t skip; /* bytes of the caller's that are here already */
	struct rpc_client *client; /* of the peer; NULL: the caller sends */
	struct bigm_call *call;
	uint64_t told_ns;
	char *piece;
};

/* Loop thread: the caller has gone. */
static void on_event(struct bigm_request *req, void *data)
{
	struct fetch *f = data;

	if (bigm_request_canceled(req))
		bigm_call_cancel(f->call);
}

static void listen_for_end(void *data)
{
	struct fetch *f = data;

	rpc_request_on_event(f->req, on_event, f);
}

static void listen_no_more(void *data)
{
	struct fetch *f = data;

	rpc_request_on_event(f->req, NULL, NULL);
}

/* Whatever is wrong with a peer, another one may help; whoever ordered it has
 * to tell that from our own losing him. */
static int blame_peer(struct bigm_error *err)
{
	err->code = BIGM_EFAILED;
	err->retriable = true;
	return err->code;
}

static int open_peer(struct fetch *f, struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .stream_reply = true,
	};
	AUTO_FREE char *arg = xasprintf(
		"{\"digest\":\"%s\",\"offset\":\"%llu\"}", f->order.digest,
		(unsigned long long)parcel_have(f->parcel));
	struct rpc_target target = {
		.address = f->order.address,
		.fd = -1,
		.tls = f->worker->tls,
		.expect = { .role = ROLE_MACHINE },
		.connect_timeout_ms = CONNECT_MS,
	};

	if (strlen(f->order.name) >= sizeof(target.expect.name) ||
	    strlen(f->worker->boot->cluster) >= sizeof(target.expect.cluster))
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%.40s\" is no machine's name",
				      f->order.name);
	strcpy(target.expect.name, f->order.name);
	strcpy(target.expect.cluster, f->worker->boot->cluster);
	f->client = rpc_client_new(f->worker->loop, f->order.name);
	if (rpc_client_open(f->client, &target, err) < 0)
		return blame_peer(err);
	f->call = rpc_call_start(f->client, "Supervisor.GetBinary", arg,
				 strlen(arg), &options);
	loop_call(f->worker->loop, listen_for_end, f);
	return 0;
}

static void close_peer(struct fetch *f)
{
	if (f->call) {
		loop_call(f->worker->loop, listen_no_more, f);
		bigm_call_free(f->call);
	}
	if (f->client)
		rpc_client_free(f->client);
}

/* More bytes of the parcel, which are left in the piece. */
static ssize_t next_bytes(struct fetch *f, struct bigm_error *err)
{
	ssize_t n;

	if (!f->call)
		return bigm_request_read(f->req, f->piece, PIECE, err);
	n = bigm_call_read(f->call, f->piece, PIECE, err);
	return n < 0 ? blame_peer(err) : n;
}

/* ------------------------------------------------------------------ */
/* Fetch: what becomes of them                                         */

static int tell(struct fetch *f, struct bigm_error *err)
{
	char line[96];
	int len = snprintf(line, sizeof(line), "{\"have\":%llu,\"got\":%llu}\n",
			   (unsigned long long)parcel_have(f->parcel),
			   (unsigned long long)parcel_got(f->parcel));

	f->told_ns = loop_now_ns();
	return bigm_request_write(f->req, line, (size_t)len, err);
}

static int tell_now_and_then(struct fetch *f, struct bigm_error *err)
{
	return loop_now_ns() - f->told_ns < f->order.every_ms * 1000000 ?
		       0 : tell(f, err);
}

static int take(struct fetch *f, size_t len, struct bigm_error *err)
{
	size_t skip = f->skip < len ? (size_t)f->skip : len;
	int rc;

	f->skip -= skip;
	rc = parcel_append(f->parcel, f->piece + skip, len - skip, err);
	/* What came is the caller's fault only if it was he who sent it. */
	if (rc < 0 && !f->call)
		err->retriable = false;
	else if (rc == BIGM_EPROTOCOL)
		error_prefix(err, "%s lies", f->order.name);
	if (rc < 0 && rc != BIGM_EPROTOCOL)
		parcel_discard(f->parcel);
	return rc;
}

static int take_all(struct fetch *f, struct bigm_error *err)
{
	uint64_t have = parcel_have(f->parcel);
	int rc = tell(f, err);

	if (have == f->order.size)
		return rc;
	if (!f->order.address && f->order.offset > have)
		return error_set_retriable(err, BIGM_EFAILED,
					   "only %llu bytes are here",
					   (unsigned long long)have);
	f->skip = f->order.address ? 0 : have - f->order.offset;
	if (rc == 0 && f->order.address)
		rc = open_peer(f, err);
	while (rc == 0 && parcel_have(f->parcel) < f->order.size) {
		ssize_t n = next_bytes(f, err);

		if (n == 0)
			rc = error_set_retriable(err, BIGM_EFAILED,
						 "it ended too early");
		else
			rc = n < 0 ? (int)n : take(f, (size_t)n, err);
		if (rc == 0)
			rc = tell_now_and_then(f, err);
	}
	return rc;
}

static int finish(struct fetch *f, struct bigm_error *err)
{
	AUTO_FREE char *line = NULL;
	const char *path;

	if (tell(f, err) < 0 || parcel_complete(f->parcel, &path, err) < 0)
		return err->code;
	if (binary_take(&f->worker->binaries, path, f->order.digest, err) < 0) {
		parcel_discard(f->parcel);
		return err->code;
	}
	/* Nobody has asked for less than all of it. */
	if (!f->order.sums)
		parcel_discard(f->parcel);
	line = xasprintf("{\"digest\":\"%s\",\"size\":%llu}\n",
			 f->order.digest, (unsigned long long)f->order.size);
	return bigm_request_write(f->req, line, strlen(line), err);
}

/* The first line, and nothing behind it. */
static int read_order(struct fetch *f, struct bigm_error *err)
{
	struct buffer line = BUFFER_INIT(ORDER_MAX);
	AUTO_JSON cJSON *json = NULL;
	char c = 0;
	int rc = 0;

	while (rc == 0) {
		ssize_t n = bigm_request_read(f->req, &c, 1, err);

		if (n <= 0)
			rc = n < 0 ? (int)n :
				     bigm_error_set(err, BIGM_EINVALID,
						    "the stream ends in its "
						    "first line, the order");
		else if (c == '\n')
			break;
		else
			rc = buffer_append(&line, &c, 1, err);
	}
	if (rc == 0)
		json = json_parse(buffer_data(&line), line.len, err);
	buffer_release(&line);
	return json ? parcel_order_read(json, &f->order, err) :
		      rc < 0 ? rc : BIGM_EINVALID;
}

int fetch_parcel(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	struct fetch f = { .req = req, .worker = worker_of(req) };
	int rc = read_order(&f, err);

	(void)arg;
	(void)reply;
	f.piece = xmalloc(PIECE);
	if (rc == 0)
		f.parcel = parcel_write(&f.worker->shelf, &f.order, err);
	if (f.parcel) {
		rc = take_all(&f, err);
		close_peer(&f);
		if (rc == 0)
			rc = finish(&f, err);
		parcel_leave(f.parcel);
	} else if (rc == 0) {
		rc = err->code;
	}
	parcel_order_release(&f.order);
	free(f.piece);
	return rc;
}
