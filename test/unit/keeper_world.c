#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/folder.h"
#include "keeper/keeper.h"
#include "keeper/place.h"
#include "keeper/record.h"
#include "keeper_world.h"
#include "keeper_world_private.h"
#include "loop/process.h"

/* ------------------------------------------------------------------ */
/* Folders                                                             */

static int is_left(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int left = 0;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			left++;
	if (dir)
		closedir(dir);
	return left;
}

int world_setup(void **state)
{
	char *root = xstrdup("/tmp/bigm-test-keeper-XXXXXX");
	AUTO_FREE char *runtime = NULL;

	if (!mkdtemp(root))
		return -1;
	runtime = xasprintf("%s/run", root);
	mkdir(runtime, 0700);
	setenv("XDG_STATE_HOME", root, 1);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
	*state = root;
	return 0;
}

int world_teardown(void **state)
{
	char *root = *state;
	AUTO_FREE char *sockets = xasprintf("%s/run/bigm", root);
	AUTO_FREE char *records = place_state(false, NULL);
	int left = is_left(sockets) + is_left(records);

	folder_empty(root, NULL, NULL);
	rmdir(root);
	free(root);
	return left;
}

int world_clean(void **state)
{
	process_kill_descendants(2000);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Beginning                                                           */

int world_spawn(const char *const *args, int *hold, int *status)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const char *argv[16] = { "bigm", KEEPER_ROLE };
	int pair[2], ends[2], n = 2, wait_status;
	pid_t pid;

	while (args && *args)
		argv[n++] = *args++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const struct process_fd fds[] = {
		{ pair[1], KEEPER_HOLD_FD },
		{ ends[1], KEEPER_STATUS_FD },
	};
	const struct process_options options = {
		.program = "/proc/self/exe",
		.argv = (char *const *)argv,
		.fds = fds,
		.nfds = 2,
		.inherit_stdio = true,
	};
	pid = process_spawn(&options, &err);
	if (pid < 0)
		fail_msg("%s", err.text);
	close(pair[1]);
	close(ends[1]);
	*hold = pair[0];
	*status = ends[0];
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	return WEXITSTATUS(wait_status);
}

static pid_t parent_of(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", pid);
	AUTO_FCLOSE FILE *file = fopen(path, "r");
	int parent = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &parent), 1);
	return parent;
}

static struct bigm_call *start_call(struct rpc_client *client,
				    const char *method, const char *arg,
				    bool stream)
{
	struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = TIMEOUT_MS,
		.stream_reply = stream,
	};

	return rpc_call_start(client, method, arg, arg ? strlen(arg) : 0,
			      &options);
}

int world_ask_client(struct rpc_client *client, const char *method, const char *arg,
	       cJSON **reply, struct bigm_error *err)
{
	struct bigm_call *call = start_call(client, method, arg, false);
	int rc = bigm_call_wait(call, err);

	if (rc == 0 && reply)
		*reply = bigm_call_take_reply(call);
	bigm_call_free(call);
	return rc;
}

char *world_member(const cJSON *json, const char *name)
{
	const char *text = NULL;

	assert_int_equal(bigm_json_get_string(json, name, &text, NULL), 0);
	return xstrdup(text);
}

static void take_identity(struct world *w)
{
	AUTO_JSON cJSON *json = world_ask(w, "Identity", NULL);
	AUTO_FREE char *key = world_member(json, "key");
	AUTO_FREE char *certificate = world_member(json, "certificate");
	AUTO_FREE char *authority = world_member(json, "authority");

	w->identity = identity_from_pem(key, certificate, authority, NULL);
	assert_non_null(w->identity);
	w->tls = tls_context_new(w->identity, NULL);
	assert_non_null(w->tls);
}

struct world *world_new_with(const char *const *args)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct rpc_target target = { .fd = -1 };
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *info = NULL;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));

	w->self = xstrndup(exe, (size_t)n);
	w->loop = loop_new(&err);
	loop_start_thread(w->loop, "world", &err);
	assert_int_equal(world_spawn(args, &target.fd, &w->status_fd), 0);
	w->client = rpc_client_new(w->loop, "keeper");
	assert_int_equal(rpc_client_open(w->client, &target, &err), 0);
	buffer_init(&w->watched, 1u << 20);
	if (world_try(w, "Info", NULL, &info, &err) < 0)
		fail_msg("%s", err.text);
	w->keeper = cJSON_GetObjectItem(info, "pid")->valueint;
	w->guard = parent_of(w->keeper);
	w->record = world_member(info, "record");
	w->socket = world_member(info, "socket");
	w->id = world_member(info, "id");
	take_identity(w);
	w->watch = start_call(w->client, "Keeper.Watch", NULL, true);
	return w;
}

struct world *world_new(void)
{
	return world_new_with(NULL);
}

void world_free(struct world *w)
{
	world_wait_end(w);
	for (int i = 0; i < w->nmachines; i++)
		rpc_client_free(w->machines[i].client);
	bigm_call_free(w->watch);
	rpc_client_free(w->client);
	loop_free(w->loop);
	close(w->status_fd);
	tls_context_free(w->tls);
	identity_free(w->identity);
	buffer_release(&w->watched);
	free(w->self);
	free(w->record);
	free(w->socket);
	free(w->id);
	free(w);
}

