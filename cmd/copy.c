#include "cmd/copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/lines.h"
#include "cmd/sweeper.h"
#include "supervisor/files.h"
#include "supervisor/tree_send.h"
#include "supervisor/tree_take.h"

#define PIECE (256u << 10)
#define STREAM_MODE 0644 /* of what comes from standard input */

enum { FROM, TO };

void copy_init(struct copy *copy)
{
	pthread_mutex_init(&copy->lock, NULL);
}

void copy_release(struct copy *copy)
{
	pthread_mutex_destroy(&copy->lock);
}

void copy_stop(struct copy *copy)
{
	pthread_mutex_lock(&copy->lock);
	copy->stopped = true;
	for (int i = FROM; i <= TO; i++)
		if (copy->calls[i] != NULL)
			bigm_call_cancel(copy->calls[i]);
	pthread_mutex_unlock(&copy->lock);
}

/* ------------------------------------------------------------------ */
/* Calls                                                               */

static struct bigm_call *begin(struct copy *copy, int side, const cJSON *arg,
			       struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = side == TO,
		.stream_reply = side == FROM,
	};
	struct bigm_call *call = NULL;

	pthread_mutex_lock(&copy->lock);
	if (copy->stopped)
		bigm_error_set(err, BIGM_ECANCELED, "stopped");
	else if (side == FROM)
		call = bigm_call_start(copy->from.machine, "Supervisor.GetFiles",
				       arg, &options);
	else
		call = bigm_call_start(copy->to.machine, "Supervisor.PutFiles",
				       NULL, &options);
	copy->calls[side] = call;
	pthread_mutex_unlock(&copy->lock);
	return call;
}

static void end(struct copy *copy, int side)
{
	struct bigm_call *call;

	pthread_mutex_lock(&copy->lock);
	call = copy->calls[side];
	copy->calls[side] = NULL;
	pthread_mutex_unlock(&copy->lock);
	if (call != NULL)
		bigm_call_free(call);
}

/* Which method it was is of no use to the user. */
static int explain(struct bigm_error *err)
{
	static const char *const methods[] = { " Supervisor.GetFiles:",
					       " Supervisor.PutFiles:" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		char *at = strstr(err->text, methods[i]);
		size_t len = strlen(methods[i]);

		if (at != NULL)
			memmove(at, at + len, strlen(at + len) + 1);
	}
	return err->code;
}

static struct bigm_call *begin_get(struct copy *copy, struct bigm_error *err)
{
	const struct copy_place *from = &copy->from;
	AUTO_JSON cJSON *arg = cJSON_CreateObject();

	cJSON_AddStringToObject(arg, from->path != NULL ? "path" : "pattern",
				from->path != NULL ? from->path : from->pattern);
	cJSON_AddStringToObject(arg, "dir", from->dir);
	cJSON_AddBoolToObject(arg, "binary", from->binary);
	return begin(copy, FROM, arg, err);
}

static struct bigm_call *begin_put(struct copy *copy, struct bigm_error *err)
{
	const struct copy_place *to = &copy->to;
	struct buffer order = BUFFER_INIT(FRAME_HEADER + FRAME_MAX_PAYLOAD);
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;
	struct bigm_call *call = begin(copy, TO, NULL, err);

	cJSON_AddStringToObject(arg, "path", to->path);
	cJSON_AddStringToObject(arg, "dir", to->dir);
	if (copy->name != NULL)
		cJSON_AddStringToObject(arg, "name", copy->name);
	text = json_print(arg);
	if (call != NULL &&
	    frame_append(&order, FILES_KINDS, 's', text, strlen(text), err) == 0)
		bigm_call_write(call, buffer_data(&order), order.len, NULL);
	buffer_release(&order);
	return call;
}

/* The machine says what is wrong when it takes no more. */
static int write_to(void *data, const void *bytes, size_t len,
		    struct bigm_error *err)
{
	struct copy *copy = data;

	if (bigm_call_write(copy->calls[TO], bytes, len, err) != 0)
		return err->code;
	atomic_fetch_add(&copy->size, len);
	return 0;
}

/* Its word on a call that broke counts more than that it broke. */
static int end_put(struct copy *copy, int code, struct bigm_error *err)
{
	struct bigm_call *call = copy->calls[TO];
	struct bigm_error why = BIGM_ERROR_INIT;

	if (code == 0)
		code = bigm_call_end(call, err);
	if (code == 0)
		return bigm_call_wait(call, err);
	if (bigm_call_status(call, &why) < 0)
		error_copy(err, &why);
	return err->code;
}

/* ------------------------------------------------------------------ */
/* Here                                                                */

static int on_link_out(void *data, const struct bigm_error *why)
{
	struct copy *copy = data;

	if (copy->left_out == NULL)
		return -1;
	copy->left_out(why, copy->data);
	return 0;
}

static int making(void *data, int folder, const char *name,
		  struct bigm_error *err)
{
	struct copy *copy = data;

	return sweeper_note(copy->sweeper, folder, name, err);
}

/* The stream goes to `take` until its end. */
static int receive(struct copy *copy,
		   int (*take)(void *data, const void *bytes, size_t len,
			       struct bigm_error *err),
		   void *data, struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	ssize_t n;

	while ((n = bigm_call_read(copy->calls[FROM], piece, PIECE, err)) > 0)
		if (take(data, piece, (size_t)n, err) < 0)
			return err->code;
	return (int)n;
}

