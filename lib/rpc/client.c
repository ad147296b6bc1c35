#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/client_impl.h"
#include "rpc/tls.h"

#define CONNECT_MS 10000
#define IDLE_MS 30000 /* a connection without calls lives 1 to 2 of these */

static void on_task(struct loop_task *task);
static void pump(struct rpc_client *client);

/* ---- lifecycle ---- */

struct rpc_client *rpc_client_new(struct loop *loop, const char *name)
{
	struct rpc_client *client = xcalloc(1, sizeof(*client));

	client->loop = loop;
	client->name = xstrdup(name);
	client->refs = 1;
	client->task.fn = on_task;
	bell_spin_init(&client->spin);
	client->why = (struct bigm_error)BIGM_ERROR_INIT;
	client->fd = -1;
	pthread_mutex_init(&client->lock, NULL);
	TAILQ_INIT(&client->waiting);
	TAILQ_INIT(&client->mourning);
	LIST_INIT(&client->links);
	return client;
}

void client_release(struct rpc_client *client)
{
	if (atomic_fetch_sub(&client->refs, 1) > 1)
		return;
	if (client->fd >= 0)
		close(client->fd);
	pthread_mutex_destroy(&client->lock);
	tls_context_free(client->target.tls);
	connection_target_release(&client->target);
	free(client->authority);
	client_free_stats(client);
	free(client->name);
	free(client);
}

void client_post(struct rpc_client *client, enum client_work work)
{
	if (atomic_fetch_or(&client->work, work))
		return;
	atomic_fetch_add(&client->refs, 1);
	loop_post(client->loop, &client->task);
}

static int set_target(struct rpc_client *client,
		      const struct rpc_target *target, struct bigm_error *err)
{
	struct connection_target *to = &client->target;
	int rc = 0;

	if (target->address)
		rc = connection_parse_address(target->address, to, err);
	if (rc < 0)
		return rc;
	if (to->host && !target->tls) {
		connection_target_release(to);
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: only Unix sockets go without TLS",
				      target->address);
	}
	to->tls = to->host ? tls_context_hold(target->tls) : NULL;
	to->expect = target->expect;
	to->at_once = target->at_once;
	to->gives_way = target->gives_way;
	to->timeout_ms = target->connect_timeout_ms ?
				 target->connect_timeout_ms :
				 CONNECT_MS;
	client->authority = to->host ? xasprintf("%s:%u", to->host, to->port) :
				       xstrdup("localhost");
	if (!target->address)
		client->fd = target->fd;
	client->once = !target->address;
	client->stay = client->once || target->stay;
	client->dials = target->dials;
	client->max_stream_id = target->max_stream_id;
	client->max_buffered = target->max_buffered ? target->max_buffered :
						      WIRE_MAX_BUFFERED;
	client->state = CLIENT_OPEN;
	return 0;
}

int rpc_client_open(struct rpc_client *client,
		    const struct rpc_target *target, struct bigm_error *err)
{
	int rc;

	pthread_mutex_lock(&client->lock);
	rc = client->state == CLIENT_PARKED ?
		     set_target(client, target, err) :
		     bigm_error_set(err, BIGM_EINVALID, "%s: is open already",
				    client->name);
	pthread_mutex_unlock(&client->lock);
	if (rc == 0)
		client_post(client, CLIENT_CHANGED);
	return rc;
}

void rpc_client_fail(struct rpc_client *client, const struct bigm_error *why)
{
	pthread_mutex_lock(&client->lock);
	if (client->state != CLIENT_FAILED) {
		client->state = CLIENT_FAILED;
		error_copy(&client->why, why);
	}
	pthread_mutex_unlock(&client->lock);
	client_post(client, CLIENT_CHANGED);
}

void rpc_client_reconnect(struct rpc_client *client)
{
	client_post(client, CLIENT_RECONNECT);
}

void rpc_client_on_lost(struct rpc_client *client,
			void (*fn)(struct rpc_client *client,
				   const struct bigm_error *why, void *data),
			void *data)
{
	pthread_mutex_lock(&client->lock);
	client->on_lost = fn;
	client->lost_data = data;
	pthread_mutex_unlock(&client->lock);
}

void rpc_client_set_grace(struct rpc_client *client, uint64_t grace_ms)
{
	pthread_mutex_lock(&client->lock);
	client->grace_ms = grace_ms;
	pthread_mutex_unlock(&client->lock);
}

void rpc_client_free(struct rpc_client *client)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (!client)
		return;
	rpc_client_on_lost(client, NULL, NULL);
	bigm_error_set(&why, BIGM_ECANCELED, "the client was closed");
	rpc_client_fail(client, &why);
	client_release(client);
}

static enum client_state get_state(struct rpc_client *client,
				   struct bigm_error *why)
{
	enum client_state state;

	pthread_mutex_lock(&client->lock);
	state = client->state;
	if (state == CLIENT_FAILED && why)
		error_copy(why, &client->why);
	pthread_mutex_unlock(&client->lock);
	return state;
}

