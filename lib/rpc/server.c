#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "rpc/request.h"

#define MAX_WORKERS 512
#define ABORT_MS 3600000 /* for methods to return */
#define MAX_UNKNOWN 256
#define PATIENCE_MS 1000 /* with a peer that others wait for */

/* ---- services ---- */

static struct service *find_service(struct rpc_server *server,
				    const char *name, size_t len)
{
	struct service *s;

	LIST_FOREACH(s, &server->services, link)
		if (strncmp(s->is.name, name, len) == 0 && !s->is.name[len])
			return s;
	return NULL;
}

/* The last one has a NULL name. */
static const struct bigm_method *find_method(const struct service *s,
					     const char *name)
{
	const struct bigm_method *m = s->is.methods;

	while (m->name && strcmp(m->name, name) != 0)
		m++;
	return m;
}

static enum wire_status no_service(struct rpc_server *server, const char *name,
				   size_t len, struct bigm_error *err)
{
	AUTO_JSON cJSON *list = rpc_server_services(server);
	AUTO_FREE char *text = json_print(list);

	bigm_error_set(err, BIGM_ENOTFOUND, "no service \"%.*s\" here: has %s",
		       (int)len, name, text);
	return WIRE_NO_METHOD;
}

static enum wire_status no_method(struct rpc_server *server,
				  const struct service *s, const char *name,
				  struct bigm_error *err)
{
	AUTO_JSON cJSON *list = rpc_server_methods(server, s->is.name);
	AUTO_FREE char *text = json_print(list);

	bigm_error_set(err, BIGM_ENOTFOUND,
		       "service %s has no method \"%s\": has %s", s->is.name,
		       name, text);
	return WIRE_NO_METHOD;
}

enum wire_status server_find(struct bigm_request *req, const char *name,
			     struct bigm_error *err)
{
	const struct peer *peer = &req->caller->peer;
	const char *dot = strrchr(name, '.');
	const struct bigm_method *m;
	struct service *s;

	/* Services are never taken away. */
	pthread_mutex_lock(&req->server->lock);
	s = find_service(req->server, name, (size_t)(dot - name));
	pthread_mutex_unlock(&req->server->lock);
	if (!s)
		return no_service(req->server, name, (size_t)(dot - name), err);
	m = find_method(s, dot + 1);
	if (!m->name)
		return no_method(req->server, s, dot + 1, err);
	if (!req->server->options.no_stats) {
		req->stats = &s->stats[m - s->is.methods];
		req->begun_ns = loop_now_ns();
		rpc_stats_add(&req->stats->calls, 1);
	}
	if (s->is.roles && !(s->is.roles[m - s->is.methods] & peer->role)) {
		bigm_error_set(err, BIGM_EPERMISSION,
			       "the role %s may not call %s",
			       role_name(peer->role), name);
		return WIRE_FORBIDDEN;
	}
	req->method = m;
	req->state = s->is.state;
	return WIRE_OK;
}

static size_t count_methods(const struct rpc_service *service)
{
	size_t n = 0;

	while (service->methods[n].name)
		n++;
	return n;
}

int rpc_server_add(struct rpc_server *server,
		   const struct rpc_service *service, struct bigm_error *err)
{
	struct service *s;
	int rc = 0;

	pthread_mutex_lock(&server->lock);
	if (find_service(server, service->name, strlen(service->name))) {
		rc = bigm_error_set(err, BIGM_EEXIST,
				    "there is a service \"%s\" already",
				    service->name);
	} else {
		s = xcalloc(1, sizeof(*s));
		s->is = *service;
		s->stats = xcalloc(count_methods(service), sizeof(*s->stats));
		LIST_INSERT_HEAD(&server->services, s, link);
	}
	pthread_mutex_unlock(&server->lock);
	return rc;
}

struct cJSON *rpc_server_services(struct rpc_server *server)
{
	cJSON *list = cJSON_CreateArray();
	struct service *s;

	pthread_mutex_lock(&server->lock);
	LIST_FOREACH(s, &server->services, link)
		cJSON_InsertItemInArray(list, 0,
					cJSON_CreateString(s->is.name));
	pthread_mutex_unlock(&server->lock);
	return list;
}

struct cJSON *rpc_server_methods(struct rpc_server *server,
				 const char *service)
{
	const struct bigm_method *m;
	struct service *s;
	cJSON *list;

	pthread_mutex_lock(&server->lock);
	s = find_service(server, service, strlen(service));
	pthread_mutex_unlock(&server->lock);
	if (!s)
		return NULL;
	list = cJSON_CreateArray();
	for (m = s->is.methods; m->name; m++)
		cJSON_AddItemToArray(list, cJSON_CreateString(m->name));
	return list;
}

