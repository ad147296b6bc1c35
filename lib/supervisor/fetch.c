#include "config.h"

#include "supervisor/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "rpc/client.h"
#include "supervisor/arrival.h"
#include "supervisor/parcel.h"
#include "supervisor/worker.h"

#define PIECE (256u << 10)
#define WANT (128u << 10) /* bytes that are worth waking for */
#define ORDER_MAX (1u << 20)  /* bytes of the first line */
#define HAS_MOST 65536	      /* digests asked for at once */
#define FIND_MS 10000	      /* until a parcel that a peer wants is begun */
#define CONNECT_MS 5000
#define EVERY_MOST_MS 1000

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
		strings_free(digests);
		return BIGM_EINVALID;
	}
	*reply = cJSON_CreateObject();
	lacks = cJSON_AddArrayToObject(*reply, "lacks");
	for (size_t i = 0; i < n && !is_gone(req); i++)
		if (!store_has(store, digests[i]))
			cJSON_AddItemToArray(lacks,
					     cJSON_CreateNumber((double)i));
	strings_free(digests);
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
	    json_opt_uint64(arg, "offset", &offset, err) < 0)
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
	uint64_t passed; /* bytes that went straight to the intake */
	struct rpc_client *client; /* of the peer; NULL: the caller sends */
	struct bigm_call *call;
	uint64_t told_ns;
	uint8_t begin[INTAKE_BEGIN]; /* where that has come in pieces */
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
		"{\"digest\":\"%s\",\"offset\":\"%" PRIu64 "\"}",
		f->order.digest, parcel_have(f->parcel));
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

/* More bytes of the parcel, lent until the next call: at least one.  Not later
 * than the caller is told how many there are. */
static ssize_t next_bytes(struct fetch *f, size_t want, const void **bytes,
			  struct bigm_error *err)
{
	uint64_t patience_ms = f->order.every_ms < EVERY_MOST_MS ?
				       f->order.every_ms : EVERY_MOST_MS;
	ssize_t n;

	if (f->call) {
		n = rpc_call_lend(f->call, bytes, want, patience_ms, err);
		if (n < 0)
			blame_peer(err);
	} else {
		n = rpc_request_lend(f->req, bytes, want, patience_ms, err);
	}
	return n != 0 ? n : error_set_retriable(err, BIGM_EFAILED,
						"it ended too early");
}

/* ------------------------------------------------------------------ */
/* Fetch: what becomes of them                                         */

static int tell(struct fetch *f, struct bigm_error *err)
{
	char line[96];
	int len = snprintf(line, sizeof(line),
			   "{\"have\":%" PRIu64 ",\"got\":%" PRIu64 "}\n",
			   f->passed + parcel_have(f->parcel),
			   f->passed + parcel_got(f->parcel));

	f->told_ns = loop_now_ns();
	return bigm_request_write(f->req, line, (size_t)len, err);
}

static int tell_now_and_then(struct fetch *f, struct bigm_error *err)
{
	return loop_now_ns() - f->told_ns < f->order.every_ms * NS_PER_MS ?
		       0 : tell(f, err);
}

static int take(struct fetch *f, const void *bytes, size_t len,
		struct bigm_error *err)
{
	size_t skip = f->skip < len ? (size_t)f->skip : len;
	int rc;

	f->skip -= skip;
	rc = parcel_append(f->parcel, (const uint8_t *)bytes + skip, len - skip,
			   err);
	/* What came is the caller's fault only if it was he who sent it. */
	if (rc < 0 && !f->call)
		err->retriable = false;
	else if (rc == BIGM_EPROTOCOL)
		error_prefix(err, "%s lies", f->order.name);
	if (rc < 0 && rc != BIGM_EPROTOCOL)
		parcel_discard(f->parcel);
	return rc;
}

/* So many bytes complete something: a chunk, or the parcel. */
static size_t useful(const struct fetch *f)
{
	uint64_t lacking = f->skip + parcel_lacks(f->parcel);

	return lacking < WANT ? (size_t)lacking : WANT;
}

/* Up to the parcel's end. */
static int take_rest(struct fetch *f, struct bigm_error *err)
{
	int rc = 0;

	while (rc == 0 && parcel_have(f->parcel) < f->order.size) {
		const void *bytes;
		ssize_t n = next_bytes(f, useful(f), &bytes, err);

		rc = n < 0 ? (int)n : take(f, bytes, (size_t)n, err);
		if (rc == 0)
			rc = tell_now_and_then(f, err);
	}
	return rc;
}

/* It is the next program. */
static int taken(struct fetch *f, struct bigm_error *err)
{
	AUTO_FREE char *line = NULL;

	/* Nobody has asked for less than all of it. */
	if (!f->order.sums)
		parcel_discard(f->parcel);
	line = xasprintf("{\"digest\":\"%s\",\"size\":%" PRIu64 "}\n",
			 f->order.digest, f->order.size);
	return bigm_request_write(f->req, line, strlen(line), err);
}

