/*
 * fleet: a cluster of thousands of machines that are all in one process.
 *
 *	fleet N PERIOD-MS
 *
 * starts a cluster of N machines with that period of Keepalive, says "ready
 * NAME KEEPER-PID SECONDS" on stdout when all are RUNNING, and ends it when
 * its stdin ends.
 * bigm's commands work on that cluster as on any other.
 *
 * The keeper is the real one, in this very program, with a system of ours in
 * place of those of system.c: each machine is an address of 127.0.0.0/8, a
 * server with its own certificate in the process of the fleet.  That has no
 * Supervisor, only what a keeper, `bigm call all` and `bigm map` ask of one,
 * whose jobs do nothing; it prints a line whenever it is told to
 * ("Fleet.Print"), as a machine does.
 *
 * Over a pair of sockets the system sends one packet a machine, its identity
 * and its listening socket, and gets back what machines print and that they
 * have ended.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "keeper/keeper.h"
#include "loop/process.h"
#include "machine/cluster.h"
#include "machine/machine.h"
#include "machine/system.h"
#include "rpc/server.h"
#include "test/bench/fleet_map.h"
#include "test/bench/fleet_packet.h"

#define FLEET_ROLE "--fleet"
#define FLEET_FD 3
#define STEP 1000 /* machines that start together */

/* ------------------------------------------------------------------ */
/* The fleet                                                           */

struct fleet;

struct machine {
	struct fleet *fleet;
	size_t index;
	char *marker;
	struct identity *identity;
	struct tls_context *tls;
	struct rpc_server *server;
};

struct fleet {
	struct loop *loop;
	int socket;
	uv_poll_t poll;
	struct machine **machines;
	size_t n;
};

static void tell(const struct machine *m, const char *text, bool over)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	json_add_uint64(json, "index", m->index);
	packet_add(json, "text", text);
	cJSON_AddBoolToObject(json, "over", over);
	packet_send(m->fleet->socket, json, -1);
}

static int keepalive(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err)
{
	*reply = bigm_json("{\"interval_ms\":300000,\"next_ms\":300000,"
			   "\"healthy\":true,\"incarnation\":1}");
	return 0;
}

static int ping(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int services(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	struct machine *m = bigm_request_state(req);

	*reply = rpc_server_describe(m->server);
	return 0;
}

/* The same for all, but for the calls: in a fleet all would read one host's
 * figures. */
static int expvars(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	struct machine *m = bigm_request_state(req);

	*reply = bigm_json(
		"{\"cmdline\":[\"fleet\"],\"uptime_s\":12.5,\"out\":{},"
		"\"vars\":{\"hits\":{\"kind\":\"counter\",\"help\":\"Hits.\","
		"\"value\":3}},\"memory\":{\"system\":{\"total\":8335540224,"
		"\"used\":1503752192,\"available\":6831788032},\"process\":"
		"{\"resident\":9437184,\"virtual\":131072000}},\"disk\":"
		"{\"path\":\"/tmp\",\"total\":52573224960,\"used\":9573224960,"
		"\"available\":43000000000},\"load\":{\"averages\":"
		"[0.52,0.58,0.59]},\"http\":\"http://127.0.0.1:34721/\"}");
	cJSON_AddItemToObject(*reply, "calls", rpc_server_stats(m->server));
	return 0;
}

static int do_register(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	return 0;
}

static int shut_down(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err)
{
	struct machine *m = bigm_request_state(req);

	tell(m, m->marker, true);
	return 0;
}

static int print(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	const char *text = NULL;

	if (bigm_json_get_string(arg, NULL, &text, err) < 0)
		return err->code;
	tell(bigm_request_state(req), text, false);
	return 0;
}

static const struct bigm_method supervisor[] = {
	{ "Expvars", expvars, BIGM_INLINE },
	{ "Keepalive", keepalive, BIGM_INLINE },
	{ "Map", fleet_map,
	  BIGM_INLINE | BIGM_STREAM_ARG | BIGM_STREAM_REPLY },
	{ "Ping", ping, BIGM_INLINE },
	{ "Register", do_register, BIGM_INLINE },
	{ "Services", services, BIGM_INLINE },
	{ "Shutdown", shut_down, BIGM_INLINE },
	{ 0 },
};
static const struct bigm_method prints[] = { { "Print", print, BIGM_INLINE },
					     { 0 } };

static void serve(struct fleet *f, const cJSON *order, int fd)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct machine *m = xcalloc(1, sizeof(*m));

	m->fleet = f;
	m->index = packet_index(order);
	m->marker = xasprintf("%s\n", packet_text(order, "marker"));
	m->identity = identity_from_pem(packet_text(order, "key"),
					packet_text(order, "certificate"),
					packet_text(order, "authority"), &err);
	m->tls = m->identity ? tls_context_new(m->identity, &err) : NULL;
	const struct rpc_server_options options = { .tls = m->tls };
	const struct rpc_service services[] = {
		{ .name = xstrdup("Supervisor"), .methods = supervisor,
		  .state = m },
		{ .name = xstrdup("Fleet"), .methods = prints, .state = m },
	};

	m->server = m->tls ? rpc_server_new(f->loop, &options) : NULL;
	if (!m->server || rpc_server_add(m->server, &services[0], &err) < 0 ||
	    rpc_server_add(m->server, &services[1], &err) < 0 ||
	    rpc_server_listen(m->server, fd, &err) < 0) {
		fprintf(stderr, "fleet: %s\n", err.text);
		_exit(1);
	}
	f->machines = xrealloc(f->machines, (f->n + 1) * sizeof(m));
	f->machines[f->n++] = m;
}