static cJSON *describe_service(const struct service *s)
{
	cJSON *json = cJSON_CreateObject(), *method, *list;

	cJSON_AddStringToObject(json, "name", s->is.name);
	list = cJSON_AddArrayToObject(json, "methods");
	for (const struct bigm_method *m = s->is.methods; m->name; m++) {
		method = cJSON_CreateObject();
		cJSON_AddStringToObject(method, "name", m->name);
		cJSON_AddBoolToObject(method, "stream_arg",
				      (m->flags & BIGM_STREAM_ARG) != 0);
		cJSON_AddBoolToObject(method, "stream_reply",
				      (m->flags & BIGM_STREAM_REPLY) != 0);
		cJSON_AddItemToArray(list, method);
	}
	return json;
}

struct cJSON *rpc_server_describe(struct rpc_server *server)
{
	cJSON *list = cJSON_CreateArray();
	struct service *s;

	pthread_mutex_lock(&server->lock);
	LIST_FOREACH(s, &server->services, link)
		cJSON_InsertItemInArray(list, 0, describe_service(s));
	pthread_mutex_unlock(&server->lock);
	return list;
}

static void add_stats(cJSON *json, const struct service *s)
{
	for (size_t i = 0; s->is.methods[i].name; i++) {
		AUTO_FREE char *name = NULL;

		if (s->stats[i].calls == 0)
			continue;
		name = xasprintf("%s.%s", s->is.name, s->is.methods[i].name);
		if (!cJSON_AddItemToObject(json, name,
					   rpc_stats_json(&s->stats[i])))
			alloc_failed();
	}
}

struct cJSON *rpc_server_stats(struct rpc_server *server)
{
	cJSON *json = cJSON_CreateObject();
	struct service *s;

	pthread_mutex_lock(&server->lock);
	LIST_FOREACH(s, &server->services, link)
		add_stats(json, s);
	pthread_mutex_unlock(&server->lock);
	return json;
}

/* ---- connections ---- */

/* Who a peer without TLS is: the kernel has told its user. */
static const struct peer local_peer = { .role = ROLE_DRIVER,
					.name = "driver" };

static struct caller *new_caller(struct rpc_server *server)
{
	struct caller *caller = caller_new(server, NULL);

	caller->connection = connection_new(server->loop, true,
					    &caller_connection_ops, caller);
	caller->http2 = connection_http2(caller->connection);
	return caller;
}

static void let_in(struct rpc_server *server, struct listener *listener)
{
	struct caller *caller = new_caller(server);

	gate_enter(&server->gate, &caller->guest);
	connection_accept(caller->connection, listener, server->options.tls,
			  &local_peer);
}

static struct door *door_of(struct rpc_server *server,
			    struct listener *listener)
{
	struct door *door = server->doors;

	while (door->listener != listener)
		door++;
	return door;
}

/* A peer that is not taken waits, and with it all behind it. */
static void on_peer(struct listener *listener, void *data)
{
	struct rpc_server *server = data;

	if (gate_has_room(&server->gate))
		let_in(server, listener);
	else
		door_of(server, listener)->waits = true;
}

static void on_room(struct gate *gate)
{
	struct rpc_server *server =
		loop_container(gate, struct rpc_server, gate);

	for (unsigned i = 0; i < server->ndoors; i++) {
		struct door *door = &server->doors[i];

		if (!door->waits || !gate_has_room(gate))
			continue;
		door->waits = false;
		let_in(server, door->listener);
	}
}

static void expel(struct guest *guest)
{
	struct caller *caller = loop_container(guest, struct caller, guest);
	struct bigm_error why = BIGM_ERROR_INIT;

	error_set_retriable(&why, BIGM_EEXHAUSTED,
			    "too many peers that do not say who they are");
	connection_close(caller->connection, &why);
}

int rpc_server_listen(struct rpc_server *server, int fd,
		      struct bigm_error *err)
{
	struct listener *listener =
		listener_new(server->loop, fd, on_peer, server, err);

	if (!listener)
		return BIGM_EIO;
	server->doors = xrealloc(server->doors, (server->ndoors + 1) *
							sizeof(*server->doors));
	server->doors[server->ndoors++] =
		(struct door){ .listener = listener };
	return 0;
}

int rpc_server_adopt(struct rpc_server *server, int fd,
		     void (*on_close)(void *data), void *data,
		     struct bigm_error *err)
{
	struct caller *caller = new_caller(server);

	caller->on_close = on_close;
	caller->data = data;
	connection_adopt(caller->connection, fd, &local_peer);
	return 0;
}

/* ---- lifecycle ---- */

static void on_work(struct loop_task *task)
{
	struct rpc_server *server =
		loop_container(task, struct rpc_server, work_task);
	struct bigm_request *newest =
		atomic_exchange(&server->request_work, NULL);
	struct bigm_request *oldest = NULL, *req;

	while ((req = newest)) {
		newest = req->next_work;
		req->next_work = oldest;
		oldest = req;
	}
	while ((req = oldest)) {
		oldest = req->next_work;
		request_do(req, atomic_exchange(&req->work, 0));
	}
}