/* ---- links: the connections of a client ---- */

static void link_wake(void *owner)
{
	struct link *link = owner;

	connection_wake(link->connection);
}

static int link_write(void *owner, const void *data, size_t len,
		      struct bigm_error *err)
{
	struct link *link = owner;

	return connection_write(link->connection, data, len, err);
}

static void give_up(struct link *link)
{
	link->given_up = true;
	if (link->client->current == link)
		link->client->current = NULL;
	if (!http2_stream_count(connection_http2(link->connection)))
		connection_finish(link->connection);
}

static void link_going_away(void *owner)
{
	give_up(owner);
}

static void link_close(void *owner, struct http2_stream *stream, uint32_t code)
{
	struct link *link = owner;

	call_on_close(owner, stream, code);
	if (link->given_up && !link->why.code)
		give_up(link);
}

static void on_idle(struct loop_timer *timer)
{
	struct link *link = loop_container(timer, struct link, idle);

	if (!link->calls &&
	    !http2_stream_count(connection_http2(link->connection))) {
		link->left = true;
		give_up(link);
		return;
	}
	link->calls = 0;
	loop_timer_start(link->client->loop, &link->idle, IDLE_MS, on_idle);
}

static void link_ready(void *owner)
{
	struct link *link = owner;

	link->was_ready = true;
	link->client->unanswered = 0;
	if (!link->client->stay)
		loop_timer_start(link->client->loop, &link->idle, IDLE_MS,
				 on_idle);
	pump(link->client);
}

/* There is another one at work, such as one whose server has said goodbye and
 * still answers: its end is yet to be told. */
static bool is_outlived(const struct link *link)
{
	const struct link *other;

	LIST_FOREACH(other, &link->client->links, link)
		if (other != link && other->was_ready && !other->left &&
		    !other->why.code)
			return true;
	return false;
}

/* The owner of the client may know better why, and fail it from on_lost. */
static void tell_lost(struct link *link)
{
	struct rpc_client *client = link->client;
	void (*fn)(struct rpc_client *client, const struct bigm_error *why,
		   void *data);
	void *data;

	pthread_mutex_lock(&client->lock);
	fn = client->on_lost;
	data = client->lost_data;
	pthread_mutex_unlock(&client->lock);
	if (fn && !link->left && (link->was_ready || !is_outlived(link)))
		fn(client, &link->why, data);
	get_state(client, &link->why);
}

/* ---- calls that were lost ---- */

static void end_mourning(struct rpc_client *client,
			 const struct bigm_error *why)
{
	struct call_list calls;
	struct bigm_call *call;

	loop_timer_stop(client->loop, &client->grace);
	TAILQ_INIT(&calls);
	TAILQ_CONCAT(&calls, &client->mourning, link);
	while ((call = TAILQ_FIRST(&calls))) {
		TAILQ_REMOVE(&calls, call, link);
		call_fail(call, why);
		call_release(call);
	}
}

static void on_grace(struct loop_timer *timer)
{
	struct rpc_client *client =
		loop_container(timer, struct rpc_client, grace);
	struct bigm_error why = client->mourned;

	end_mourning(client, &why);
	client_release(client);
}

bool client_mourn(struct rpc_client *client, struct bigm_call *call,
		  const struct bigm_error *why)
{
	pthread_mutex_lock(&client->lock);
	uint64_t grace_ms = client->state == CLIENT_OPEN ? client->grace_ms : 0;
	pthread_mutex_unlock(&client->lock);
	if (!grace_ms || call_is_over(call))
		return false;
	call_hold(call);
	TAILQ_INSERT_TAIL(&client->mourning, call, link);
	client->mourned = *why;
	if (!loop_timer_active(&client->grace)) {
		atomic_fetch_add(&client->refs, 1);
		loop_timer_start(client->loop, &client->grace, grace_ms,
				 on_grace);
	}
	return true;
}

static void fail_waiting(struct rpc_client *client,
			 const struct bigm_error *why)
{
	struct call_list calls;
	struct bigm_call *call;

	/* Callbacks may start calls, which wait anew. */
	TAILQ_INIT(&calls);
	TAILQ_CONCAT(&calls, &client->waiting, link);
	TAILQ_FOREACH(call, &calls, link)
		call->waiting = false;
	while ((call = TAILQ_FIRST(&calls))) {
		TAILQ_REMOVE(&calls, call, link);
		if (!client_mourn(client, call, why))
			call_fail(call, why);
	}
}

/* Of what waits nothing has been sent. */
static bool is_worth_another(struct rpc_client *client, const struct link *link)
{
	if (!connection_was_unheard(link->connection))
		return false;
	client->unanswered++;
	if (client->unanswered < client->dials)
		return true;
	client->unanswered = 0;
	return false;
}

