/* bigm call: one RPC, to one machine or to all. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/source.h"
#include "loop/loop.h"
#include "machine/machine.h"
#include "rpc/wire.h"

#define PIECE 65536u

struct call_options {
	const char *cluster;
	uint64_t timeout_ms; /* 0: none */
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct call_options, cluster) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "give up after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct call_options, timeout_ms) },
	{ 0 },
};

struct calling;

/* Sends a stream argument, in a thread of its own. */
struct sender {
	struct calling *c;
	struct bigm_call *call;
	struct bigm_error error; /* of the source */
};

/* One use of the command. */
struct calling {
	const struct invocation *in;
	struct attachment a;
	struct bigm_machine **machines;
	int n;
	bool all;
	const char *method; /* "PI.Sample"; NULL: list services or methods */
	struct bigm_call_options options;
	struct source source;
	struct buffer arg; /* JSON text */
	struct sender sender;
};

/* ------------------------------------------------------------------ */
/* What there is to call                                               */

/* The object of the list whose name is the first len bytes of `name`; an error
 * names the nearest one, or all. */
static const cJSON *find_named(const cJSON *list, const char *what,
			       const char *name, size_t len,
			       struct bigm_error *err)
{
	AUTO_FREE char *wanted = xstrndup(name, len);
	AUTO_FREE const char **names =
		xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*names));
	const cJSON *item;
	const char *close;
	size_t n = 0;

	cJSON_ArrayForEach(item, list) {
		if (bigm_json_get_string(item, "name", &names[n], err) != 0)
			return NULL;
		if (strcmp(names[n], wanted) == 0)
			return item;
		n++;
	}
	close = nearest(wanted, names);
	bigm_error_set(err, BIGM_ENOTFOUND, "there is no %s %s%s%s%s", what,
		       wanted, close != NULL ? "; did you mean " : "",
		       close != NULL ? close : "", close != NULL ? "?" : "");
	return NULL;
}

static void print_names(const cJSON *list)
{
	const char *name;
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
		if (bigm_json_get_string(item, "name", &name, NULL) == 0)
			puts(name);
}

/* All have the same, but not all may answer: so some are asked, and the first
 * answer counts. */
#define ASKED 4

static int first_answer(struct calling *c, cJSON **services,
			struct bigm_error *err)
{
	struct bigm_queue *queue = bigm_queue_new();
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = c->options.timeout_ms,
		.queue = queue,
	};
	int n = c->n < ASKED ? c->n : ASKED, rc = BIGM_EUNAVAILABLE;
	struct bigm_call *calls[ASKED];

	for (int i = 0; i < n; i++)
		calls[i] = bigm_call_start(c->machines[i],
					   "Supervisor.Services", NULL,
					   &options);
	for (int i = 0; i < n && rc != 0; i++) {
		struct bigm_call *call = bigm_queue_next(queue, -1);

		rc = bigm_call_wait(call, err);
		if (rc == 0)
			*services = bigm_call_take_reply(call);
	}
	for (int i = 0; i < n; i++)
		bigm_call_free(calls[i]);
	bigm_queue_free(queue);
	return rc;
}

/* What time that takes is not the call's any more. */
static int ask_services(struct calling *c, cJSON **services,
			struct bigm_error *err)
{
	uint64_t *left_ms = &c->options.timeout_ms, begin = loop_now_ns();
	int rc = first_answer(c, services, err);
	uint64_t took_ms = (loop_now_ns() - begin) / 1000000;

	if (*left_ms != 0)
		*left_ms = took_ms < *left_ms ? *left_ms - took_ms : 1;
	return rc;
}

/* Lists services or methods when no method is named; else learns whether
 * values or streams go in and out.  Returns 1 when all is done. */
