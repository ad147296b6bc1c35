#include "config.h"

#include "keeper/ship.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"

#define CHUNK (256u << 10)

enum step { UPLOAD, ARGS, ENV, EXEC, N_STEPS };

static const char *const methods[N_STEPS] = {
	[UPLOAD] = "Supervisor.Setbinary",
	[ARGS] = "Supervisor.Setargs",
	[ENV] = "Supervisor.Setenv",
	[EXEC] = "Supervisor.Exec",
};

/* One call's way back to the ship. */
struct ship_call {
	struct ship *ship;
	struct bigm_call *call; /* NULL when not under way */
};

struct ship {
	struct rpc_client *client;
	char *name; /* of what is shipped, for errors */
	int fd;	    /* of a program; -1: */
	off_t offset; /* the file may be another's too */
	bool loaded;
	const struct cargo *cargo;
	struct cargo_reader *reader; /* NULL when it could not be opened */
	bool exec;
	struct ship_call calls[N_STEPS];
	char *digest; /* as the machine computed it */
	uint8_t *chunk;
	size_t chunk_len, chunk_sent;
	bool sent;		/* all of the program */
	struct bigm_error why;	/* of an upload that we broke off */
	void (*done)(void *data, const struct bigm_error *why);
	void *data;
};

void ship_free(struct ship *s)
{
	if (!s)
		return;
	for (int i = 0; i < N_STEPS; i++)
		bigm_call_free(s->calls[i].call);
	cleanup_close(&s->fd);
	if (s->reader)
		s->cargo->ops->close(s->reader);
	free(s->name);
	free(s->digest);
	free(s->chunk);
	free(s);
}

static void start_call(struct ship *s, enum step step, const char *arg,
		       const struct bigm_call_options *options)
{
	s->calls[step].call = rpc_call_start(s->client, methods[step], arg,
					     arg ? strlen(arg) : 0, options);
}

static void on_call_done(struct bigm_call *call, void *data);

static struct bigm_call_options options_for(struct ship *s, enum step step)
{
	return (struct bigm_call_options){
		.size = sizeof(struct bigm_call_options),
		.timeout_ms = step == EXEC ? SHIP_EXEC_MS : SHIP_UPLOAD_MS,
		.stream_arg = step == UPLOAD,
		.on_done = on_call_done,
		.data = &s->calls[step],
	};
}

static void exec(struct ship *s)
{
	struct bigm_call_options options = options_for(s, EXEC);
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	s->loaded = true;
	cJSON_AddStringToObject(arg, "digest", s->digest);
	text = json_print(arg);
	start_call(s, EXEC, text, &options);
}

static int take_digest(struct ship *s, struct bigm_call *call,
		       struct bigm_error *err)
{
	AUTO_JSON cJSON *reply = bigm_call_take_reply(call);
	const char *digest;
	int rc = bigm_json_get_string(reply, "digest", &digest, err);

	if (rc < 0)
		return error_prefix(err, "the machine's reply");
	if (s->cargo && strcmp(digest, s->cargo->digest) != 0)
		return bigm_error_set(err, BIGM_EFAILED,
				      "the machine has got something else "
				      "(%.80s): is %s damaged?", digest,
				      s->name);
	s->digest = xstrdup(digest);
	return 0;
}

static void on_call_done(struct bigm_call *call, void *data)
{
	struct ship_call *slot = data;
	struct ship *s = slot->ship;
	enum step step = (enum step)(slot - s->calls);
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = bigm_call_status(call, &why);

	if (rc == 0 && step == UPLOAD)
		rc = take_digest(s, call, &why);
	slot->call = NULL;
	bigm_call_free(call);
	if (s->why.code)
		error_copy(&why, &s->why);
	if (rc < 0) {
		error_prefix(&why, "shipping %s", s->name);
		s->done(s->data, &why);
	} else if (!s->exec) {
		s->done(s->data, NULL);
	} else if (step == EXEC) {
		rpc_client_reconnect(s->client);
		s->done(s->data, NULL);
	} else if (!s->calls[UPLOAD].call && !s->calls[ARGS].call &&
		   !s->calls[ENV].call) {
		exec(s);
	}
}

/* The next bytes of the program; false at its end, or on error. */
static bool fill(struct ship *s)
{
	ssize_t n;

	if (s->reader) {
		n = s->cargo->ops->read(s->reader, s->chunk, CHUNK, &s->why);
	} else {
		do
			n = pread(s->fd, s->chunk, CHUNK, s->offset);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			error_set_errno(&s->why, errno, "cannot read it");
	}
	s->chunk_sent = 0;
	s->chunk_len = n > 0 ? (size_t)n : 0;
	s->offset += n > 0 ? n : 0;
	return n > 0;
}

static void on_upload(struct bigm_call *call, void *data)
{
	struct ship *s = data;

	while (!s->sent) {
		ssize_t n;

		if (s->chunk_sent == s->chunk_len && !fill(s)) {
			s->sent = true;
			break;
		}
		n = rpc_call_try_write(call, s->chunk + s->chunk_sent,
				       s->chunk_len - s->chunk_sent, NULL);
		if (n <= 0)
			return; /* no room now, or it is over: done tells */
		s->chunk_sent += (size_t)n;
	}
	if (s->why.code)
		bigm_call_cancel(call);
	else
		bigm_call_end(call, NULL);
}

static void open_source(struct ship *s, const struct ship_order *order)
{
	s->cargo = order->cargo;
	if (s->cargo) {
		s->reader = s->cargo->ops->open(s->cargo, &s->why);
		return;
	}
	s->fd = order->fd >= 0 ? fcntl(order->fd, F_DUPFD_CLOEXEC, 3) :
				 open(order->program, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		error_set_errno(&s->why, errno, "cannot open it");
}

static void start_list(struct ship *s, enum step step, char *const *list)
{
	struct bigm_call_options options = options_for(s, step);
	AUTO_JSON cJSON *arg = NULL;
	AUTO_FREE char *text = NULL;

	if (!list || !s->exec)
		return;
	arg = json_strings((const char *const *)list);
	text = json_print(arg);
	start_call(s, step, text, &options);
}

bool ship_is_loading(const struct ship *s)
{
	return !s->loaded;
}

struct ship *ship_start(struct rpc_client *client,
			const struct ship_order *order,
			void (*done)(void *data, const struct bigm_error *why),
			void *data)
{
	struct ship *s = xcalloc(1, sizeof(*s));
	struct bigm_error none = BIGM_ERROR_INIT;
	struct bigm_call_options options;

	s->client = client;
	s->name = xstrdup(order->cargo ? order->cargo->name : order->program);
	s->chunk = xmalloc(CHUNK);
	s->exec = order->exec;
	s->why = none;
	s->done = done;
	s->data = data;
	s->fd = -1;
	for (enum step step = UPLOAD; step < N_STEPS; step++)
		s->calls[step].ship = s;
	open_source(s, order);
	options = options_for(s, UPLOAD);
	start_call(s, UPLOAD, NULL, &options);
	start_list(s, ARGS, order->argv);
	start_list(s, ENV, order->env);
	s->sent = s->why.code != 0;
	rpc_call_on_event(s->calls[UPLOAD].call, on_upload, s);
	on_upload(s->calls[UPLOAD].call, s);
	return s;
}