static void on_order(uv_poll_t *poll, int status, int events)
{
	struct fleet *f = poll->data;
	bool over = false;
	int fd;

	while (!over) {
		AUTO_JSON cJSON *order = packet_receive(f->socket, &fd, &over);

		if (!order)
			break;
		serve(f, order, fd);
	}
	if (over) /* the keeper has gone */
		_exit(0);
}

static int fleet_main(void)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
	struct fleet f = { .loop = loop_new(&err), .socket = FLEET_FD };

	prctl(PR_SET_NAME, "fleet-machines");
	if (getrlimit(RLIMIT_NOFILE, &most) == 0)
		files_allow(most.rlim_max);
	if (!f.loop || uv_poll_init(loop_uv(f.loop), &f.poll, f.socket) < 0)
		return 1;
	f.poll.data = &f;
	uv_poll_start(&f.poll, UV_READABLE, on_order);
	loop_run(f.loop);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The system                                                          */

struct system {
	struct system_keeper keeper;
	int socket;
	pid_t pid;
	uv_poll_t poll;
	struct system_launch **launches;
	size_t n;
};

struct system_launch {
	struct system *system;
	struct system_events events;
	void *data;
	size_t index;
	char *address;
	struct loop_task announce;
	bool gone, released;
};

/* All machines' words come here; they end by their own shutdown, or together
 * with the fleet. */
static void over(struct system_launch *l, const char *why)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	if (l->gone)
		return;
	l->gone = true;
	if (why)
		bigm_error_set(&err, BIGM_EUNAVAILABLE, "%s", why);
	l->events.output(l->data, NULL, 0);
	l->events.gone(l->data, &err);
}

static void on_word(uv_poll_t *poll, int status, int events)
{
	struct system *s = poll->data;
	bool ended = false, last = false;
	int fd;

	for (int i = 0; i < 256 && !ended; i++) {
		AUTO_JSON cJSON *word = packet_receive(s->socket, &fd, &ended);
		const char *text = word ? packet_text(word, "text") : NULL;

		if (!word || packet_index(word) >= s->n)
			break;
		struct system_launch *l = s->launches[packet_index(word)];

		if (l && !l->gone)
			l->events.output(l->data, text, strlen(text));
		json_opt_bool(word, "over", &last, NULL);
		if (l && last)
			over(l, NULL);
	}
	if (!ended)
		return;
	uv_poll_stop(poll);
	for (size_t i = 0; i < s->n; i++)
		if (s->launches[i])
			over(s->launches[i], "the fleet has ended");
}

static int start_fleet(struct system *s, struct bigm_error *err)
{
	char *argv[] = { (char *)"fleet", (char *)FLEET_ROLE, NULL };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "the fleet's socket");
	const struct process_fd fds[] = { { pair[1], FLEET_FD } };
	const struct process_options options = {
		.program = "/proc/self/exe",
		.argv = argv,
		.fds = fds,
		.nfds = 1,
		.inherit_stdio = true,
		.session = true,
		.death_signal = SIGKILL,
	};
	s->pid = process_spawn(&options, err);
	close(pair[1]);
	s->socket = pair[0];
	return s->pid < 0 ? (int)s->pid : 0;
}

static struct system *fleet_new(const struct system_keeper *keeper,
				const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	if (start_fleet(s, err) < 0 ||
	    uv_poll_init(loop_uv(keeper->loop), &s->poll, s->socket) < 0) {
		free(s);
		return NULL;
	}
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_word);
	return s;
}

/* 127.1.0.0 and on: an address each. */
static int listen_at(size_t index, char **host, char **address,
		     struct bigm_error *err)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl((127u << 24) + (1u << 16) +
					 (uint32_t)index),
	};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return error_set_errno(err, errno, "listening socket");
	*host = xstrdup(inet_ntoa(sin.sin_addr));
	*address = xasprintf("https://%s:%u/", *host, ntohs(sin.sin_port));
	return fd;
}

static int make_machine(struct system_launch *l,
			const struct system_order *order,
			struct bigm_error *err)
{
	const struct system_keeper *k = &l->system->keeper;
	AUTO_FREE char *host = NULL, *certificate = NULL, *authority = NULL;
	AUTO_CLOSE int fd = listen_at(l->index, &host, &l->address, err);
	AUTO_JSON cJSON *packet = cJSON_CreateObject();
	struct identity *id = fd < 0 ? NULL : identity_new(err);
	AUTO_FREE char *request = id ? identity_request(id, err) : NULL;
	AUTO_FREE char *key = id ? identity_key_pem(id, err) : NULL;