static int look_up(struct calling *c, const char *word, struct bigm_error *err)
{
	AUTO_JSON cJSON *services = NULL;
	const char *dot = word != NULL ? strrchr(word, '.') : NULL;
	const cJSON *service, *methods, *method;

	if (ask_services(c, &services, err) != 0)
		return err->code;
	if (word == NULL) {
		print_names(services);
		return 1;
	}
	service = find_named(services, "service", word,
			     dot != NULL ? (size_t)(dot - word) : strlen(word),
			     err);
	if (service == NULL)
		return err->code;
	methods = cJSON_GetObjectItemCaseSensitive(service, "methods");
	if (dot == NULL) {
		print_names(methods);
		return 1;
	}
	method = find_named(methods, "method", dot + 1, strlen(dot + 1), err);
	if (method == NULL)
		return error_prefix(err, "%.*s", (int)(dot - word), word);
	c->method = word;
	if (bigm_json_get_bool(method, "stream_arg", &c->options.stream_arg,
			       err) != 0)
		return err->code;
	return bigm_json_get_bool(method, "stream_reply",
				  &c->options.stream_reply, err);
}

/* ------------------------------------------------------------------ */
/* The calls                                                           */

/* A JSON argument is checked here, where its place can be told. */
static int read_argument(struct calling *c, const char *word,
			 struct bigm_error *err)
{
	AUTO_JSON cJSON *json = NULL;

	if (source_open(&c->source, word != NULL ? word : "null", err) != 0)
		return err->code;
	if (c->options.stream_arg)
		return 0;
	if (source_read_all(&c->source, &c->arg, err) != 0)
		return err->code;
	json = json_parse(buffer_data(&c->arg), c->arg.len, err);
	return json != NULL ? 0 : error_prefix(err, "%s", c->source.name);
}

static struct bigm_call *start(struct calling *c, int i)
{
	return rpc_call_start(machine_client(c->machines[i]), c->method,
			      (const char *)buffer_data(&c->arg), c->arg.len,
			      &c->options);
}

/* A method that answers without reading all of it is no failure. */
static void *sender_main(void *data)
{
	struct sender *s = data;
	struct source *source = &s->c->source;
	AUTO_FREE char *piece = xmalloc(PIECE);
	ssize_t n;

	while ((n = source_read(source, piece, PIECE, &s->error)) > 0)
		if (bigm_call_write(s->call, piece, (size_t)n, NULL) != 0)
			return NULL;
	if (n == 0)
		bigm_call_end(s->call, NULL);
	else
		bigm_call_cancel(s->call);
	return NULL;
}

static int receive_stream(struct bigm_call *call, struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	ssize_t n;

	while ((n = bigm_call_read(call, piece, PIECE, err)) > 0) {
		fwrite(piece, 1, (size_t)n, stdout);
		if (fflush(stdout) != 0)
			return 0; /* command_finish_output() says why */
	}
	return (int)n;
}

/* As it came, but on one line: what a machine says is not to look like another
 * one's, nor to reach the terminal's own language. */
static char *reply_of(struct bigm_call *call)
{
	size_t len;
	const char *text = rpc_call_reply_text(call, &len);

	return json_one_line(text, len);
}

static void print_reply(struct bigm_call *call)
{
	AUTO_FREE char *text = reply_of(call);

	puts(text);
}

/* The call is not freed while a sender may be at it: run() exits soon. */
static int call_one(struct calling *c, struct bigm_error *err)
{
	struct bigm_call *call = start(c, 0);
	pthread_t thread;
	int code = 0;

	c->sender = (struct sender){ c, call, BIGM_ERROR_INIT };
	if (c->options.stream_arg)
		code = pthread_create(&thread, NULL, sender_main, &c->sender);
	if (code != 0)
		return error_set_errno(err, code, "cannot make a thread");
	code = c->options.stream_reply ? receive_stream(call, err)
				       : bigm_call_wait(call, err);
	if (code != 0 && c->sender.error.code != 0)
		return error_copy(err, &c->sender.error);
	if (code == 0 && !c->options.stream_reply)
		print_reply(call);
	if (!c->options.stream_arg)
		bigm_call_free(call);
	return code;
}

