#include "config.h"

#include "keeper/event_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "machine/event_queue.h"

#define AGAIN_MS 1000

struct event_source {
	struct loop *loop;
	struct event_log *log;
	const char *name;
	struct rpc_client *client;
	struct bigm_call *call;
	struct buffer line; /* as far as it has come */
	struct loop_timer again;
};

static int take_line(struct event_source *s, const char *line, size_t len,
		     struct bigm_error *err)
{
	AUTO_JSON cJSON *event = json_parse(line, len, err);

	return event ? event_log_pass(s->log, s->name, event, err)
		     : BIGM_EINVALID;
}

static int take_lines(struct event_source *s, struct bigm_error *err)
{
	const char *line;
	size_t len;

	while ((line = buffer_line(&s->line, &len))) {
		if (take_line(s, line, len, err) < 0)
			return BIGM_EINVALID;
		buffer_consume(&s->line, len + 1);
	}
	return 0;
}

/* 0 at the stream's end, RPC_AGAIN, BIGM_EINVALID for what makes no sense, or
 * another code. */
static int read_lines(struct event_source *s, struct bigm_error *err)
{
	uint8_t bytes[16 << 10];
	ssize_t n;

	while ((n = rpc_call_try_read(s->call, bytes, sizeof(bytes), err)) > 0)
		if (buffer_append(&s->line, bytes, (size_t)n, err) < 0 ||
		    take_lines(s, err) < 0)
			return BIGM_EINVALID;
	return n == BIGM_EINVALID ? BIGM_EUNAVAILABLE : (int)n;
}

static void ask(struct event_source *s);

static void on_again(struct loop_timer *timer)
{
	ask(loop_container(timer, struct event_source, again));
}

static void on_event(struct bigm_call *call, void *data)
{
	struct event_source *s = data;
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc = read_lines(s, &err);

	if (rc == RPC_AGAIN)
		return;
	rpc_call_on_event(call, NULL, NULL);
	if (rc == BIGM_EINVALID || rc == BIGM_EEXHAUSTED)
		log_warn("%s: no more of its events: %s", s->name, err.text);
	/* A bare worker of another kind may not know the method. */
	else if (rc != BIGM_ENOTFOUND)
		loop_timer_start(s->loop, &s->again, AGAIN_MS, on_again);
}

static void ask(struct event_source *s)
{
	static const char arg[] = "{\"follow\":true}";
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_reply = true,
	};

	bigm_call_free(s->call);
	buffer_consume(&s->line, s->line.len);
	s->call = rpc_call_start(s->client, "Supervisor.Events", arg,
				 strlen(arg), &options);
	rpc_call_on_event(s->call, on_event, s);
}

struct event_source *event_source_new(struct loop *loop, struct event_log *log,
				      const char *name,
				      struct rpc_client *client)
{
	struct event_source *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->log = log;
	s->name = name;
	s->client = client;
	buffer_init(&s->line, EVENT_MAX + (16u << 10));
	ask(s);
	return s;
}

void event_source_free(struct event_source *s)
{
	if (!s)
		return;
	loop_timer_stop(s->loop, &s->again);
	bigm_call_free(s->call);
	buffer_release(&s->line);
	free(s);
}