	identity_free(id);
	if (!request || !key ||
	    k->sign(k->keeper, request, order->name, host, &certificate,
		    &authority, err) < 0)
		return BIGM_EFAILED;
	json_add_uint64(packet, "index", l->index);
	packet_add(packet, "marker", order->marker);
	packet_add(packet, "key", key);
	packet_add(packet, "certificate", certificate);
	packet_add(packet, "authority", authority);
	packet_send(l->system->socket, packet, fd);
	return 0;
}

static void maybe_free(struct system_launch *l)
{
	if (!l->released || l->announce.queued)
		return;
	free(l->address);
	free(l);
}

static void announce(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, announce);

	if (l->released)
		maybe_free(l);
	else if (!l->gone)
		l->events.address(l->data, l->address, 1, 0);
}

static struct system_launch *fleet_start(struct system *s,
					 const struct system_order *order,
					 const struct system_events *events,
					 void *data, struct bigm_error *err)
{
	struct system_launch *l = xcalloc(1, sizeof(*l));

	*l = (struct system_launch){ .system = s, .events = *events,
				     .data = data, .index = s->n,
				     .announce = { .fn = announce } };
	if (make_machine(l, order, err) < 0) {
		free(l->address);
		free(l);
		return NULL;
	}
	s->launches = xrealloc(s->launches, (s->n + 1) * sizeof(l));
	s->launches[s->n++] = l;
	loop_defer(s->keeper.loop, &l->announce);
	return l;
}

static void fleet_kill(struct system_launch *l)
{
	over(l, "killed");
}

static void fleet_release(struct system_launch *l)
{
	l->system->launches[l->index] = NULL;
	l->released = true;
	maybe_free(l);
}

static bool fleet_ships(const struct system *s)
{
	return false;
}

static void fleet_closed(uv_handle_t *handle)
{
	struct system *s = handle->data;

	free(s->launches);
	free(s);
}

static void fleet_free(struct system *s)
{
	close(s->socket);
	uv_close((uv_handle_t *)&s->poll, fleet_closed);
}

/* In place of the table of system.c, which is not linked then. */
const struct system_ops *system_find(const char *name, struct bigm_error *err)
{
	static const struct system_ops fleet = {
		.name = "fleet",
		.new = fleet_new,
		.start = fleet_start,
		.kill = fleet_kill,
		.release = fleet_release,
		.ships = fleet_ships,
		.free = fleet_free,
		.keepalive = { .period_ms = 60000, .timeout_ms = 120000,
			       .call_ms = 10000,
			       .lease_ms = KEEPALIVE_LEASE_MS,
			       .first_ms = KEEPALIVE_FIRST_MS },
		.default_procs = 1,
		.host_memory = 100 << 10,
	};

	return &fleet;
}

/* ------------------------------------------------------------------ */
/* The client                                                          */

static int start_some(struct cluster *c, int n, struct bigm_error *err)
{
	struct bigm_machine **machines = NULL;
	const struct cluster_order order = { .n = n };
	int rc = cluster_start(c, &order, &machines, err);

	for (int i = 0; i < n && rc >= 0; i++)
		rc = bigm_machine_wait(machines[i], BIGM_RUNNING, -1, err);
	free(machines);
	return rc < 0 ? rc : 0;
}

/* In steps: a keeper takes orders of some thousands at most. */
static int start_all(struct cluster *c, int n, struct bigm_error *err)
{
	int rc = 0;

	for (; n > 0 && rc == 0; n -= STEP)
		rc = start_some(c, n < STEP ? n : STEP, err);
	return rc;
}

static int client_main(int n, uint64_t period_ms)
{
	const struct cluster_options options = {
		.program = "/proc/self/exe",
		.keepalive = { .period_ms = period_ms },
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct loop *loop = loop_new(&err);
	struct cluster *c = NULL;
	uint64_t begin = loop_now_ns();
	char byte;

	if (loop && loop_start_thread(loop, "fleet", &err) == 0)
		c = cluster_spawn(loop, &options, &err);
	if (c && start_all(c, n, &err) == 0) {
		printf("ready %s %lld %.3f\n", cluster_info(c)->name,
		       (long long)cluster_info(c)->pid,
		       (double)(loop_now_ns() - begin) / 1e9);
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		cluster_shutdown(c, false, &err);
	}
	if (err.code)
		fprintf(stderr, "fleet: %s\n", err.text);
	cluster_free(c);
	if (loop)
		loop_free(loop);
	return err.code != 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], KEEPER_ROLE))
		return keeper_main(argc - 2, argv + 2);
	if (argc > 1 && !strcmp(argv[1], FLEET_ROLE))
		return fleet_main();
	if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: fleet N PERIOD-MS\n");
		return 2;
	}
	return client_main(atoi(argv[1]), (uint64_t)atoi(argv[2]));
}