/* {"machine": …, "reply": …} or {"machine": …, "error": …}; the reply is put
 * in as text, so that it stays as it came. */
static void print_outcome(const char *machine, struct bigm_call *call,
			  const struct bigm_error *why)
{
	AUTO_JSON cJSON *error = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	if (why->code == 0) {
		text = reply_of(call);
		printf("{\"machine\":\"%s\",\"reply\":%s}\n", machine, text);
		return;
	}
	cJSON_AddStringToObject(error, "code", bigm_code_name(why->code));
	cJSON_AddStringToObject(error, "message", why->text);
	cJSON_AddBoolToObject(error, "retriable", why->retriable);
	text = json_print(error);
	printf("{\"machine\":\"%s\",\"error\":%s}\n", machine, text);
}

/* One line each, in order.  Who has replied is hung up: the next connection has
 * its memory, and a thousand take no more than the few that are open at a time. */
static int call_all(struct calling *c)
{
	AUTO_FREE struct bigm_call **calls =
		xcalloc((size_t)c->n, sizeof(*calls));
	int status = 0;

	for (int i = 0; i < c->n; i++)
		calls[i] = start(c, i);
	for (int i = 0; i < c->n; i++) {
		struct bigm_error why = BIGM_ERROR_INIT;

		if (bigm_call_wait(calls[i], &why) != 0)
			status = STATUS_FAILED;
		print_outcome(bigm_machine_name(c->machines[i]), calls[i], &why);
		bigm_call_free(calls[i]);
		rpc_client_reconnect(machine_client(c->machines[i]));
	}
	return status;
}

static int prepare(struct calling *c, struct bigm_error *err)
{
	char **words = c->in->words.words;
	int code = attach(&c->a, ((const struct call_options *)c->in->options)->cluster,
			  err);

	if (code != 0)
		return code;
	c->n = attach_machines(&c->a, words[0], &c->machines, err);
	if (c->n < 0)
		return c->n;
	c->all = strcmp(words[0], "all") == 0;
	code = look_up(c, words[1], err);
	if (code != 0)
		return code;
	if (c->all && (c->options.stream_arg || c->options.stream_reply))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is called with a stream, which goes to "
				      "one machine at a time; name one", c->method);
	return read_argument(c, words[2], err);
}

static int run(const struct invocation *in)
{
	const struct call_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct calling c = {
		.in = in,
		.options = { .size = sizeof(c.options),
			     .timeout_ms = options->timeout_ms },
		.source = { .fd = -1 },
		.arg = BUFFER_INIT(WIRE_MAX_JSON),
	};
	int code, status = 0;

	if (in->words.nwords == 0)
		return command_fail(in, STATUS_USAGE,
				    "which machine? usage: bigm call %s",
				    in->command->synopsis);
	code = prepare(&c, &err);
	if (code == 0 && c.all)
		status = call_all(&c);
	else if (code == 0)
		code = call_one(&c, &err);
	if (code < 0)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	status = command_finish_output(in, status);
	/* The sender may wait for a terminal for ever. */
	if (c.sender.call != NULL && c.options.stream_arg)
		_exit(status);
	source_release(&c.source);
	buffer_release(&c.arg);
	free(c.machines);
	attachment_release(&c.a);
	return status;
}

const struct command command_call = {
	.name = "call",
	.synopsis = "MACHINE|all [SERVICE[.METHOD] [ARGUMENT]]",
	.summary = "Call a method of a service on a machine",
	.details =
"Without a method it lists the services of the machine, or the methods of the\n"
"service.  ARGUMENT is JSON (null when missing), @FILE, or - for standard\n"
"input; for a method that takes a stream, any bytes.\n",
	.table = table,
	.size = sizeof(struct call_options),
	.max_words = 3,
	.completion = COMPLETE_MACHINE,
	.run = run,
};
