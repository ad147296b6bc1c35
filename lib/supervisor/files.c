#include "config.h"

#include "supervisor/files.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "supervisor/half.h"
#include "supervisor/job_order.h"
#include "supervisor/tree_send.h"
#include "supervisor/tree_take.h"
#include "supervisor/worker.h"

#define PIECE (256u << 10)

/* Where relative paths begin, malloc'ed; "" is the working folder. */
static char *find_dir(struct worker *worker, const cJSON *arg,
		      struct bigm_error *err)
{
	struct image *image = NULL;
	const char *dir = "";
	bool binary = false;
	char *found;

	if (json_opt_string(arg, "dir", &dir, err) < 0 ||
	    json_opt_bool(arg, "binary", &binary, err) < 0)
		return NULL;
	if (binary && !(image = binary_uploaded(&worker->binaries, err)))
		return NULL;
	found = job_order_dir(dir, image);
	image_free(image);
	return found ? found : xstrdup("");
}

/* ------------------------------------------------------------------ */
/* From here                                                           */

static int reply_bytes(void *data, const void *bytes, size_t len,
		       struct bigm_error *err)
{
	return bigm_request_write(data, bytes, len, err);
}

int files_get(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err)
{
	const struct tree_sink sink = { reply_bytes, req };
	AUTO_FREE char *dir = find_dir(bigm_request_state(req), arg, err);
	const char *path = NULL, *pattern = NULL;

	(void)reply;
	if (!dir || json_opt_string(arg, "path", &path, err) < 0 ||
	    json_opt_string(arg, "pattern", &pattern, err) < 0)
		return err->code;
	if (!path == !pattern)
		return bigm_error_set(err, BIGM_EINVALID,
				      "either a path or a pattern has to be "
				      "given");
	return path ? tree_send_path(dir, path, &sink, err) :
		      tree_send_matches(dir, pattern, &sink, err);
}

/* ------------------------------------------------------------------ */
/* To here                                                             */

/* Reads more of the stream; 0 at its end. */
static ssize_t read_more(struct bigm_request *req, struct buffer *in,
			 struct bigm_error *err)
{
	uint8_t *room = buffer_reserve(in, PIECE, err);
	ssize_t n = room ? bigm_request_read(req, room, PIECE, err) :
			   BIGM_EEXHAUSTED;

	if (n > 0)
		buffer_commit(in, (size_t)n);
	return n;
}

/* The first frame, which it takes out of `in`. */
static cJSON *read_order(struct bigm_request *req, struct buffer *in,
			 struct bigm_error *err)
{
	const uint8_t *data;
	size_t len, frame_len;
	ssize_t n = 1;
	cJSON *order;
	char kind;
	int rc = 0;

	while (n > 0 && (rc = frame_next(in, FILES_KINDS, &kind, &data, &len,
					 &frame_len, err)) == 0)
		n = read_more(req, in, err);
	if (rc < 0 || n < 0)
		return NULL;
	if (n == 0 || kind != 's') {
		bigm_error_set(err, BIGM_EPROTOCOL,
			       "the stream does not begin with an order");
		return NULL;
	}
	order = json_parse(data, len, err);
	buffer_consume(in, frame_len);
	return order;
}

/* What is half there when we die is noted. */
struct put {
	const char *dir; /* the machine's folder */
	char *half;	 /* what is under way; NULL: nothing */
};

static int making(void *data, int folder, const char *name,
		  struct bigm_error *err)
{
	struct put *put = data;

	put->half = xstrdup(name);
	return half_note(put->dir, folder, name, err);
}

static void put_release(struct put *put)
{
	if (put->half)
		half_done(put->dir, put->half);
	free(put->half);
}

static struct tree_take *take_order(struct bigm_request *req,
				    struct put *put, struct buffer *in,
				    struct bigm_error *err)
{
	AUTO_JSON cJSON *order = read_order(req, in, err);
	AUTO_FREE char *dir = NULL;
	struct tree_take_options options = { .making = making, .data = put };

	if (!order)
		return NULL;
	dir = find_dir(bigm_request_state(req), order, err);
	if (!dir || bigm_json_get_string(order, "path", &options.path, err) < 0 ||
	    json_opt_string(order, "name", &options.name, err) < 0)
		return NULL;
	options.dir = dir;
	return tree_take_new(&options, err);
}

static int take_all(struct bigm_request *req, struct tree_take *take,
		    struct buffer *in, struct bigm_error *err)
{
	ssize_t n = 1;

	while (n > 0) {
		if (tree_take_bytes(take, buffer_data(in), in->len, err) < 0)
			return err->code;
		buffer_consume(in, in->len);
		n = read_more(req, in, err);
	}
	return n < 0 ? (int)n : tree_take_end(take, err);
}

int files_put(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	      struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(FRAME_HEADER + FRAME_MAX_PAYLOAD + PIECE);
	const struct worker *worker = bigm_request_state(req);
	struct put put = { .dir = worker->binaries.dir };
	struct tree_take *take = take_order(req, &put, &in, err);
	int rc = take ? take_all(req, take, &in, err) : err->code;

	(void)arg;
	if (rc == 0) {
		*reply = cJSON_CreateObject();
		json_add_uint64(*reply, "files", tree_take_files(take));
		json_add_uint64(*reply, "size", tree_take_size(take));
	}
	if (take)
		tree_take_free(take);
	put_release(&put);
	buffer_release(&in);
	return rc;
}