/* Into the parcel's file. */
static int keep(struct fetch *f, struct bigm_error *err)
{
	struct binary_store *binaries = &f->worker->binaries;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct arrival *arrival = !f->order.sums ? NULL :
		arrival_begin(binaries, f->parcel, &f->order);
	const char *path;
	int rc, unpacked;

	rc = take_rest(f, err);
	close_peer(f);
	if (rc == 0)
		rc = tell(f, err);
	if (rc == 0)
		rc = parcel_complete(f->parcel, &path, err);
	unpacked = arrival_end(arrival, rc == 0, &why);
	if (rc < 0)
		return rc;
	rc = unpacked < 0 ? error_copy(err, &why) :
	     unpacked > 0 ? 0 :
			    binary_take(binaries, path, f->order.digest, err);
	if (rc == 0)
		return taken(f, err);
	parcel_discard(f->parcel);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Fetch: straight to the intake                                       */

/* What nobody will fetch from here, and is unpacked, need not be in a file. */
struct straight {
	struct fetch *f;
	const void *begin; /* bytes that have come already; NULL: lent */
	size_t len;
	struct digest *sum;
	struct bigm_error why;
};

static int check_straight(struct straight *s, struct bigm_error *err)
{
	char text[DIGEST_SIZE];

	if (!s->sum)
		return 0;
	digest_finish(s->sum, text);
	s->sum = NULL;
	return parcel_order_check(&s->f->order, text, err);
}

static size_t lacking(const struct fetch *f)
{
	uint64_t n = f->order.size - f->passed;

	return n < WANT ? (size_t)n : WANT;
}

static ssize_t lend_straight(struct straight *s, const void **bytes,
			     struct bigm_error *err)
{
	struct fetch *f = s->f;
	ssize_t n = (ssize_t)s->len;

	*bytes = s->begin;
	s->begin = NULL;
	if (!*bytes)
		n = next_bytes(f, lacking(f), bytes, err);
	if (n > 0 && (uint64_t)n > f->order.size - f->passed)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "more than %llu bytes came",
				      (unsigned long long)f->order.size);
	return n;
}

static ssize_t next_straight(void *data, const void **bytes,
			     struct bigm_error *err)
{
	struct straight *s = data;
	struct fetch *f = s->f;
	ssize_t n;
	int rc = 0;

	if (f->passed == f->order.size) {
		n = check_straight(s, &s->why);
	} else {
		n = lend_straight(s, bytes, &s->why);
		if (n > 0) {
			digest_update(s->sum, *bytes, (size_t)n);
			f->passed += (uint64_t)n;
			rc = tell_now_and_then(f, &s->why);
		}
	}
	if (n >= 0 && rc == 0)
		return n;
	return error_copy(err, &s->why);
}

/* Of a sender who is slow: what was lent goes with the next bytes. */
static ssize_t gather(struct fetch *f, const void **bytes, size_t len,
		      size_t enough, struct bigm_error *err)
{
	memcpy(f->begin, *bytes, len);
	while (len < enough) {
		const void *more;
		ssize_t n = next_bytes(f, enough - len, &more, err);

		if (n < 0)
			return n;
		memcpy(f->begin + len, more, (size_t)n);
		len += (size_t)n;
	}
	*bytes = f->begin;
	return (ssize_t)len;
}

/* 1: it can be unpacked.  What has come so far is in *bytes. */
static int look(struct fetch *f, const void **bytes, size_t *len,
		struct bigm_error *err)
{
	size_t enough = f->order.size < INTAKE_BEGIN ? (size_t)f->order.size :
						       INTAKE_BEGIN;
	ssize_t n = next_bytes(f, lacking(f), bytes, err);

	if (n >= 0 && (size_t)n < enough)
		n = gather(f, bytes, (size_t)n, enough, err);
	if (n < 0)
		return (int)n;
	*len = (size_t)n;
	return binary_unpacks(&f->worker->binaries, *bytes, *len);
}

/* What of it has come is in bytes. */
static int pass(struct fetch *f, const void *bytes, size_t len,
		struct bigm_error *err)
{
	struct straight s = { .f = f, .begin = bytes, .len = len,
			      .sum = digest_new(), .why = BIGM_ERROR_INIT };
	const struct intake_source source = {
		.next = next_straight, .data = &s, .size = f->order.size,
		.checked = true,
	};
	int rc = binary_take_coming(&f->worker->binaries, &source,
				    f->order.digest, err);

	digest_free(s.sum);
	if (rc == 0)
		rc = tell(f, err);
	if (rc == 0)
		return taken(f, err);
	parcel_discard(f->parcel);
	/* What is wrong with the archive may be no more than its lack of
	 * bytes. */
	return s.why.code ? error_copy(err, &s.why) : rc;
}

/* ------------------------------------------------------------------ */
/* Fetch: all of it                                                    */

static int take_all(struct fetch *f, struct bigm_error *err)
{
	uint64_t have = parcel_have(f->parcel);
	int rc = tell(f, err);
	const void *bytes;
	size_t len = 0;

	if (rc < 0 || have == f->order.size)
		return rc < 0 ? rc : keep(f, err);
	if (!f->order.address && f->order.offset > have)
		return error_set_retriable(err, BIGM_EFAILED,
					   "only %llu bytes are here",
					   (unsigned long long)have);
	f->skip = f->order.address ? 0 : have - f->order.offset;
	if (f->order.address) {
		rc = open_peer(f, err);
	} else if (have == 0 && !f->order.sums) {
		rc = look(f, &bytes, &len, err);
		if (rc > 0)
			return pass(f, bytes, len, err);
		if (rc == 0)
			rc = take(f, bytes, len, err);
	}
	if (rc == 0)
		return keep(f, err);
	close_peer(f);
	return rc;
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
	if (rc == 0)
		f.parcel = parcel_write(&f.worker->shelf, &f.order, err);
	if (f.parcel) {
		rc = take_all(&f, err);
		parcel_leave(f.parcel);
	} else if (rc == 0) {
		rc = err->code;
	}
	parcel_order_release(&f.order);
	return rc;
}