/* What is wrong with the stream is the machine's, what the system refuses is
 * ours. */
static int blame(const struct copy *copy, struct bigm_error *err)
{
	const struct copy_place *from = &copy->from;

	if (err->code != BIGM_EPROTOCOL && err->code != BIGM_EINVALID &&
	    err->code != BIGM_EUNAVAILABLE)
		return err->code;
	return error_prefix(err, "%s: %s", bigm_machine_name(from->machine),
			    from->path != NULL ? from->path : from->pattern);
}

struct pull {
	struct copy *copy;
	struct tree_take *take;
};

static int take_piece(void *data, const void *bytes, size_t len,
		      struct bigm_error *err)
{
	struct pull *pull = data;

	if (tree_take_bytes(pull->take, bytes, len, err) < 0)
		return blame(pull->copy, err);
	atomic_fetch_add(&pull->copy->size, len);
	return 0;
}

static int pull_files(struct copy *copy, struct bigm_error *err)
{
	const struct tree_take_options options = {
		.dir = copy->to.dir,
		.path = copy->to.path,
		.name = copy->name,
		.on_link_out = on_link_out,
		.data = copy,
		.salvage = copy->salvage,
		.making = making,
	};
	struct pull pull = { copy, tree_take_new(&options, err) };
	int code;

	if (pull.take == NULL)
		return err->code;
	code = begin_get(copy, err) == NULL
		       ? err->code : receive(copy, take_piece, &pull, err);
	if (code != 0)
		tree_take_broken(pull.take, NULL);
	else if ((code = tree_take_end(pull.take, err)) != 0)
		blame(copy, err);
	copy->empty = code == 0 && tree_take_is_empty(pull.take);
	tree_take_free(pull.take);
	return code;
}

/* ------------------------------------------------------------------ */
/* Standard output                                                     */

struct printer {
	struct copy *copy;
	struct buffer in;
	char last; /* kind but 'b'; 0: none yet */
};

static int print_bytes(const uint8_t *bytes, size_t len,
		       struct bigm_error *err)
{
	int errnum = lines_write_all(STDOUT_FILENO, bytes, len);

	return errnum == 0 ? 0 : error_set_errno(err, errnum,
						 "cannot write standard output");
}

static int print_frame(struct printer *printer, char kind, const uint8_t *data,
		       size_t len, struct bigm_error *err)
{
	const struct copy_place *from = &printer->copy->from;

	if (kind == 'b' && printer->last == 'f')
		return print_bytes(data, len, err);
	if (kind == 'd' && printer->last == '\0')
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: %s is a folder; only a file goes to "
				      "standard output",
				      bigm_machine_name(from->machine), from->path);
	if (!((kind == 'f' && printer->last == '\0') ||
	      (kind == 'c' && printer->last == 'f') ||
	      (kind == 'z' && printer->last == 'c')))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "%s: %s: what it sent is no file",
				      bigm_machine_name(from->machine), from->path);
	printer->last = kind;
	return 0;
}

static int print_piece(void *data, const void *bytes, size_t len,
		       struct bigm_error *err)
{
	struct printer *printer = data;
	int code = buffer_append(&printer->in, bytes, len, err);
	const uint8_t *payload;
	size_t frame_len;
	char kind;

	while (code >= 0) {
		code = frame_next(&printer->in, TREE_KINDS, &kind, &payload, &len,
				  &frame_len, err);
		if (code == 0)
			return 0;
		if (code > 0) {
			atomic_fetch_add(&printer->copy->size, len);
			code = print_frame(printer, kind, payload, len, err);
			buffer_consume(&printer->in, frame_len);
		}
	}
	return code;
}

static int print(struct copy *copy, struct bigm_error *err)
{
	struct printer printer = {
		.copy = copy,
		.in = BUFFER_INIT(FRAME_HEADER + FRAME_MAX_PAYLOAD + PIECE),
	};
	int code = begin_get(copy, err) == NULL
			   ? err->code : receive(copy, print_piece, &printer, err);

	buffer_release(&printer.in);
	if (code == 0 && printer.last != 'z')
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "%s: %s: the copy was cut off",
				      bigm_machine_name(copy->from.machine),
				      copy->from.path);
	return code;
}

/* ------------------------------------------------------------------ */
/* Machines                                                            */

static int push(struct copy *copy, struct bigm_error *err)
{
	const struct tree_sink sink = { write_to, copy };
	const struct copy_place *from = &copy->from;
	int code;

	if (begin_put(copy, err) == NULL)
		return err->code;
	code = from->stream
		       ? tree_send_fd(STDIN_FILENO, STREAM_MODE, &sink, err)
		       : tree_send_path(from->dir, from->path, &sink, err);
	return end_put(copy, code, err);
}

static int relay(struct copy *copy, struct bigm_error *err)
{
	int code;

	if (begin_get(copy, err) == NULL || begin_put(copy, err) == NULL)
		return err->code;
	code = receive(copy, write_to, copy, err);
	return end_put(copy, code, err);
}

int copy_run(struct copy *copy, struct bigm_error *err)
{
	int code;

	if (copy->to.machine == NULL)
		code = copy->to.stream ? print(copy, err) : pull_files(copy, err);
	else
		code = copy->from.machine != NULL ? relay(copy, err)
						  : push(copy, err);
	end(copy, FROM);
	end(copy, TO);
	return code == 0 ? 0 : explain(err);
}