static void on_done_task(struct loop_task *task)
{
	struct rpc_server *server =
		loop_container(task, struct rpc_server, done_task);

	if (server->done)
		server->done(server->done_data);
}

struct rpc_server *rpc_server_new(struct loop *loop,
				  const struct rpc_server_options *options)
{
	struct rpc_server *server = xcalloc(1, sizeof(*server));

	server->loop = loop;
	server->options = *options;
	server->others.since_ns = loop_now_ns();
	if (!server->options.max_workers)
		server->options.max_workers = MAX_WORKERS;
	if (!server->options.max_buffered)
		server->options.max_buffered = WIRE_MAX_BUFFERED;
	if (!server->options.max_unknown)
		server->options.max_unknown = MAX_UNKNOWN;
	gate_init(&server->gate, loop, server->options.max_unknown, PATIENCE_MS,
		  on_room, expel);
	server->workers = workers_new(loop, server->options.max_workers);
	server->work_task.fn = on_work;
	server->done_task.fn = on_done_task;
	pthread_mutex_init(&server->lock, NULL);
	LIST_INIT(&server->services);
	LIST_INIT(&server->callers);
	TAILQ_INIT(&server->requests);
	return server;
}

void server_check(struct rpc_server *server, struct caller *caller)
{
	if (!server->shutting || server->is_down)
		return;
	if (caller && caller->http2 && caller->connection &&
	    !http2_stream_count(caller->http2))
		connection_finish(caller->connection);
	if (LIST_EMPTY(&server->callers) &&
	    (TAILQ_EMPTY(&server->requests) || server->grace_over)) {
		server->is_down = true;
		loop_timer_stop(server->loop, &server->grace);
		loop_defer(server->loop, &server->done_task);
	}
}

static void on_grace(struct loop_timer *timer)
{
	struct rpc_server *server =
		loop_container(timer, struct rpc_server, grace);
	struct bigm_error why = BIGM_ERROR_INIT;
	struct caller *caller;

	server->grace_over = true;
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the machine is shut down");
	LIST_FOREACH(caller, &server->callers, link)
		connection_close(caller->connection, &why);
	server_check(server, NULL);
}

static void stop_listening(struct rpc_server *server)
{
	for (unsigned i = 0; i < server->ndoors; i++)
		listener_free(server->doors[i].listener);
	free(server->doors);
	server->doors = NULL;
	server->ndoors = 0;
	gate_release(&server->gate);
}

void rpc_server_shutdown(struct rpc_server *server, uint64_t grace_ms,
			 void (*done)(void *data), void *data)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct bigm_request *req;
	struct caller *caller, *next;

	server->shutting = true;
	server->done = done;
	server->done_data = data;
	stop_listening(server);
	bigm_error_set(&why, BIGM_ECANCELED, "the machine is shutting down");
	TAILQ_FOREACH(req, &server->requests, link)
		if (req->running)
			request_cancel(req, &why);
	loop_timer_start(server->loop, &server->grace, grace_ms, on_grace);
	for (caller = LIST_FIRST(&server->callers); caller; caller = next) {
		next = LIST_NEXT(caller, link);
		server_check(server, caller);
	}
	server_check(server, NULL);
}

void rpc_server_abort(struct rpc_server *server)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct caller *caller;

	if (!server->shutting)
		rpc_server_shutdown(server, ABORT_MS, NULL, NULL);
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the machine has died");
	LIST_FOREACH(caller, &server->callers, link)
		connection_close(caller->connection, &why);
}

bool rpc_server_is_down(const struct rpc_server *server)
{
	return server->is_down && !server->done_task.queued &&
	       LIST_EMPTY(&server->callers) && TAILQ_EMPTY(&server->requests);
}

bool rpc_server_busy(struct rpc_server *server)
{
	return atomic_load(&server->at_work) > 0;
}

const struct rpc_activity *rpc_server_activity(const struct rpc_server *server)
{
	return &server->others;
}

void rpc_server_on_idle(struct rpc_server *server, void (*fn)(void *data),
			void *data)
{
	server->on_idle = fn;
	server->idle_data = data;
}

static void release_services(struct rpc_server *server)
{
	struct service *s;

	while ((s = LIST_FIRST(&server->services))) {
		LIST_REMOVE(s, link);
		if (s->is.release)
			s->is.release(s->is.state);
		free(s->is.name);
		free(s->stats);
		free(s);
	}
}

void rpc_server_free(struct rpc_server *server)
{
	if (!server)
		return;
	if (!TAILQ_EMPTY(&server->requests)) {
		log_warn("a method did not return within the grace of a "
			 "shutdown: its server stays in memory");
		return;
	}
	stop_listening(server);
	workers_free(server->workers);
	release_services(server);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
