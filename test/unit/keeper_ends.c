/*
 * keeper_ends: the ends of a keeper_world, and who else looks at it.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper/record.h"
#include "keeper_world.h"
#include "keeper_world_private.h"

/* ------------------------------------------------------------------ */
/* Ends                                                                */

void world_let_go(struct world *w)
{
	bigm_call_free(w->watch);
	w->watch = NULL;
	rpc_client_free(w->client);
	w->client = NULL;
}

static struct rpc_client *attach(struct world *w)
{
	AUTO_FREE char *address = xasprintf("unix:%s", w->socket);
	const struct rpc_target target = { .address = address, .fd = -1 };
	struct rpc_client *client = rpc_client_new(w->loop, "keeper");
	struct bigm_error err = BIGM_ERROR_INIT;

	if (rpc_client_open(client, &target, &err) < 0)
		fail_msg("%s", err.text);
	return client;
}

void world_attach(struct world *w)
{
	w->client = attach(w);
}

static ssize_t read_status(int fd, char *text, size_t size)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&poller, 1, TIMEOUT_MS), 1);
	n = read(fd, text, size - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	return n;
}

static void expect_message(int fd, const char *text)
{
	char said[4096];
	AUTO_JSON cJSON *json = NULL;
	AUTO_FREE char *message = NULL;

	read_status(fd, said, sizeof(said));
	json = json_parse(said, strlen(said), NULL);
	if (!json)
		fail_msg("the status pipe says: \"%s\"", said);
	message = world_member(json, "message");
	if (!strstr(message, text))
		fail_msg("\"%s\" lacks \"%s\"", message, text);
}

void world_expect_status(struct world *w, const char *text)
{
	expect_message(w->status_fd, text);
}

static void pause_ms(void)
{
	const struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
}

static void wait_children(void)
{
	uint64_t end = loop_now_ns() + TIMEOUT_MS * 1000000ull;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (loop_now_ns() > end)
			fail_msg("processes are left");
		if (pid == 0)
			pause_ms();
	}
}

void world_wait_gone(pid_t pid)
{
	uint64_t end = loop_now_ns() + TIMEOUT_MS * 1000000ull;

	while (kill(pid, 0) == 0) {
		if (loop_now_ns() > end)
			fail_msg("process %d is still there", pid);
		pause_ms();
	}
}

void world_wait_processes(struct world *w)
{
	wait_children();
}

static void count_clusters(void *data)
{
	char **names = record_list(NULL);
	int *count = data;

	for (*count = 0; names && names[*count];)
		++*count;
	strings_free(names);
}

int world_count_clusters(struct world *w)
{
	int count;

	loop_call(w->loop, count_clusters, &count);
	return count;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int64_t world_wait_end(struct world *w)
{
	uint64_t begin = loop_now_ns();

	wait_children();
	if (exists(w->record))
		fail_msg("%s is left", w->record);
	if (exists(w->socket))
		fail_msg("%s is left", w->socket);
	return (int64_t)((loop_now_ns() - begin) / 1000000);
}

void world_wait_clusters(int n)
{
	uint64_t end = loop_now_ns() + TIMEOUT_MS * 1000000ull;
	int count = -1;

	for (;;) {
		count_clusters(&count);
		if (count == n)
			return;
		if (loop_now_ns() > end)
			fail_msg("%d clusters", count);
		pause_ms();
	}
}

void world_spawn_client(pid_t *client, pid_t *child)
{
	int hold, status, gate[2];

	assert_int_equal(pipe(gate), 0);
	*client = fork();
	if (*client == 0) {
		world_spawn(NULL, &hold, &status);
		*child = fork();
		if (*child != 0 &&
		    write(gate[1], child, sizeof(*child)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(gate[0], child, sizeof(*child)),
			 sizeof(*child));
	close(gate[0]);
	close(gate[1]);
	world_wait_clusters(1);
}

void world_expect_refusal(const char *const *args, const char *text)
{
	char rest[16];
	int hold, status;

	world_spawn(args, &hold, &status);
	expect_message(status, text);
	/* All who have the pipe are gone then. */
	assert_int_equal(read_status(status, rest, sizeof(rest)), 0);
	close(hold);
	close(status);
}

/* ------------------------------------------------------------------ */
/* Visitors                                                            */

struct world_visitor {
	struct rpc_client *client;
};

struct world_visitor *world_visit(struct world *w)
{
	struct world_visitor *v = xcalloc(1, sizeof(*v));

	v->client = attach(w);
	return v;
}

cJSON *world_visitor_ask(struct world_visitor *v, const char *method)
{
	AUTO_FREE char *name = xasprintf("Keeper.%s", method);
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *reply = NULL;

	if (world_ask_client(v->client, name, NULL, &reply, &err) < 0)
		fail_msg("%s", err.text);
	return reply;
}

void world_visitor_free(struct world_visitor *v)
{
	rpc_client_free(v->client);
	free(v);
}