static void link_lost(void *owner, const struct bigm_error *why)
{
	struct link *link = owner;
	struct rpc_client *client = link->client;
	bool current = client->current == link;

	link->why = *why;
	loop_timer_stop(client->loop, &link->idle);
	if (current)
		client->current = NULL;
	tell_lost(link);
	if (current && !link->was_ready && !is_worth_another(client, link))
		fail_waiting(client, &link->why);
	else if (!TAILQ_EMPTY(&client->waiting))
		/* Calls came while it was closing, or the server said goodbye
		 * before it was ready: they need another one. */
		client_post(client, CLIENT_CHANGED);
}

static void link_closed(void *owner)
{
	struct link *link = owner;

	LIST_REMOVE(link, link);
	client_release(link->client);
	free(link);
}

static const struct http2_ops http2_ops = {
	.head = call_on_head,
	.data = call_on_data,
	.end = call_on_end,
	.drained = call_on_drained,
	.close = link_close,
	.going_away = link_going_away,
	.wake = link_wake,
	.write = link_write,
};

static const struct connection_ops connection_ops = {
	.http2 = &http2_ops,
	.ready = link_ready,
	.lost = link_lost,
	.closed = link_closed,
};

static struct link *new_link(struct rpc_client *client)
{
	struct link *link = xcalloc(1, sizeof(*link));

	link->client = client;
	atomic_fetch_add(&client->refs, 1);
	link->why = (struct bigm_error)BIGM_ERROR_INIT;
	LIST_INSERT_HEAD(&client->links, link, link);
	client->current = link;
	link->connection =
		connection_new(client->loop, false, &connection_ops, link);
	if (client->max_stream_id)
		http2_set_last_id(connection_http2(link->connection),
				  client->max_stream_id);
	return link;
}

/* ---- the client at work ---- */

static void adopt_socket(struct rpc_client *client)
{
	int fd = client->fd;

	client->fd = -1;
	connection_adopt(new_link(client)->connection, fd,
			 &client->target.expect);
}

/* A link to send calls over: the one at hand, or a new one. */
static struct link *get_link(struct rpc_client *client)
{
	struct link *link = client->current;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (link && link->was_ready &&
	    !http2_has_room(connection_http2(link->connection))) {
		link->left = true;
		give_up(link);
		link = NULL;
	}
	if (link)
		return link;
	if (client->once) {
		error_set_retriable(&why, BIGM_EUNAVAILABLE,
				    "the connection was lost");
		fail_waiting(client, &why);
		return NULL;
	}
	link = new_link(client);
	connection_dial(link->connection, &client->target);
	return link;
}

static void send_waiting(struct rpc_client *client)
{
	struct bigm_call *call;
	struct link *link;

	while ((call = TAILQ_FIRST(&client->waiting))) {
		link = get_link(client);
		if (!link || !connection_is_ready(link->connection))
			return;
		TAILQ_REMOVE(&client->waiting, call, link);
		call->waiting = false;
		link->calls++;
		call_travel(call, connection_http2(link->connection),
			    client->authority);
	}
}

static void close_links(struct rpc_client *client,
			const struct bigm_error *why)
{
	struct link *link;

	LIST_FOREACH(link, &client->links, link) {
		link->given_up = true;
		link->left = true;
		connection_close(link->connection, why);
	}
	client->current = NULL;
}

static void pump(struct rpc_client *client)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	enum client_state state = get_state(client, &why);

	if (state == CLIENT_FAILED) {
		if (loop_timer_active(&client->grace)) {
			end_mourning(client, &why);
			client_release(client);
		}
		fail_waiting(client, &why);
		close_links(client, &why);
	} else if (state == CLIENT_OPEN) {
		if (client->fd >= 0)
			adopt_socket(client);
		send_waiting(client);
	}
}

static void reconnect(struct rpc_client *client)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	error_set_retriable(&why, BIGM_EUNAVAILABLE,
			    "the connection was given up for a new one");
	close_links(client, &why);
}

static void start_call(struct rpc_client *client, struct bigm_call *call)
{
	call->waiting = true;
	TAILQ_INSERT_TAIL(&client->waiting, call, link);
	call_begin(call);
}

static void run_call_work(struct rpc_client *client)
{
	struct bigm_call *newest = atomic_exchange(&client->call_work, NULL);
	struct bigm_call *oldest = NULL, *call;
	unsigned work;

	while ((call = newest)) {
		newest = call->next_work;
		call->next_work = oldest;
		oldest = call;
	}
	while ((call = oldest)) {
		oldest = call->next_work;
		work = atomic_exchange(&call->work, 0);
		if (work & CALL_START)
			start_call(client, call);
		call_do(call, work);
		call_release(call);
	}
}

static void on_task(struct loop_task *task)
{
	struct rpc_client *client =
		loop_container(task, struct rpc_client, task);
	unsigned work = atomic_exchange(&client->work, 0);

	if (work & CLIENT_RECONNECT)
		reconnect(client);
	if (work & CLIENT_CALLS)
		run_call_work(client);
	pump(client);
	client_release(client);
}