/* ------------------------------------------------------------------ */
/* The keeper's methods                                                */

int world_try(struct world *w, const char *method, const char *arg,
	      cJSON **reply, struct bigm_error *err)
{
	AUTO_FREE char *name = xasprintf("Keeper.%s", method);

	return world_ask_client(w->client, name, arg, reply, err);
}

cJSON *world_ask(struct world *w, const char *method, const char *arg)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *reply = NULL;

	if (world_try(w, method, arg, &reply, &err) < 0)
		fail_msg("%s", err.text);
	return reply;
}

void world_start(struct world *w, const char *order)
{
	cJSON_Delete(world_ask(w, "Start", order));
}

void world_shutdown(struct world *w)
{
	cJSON_Delete(world_ask(w, "Shutdown", NULL));
}

struct bigm_call *world_tail_start(struct world *w, const char *arg)
{
	return start_call(w->client, "Keeper.Tail", arg, true);
}

char *world_tail_finish(struct bigm_call *call)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer text = BUFFER_INIT(64u << 20);
	char piece[65536];
	char *copy;
	ssize_t n;

	while ((n = bigm_call_read(call, piece, sizeof(piece), &err)) > 0)
		assert_int_equal(buffer_append(&text, piece, (size_t)n, NULL),
				 0);
	if (n < 0)
		fail_msg("%s", err.text);
	copy = xstrdup(buffer_string(&text));
	buffer_release(&text);
	bigm_call_free(call);
	return copy;
}

char *world_tail(struct world *w, const char *arg)
{
	return world_tail_finish(world_tail_start(w, arg));
}

/* ------------------------------------------------------------------ */
/* Machines                                                            */

static struct world_machine *find(struct world *w, const char *name)
{
	struct world_machine *m;

	for (int i = 0; i < w->nmachines; i++)
		if (!strcmp(w->machines[i].name, name))
			return &w->machines[i];
	assert_true(w->nmachines < 16);
	m = &w->machines[w->nmachines++];
	snprintf(m->name, sizeof(m->name), "%s", name);
	return m;
}

static void copy_member(const cJSON *json, const char *name, char *to,
			size_t size)
{
	const char *text = "";

	json_opt_string(json, name, &text, NULL);
	snprintf(to, size, "%s", text);
}

static void take_line(struct world *w, const char *line, size_t len)
{
	AUTO_JSON cJSON *json = json_parse(line, len, NULL);
	const cJSON *reason = cJSON_GetObjectItem(json, "reason");
	AUTO_FREE char *name = world_member(json, "machine");
	struct world_machine *m = find(w, name);

	copy_member(json, "state", m->state, sizeof(m->state));
	copy_member(json, "address", m->address, sizeof(m->address));
	if (reason)
		copy_member(reason, "message", m->reason, sizeof(m->reason));
	m->pid = cJSON_GetObjectItem(json, "pid")->valueint;
}

/* Reads on in Watch; false at its end. */
static bool watch_on(struct world *w)
{
	char piece[4096];
	ssize_t n = bigm_call_read(w->watch, piece, sizeof(piece), NULL);
	const uint8_t *end;

	if (n <= 0)
		return false;
	buffer_append(&w->watched, piece, (size_t)n, NULL);
	while (w->watched.len > 0 &&
	       (end = memchr(buffer_data(&w->watched), '\n',
			     w->watched.len))) {
		size_t len = (size_t)(end - buffer_data(&w->watched));

		take_line(w, (char *)buffer_data(&w->watched), len);
		buffer_consume(&w->watched, len + 1);
	}
	return true;
}

void world_expect_state(struct world *w, const char *machine,
			const char *state)
{
	struct world_machine *m = find(w, machine);

	while (strcmp(m->state, state) != 0) {
		if (!strcmp(m->state, "STOPPED"))
			fail_msg("%s is STOPPED: %s", machine, m->reason);
		if (!watch_on(w))
			fail_msg("%s stays %s", machine, m->state);
	}
}

const char *world_reason(struct world *w, const char *machine)
{
	return find(w, machine)->reason;
}

pid_t world_pid(struct world *w, const char *machine)
{
	return find(w, machine)->pid;
}

static struct rpc_client *client_of(struct world *w, const char *machine)
{
	struct world_machine *m = find(w, machine);
	struct rpc_target target = {
		.address = m->address,
		.fd = -1,
		.tls = w->tls,
		.expect = { .role = ROLE_MACHINE },
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	if (m->client)
		return m->client;
	snprintf(target.expect.cluster, sizeof(target.expect.cluster), "%s",
		 w->id);
	snprintf(target.expect.name, sizeof(target.expect.name), "%s",
		 machine);
	m->client = rpc_client_new(w->loop, machine);
	if (rpc_client_open(m->client, &target, &err) < 0)
		fail_msg("%s", err.text);
	return m->client;
}

cJSON *world_call(struct world *w, const char *machine, const char *method,
		  const char *arg)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *reply = NULL;

	if (world_ask_client(client_of(w, machine), method, arg, &reply, &err) < 0)
		fail_msg("%s", err.text);
	return reply;
}

void world_call_fails(struct world *w, const char *machine,
		      const char *method, const char *arg)
{
	assert_true(world_ask_client(client_of(w, machine), method, arg, NULL, NULL) < 0);
}
