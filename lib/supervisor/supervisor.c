#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/process.h"
#include "rpc/wire.h"
#include "supervisor/env.h"
#include "supervisor/fetch.h"
#include "supervisor/figures.h"
#include "supervisor/files.h"
#include "supervisor/mapper.h"
#include "supervisor/profiles.h"
#include "supervisor/service.h"

#define PIECE (256u << 10)
#define DELAY_MOST_MS (3600 * 1000)
/* For a keeper that is behind with the events. */
#define TELL_WAIT_MS 10
#define TELL_WAITS 40

typedef struct bigm_request request;

static struct worker *worker_of(const request *req)
{
	return bigm_request_state(req);
}

static int ping(request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	(void)req;
	*reply = arg ? cJSON_Duplicate(arg, true) : cJSON_CreateNull();
	if (!*reply)
		return bigm_error_set(err, BIGM_EEXHAUSTED, "out of memory");
	return 0;
}

static int get_pid(request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	(void)req;
	(void)arg;
	(void)err;
	*reply = cJSON_CreateNumber(getpid());
	return 0;
}

static void add_worker(cJSON *json, struct worker *worker)
{
	json_add_string(json, "name", worker->boot->name);
	json_add_string(json, "version", bigm_version());
	json_add_uint64(json, "wire", WIRE_VERSION);
	json_add_uint64(json, "incarnation", worker->boot->incarnation);
	json_add_uint64(json, "procs", (uint64_t)worker->boot->procs);
	if (!cJSON_AddItemToObject(json, "types",
				   registry_types(&worker->registry)))
		alloc_failed();
	pthread_mutex_lock(&worker->lock);
	if (worker->exec_error)
		json_add_string(json, "exec_error", worker->exec_error);
	pthread_mutex_unlock(&worker->lock);
}

static int info(request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	char digest[BINARY_DIGEST_SIZE];
	struct utsname host;

	(void)arg;
	if (uname(&host) < 0)
		return error_set_errno(err, errno, "uname");
	if (binary_own_digest(&worker->binaries, digest, err) < 0)
		return err->code;
	*reply = cJSON_CreateObject();
	json_add_string(*reply, "system", host.sysname);
	json_add_string(*reply, "arch", host.machine);
	json_add_string(*reply, "hostname", host.nodename);
	json_add_uint64(*reply, "pid", (uint64_t)getpid());
	json_add_string(*reply, "digest", digest);
	add_worker(*reply, worker);
	return 0;
}

static int services(request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	(void)arg;
	(void)err;
	*reply = rpc_server_describe(worker_of(req)->server);
	return 0;
}

static int set_args(request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	char **argv = json_get_strings(arg, NULL, "the arguments", err);

	(void)reply;
	if (!argv)
		return BIGM_EINVALID;
	if (!argv[0]) {
		strings_free(argv);
		return bigm_error_set(err, BIGM_EINVALID,
				      "the arguments begin with the program's "
				      "name; there are none");
	}
	strings_free(worker->next_argv);
	worker->next_argv = argv;
	return 0;
}

static int set_env(request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	char **changes = env_changes(arg, NULL, err);
	char **env;

	(void)reply;
	if (!changes)
		return BIGM_EINVALID;
	env = process_env(worker->next_env, changes);
	strings_free(worker->next_env);
	strings_free(changes);
	worker->next_env = env;
	return 0;
}

static int receive_binary(request *req, struct binary_upload *upload,
			  uint64_t *size, struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);

	for (*size = 0;;) {
		ssize_t n = bigm_request_read(req, piece, PIECE, err);

		if (n <= 0)
			return (int)n;
		if (binary_upload_append(upload, piece, (size_t)n, err) < 0)
			return err->code;
		*size += (uint64_t)n;
	}
}

static int set_binary(request *req, const cJSON *arg, cJSON **reply,
		      struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	struct binary_upload *upload =
		binary_upload_new(&worker->binaries, err);
	char digest[BINARY_DIGEST_SIZE];
	uint64_t size;

	(void)arg;
	if (!upload)
		return err->code;
	if (receive_binary(req, upload, &size, err) < 0) {
		binary_upload_abort(upload);
		return err->code;
	}
	if (binary_upload_finish(upload, digest, err) < 0)
		return err->code;
	*reply = cJSON_CreateObject();
	json_add_string(*reply, "digest", digest);
	json_add_uint64(*reply, "size", size);
	return 0;
}

static void exec_answered(void *data)
{
	worker_end(data, WORKER_EXEC, 0);
}

static int exec(request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	const char *digest = NULL;
	struct image *image;

	(void)reply;
	if (worker->guest)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "this machine has no process of its own "
				      "to be replaced");
	if (atomic_load(&worker->end) != WORKER_SERVING || worker->next_image)
		return error_set_retriable(err, BIGM_EUNAVAILABLE,
					   "the machine is ending already");
	if (json_opt_string(arg, "digest", &digest, err) < 0)
		return err->code;
	image = binary_next(&worker->binaries, digest, err);
	if (!image)
		return err->code;
	worker->next_image = image;
	rpc_request_on_flushed(req, exec_answered, worker);
	return 0;
}

static void register_failed(void *data)
{
	worker_end(data, WORKER_STOP, 1);
}

/* How a method that is not inline reaches rpc_request_on_flushed(). */
struct stop_after {
	request *req;
	struct worker *worker;
};

static void stop_when_answered(void *data)
{
	struct stop_after *after = data;

	rpc_request_on_flushed(after->req, register_failed, after->worker);
}

/* Whoever shipped a program does not mean the old one. */
static int check_exec(struct worker *worker, struct bigm_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&worker->lock);
	if (worker->exec_error)
		rc = bigm_error_set(err, BIGM_EFAILED,
				    "the program that was sent does not run "
				    "here: %s", worker->exec_error);
	pthread_mutex_unlock(&worker->lock);
	return rc;
}

static int register_services(request *req, const cJSON *arg, cJSON **reply,
			     struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	struct stop_after after = { req, worker };
	bool init_failed;
	int rc = check_exec(worker, err);

	if (rc < 0)
		return rc;
	rc = registry_add(&worker->registry, worker->server, arg, reply,
			  &init_failed, err);
	if (!init_failed)
		return rc;
	boot_tell_failed(worker->boot->parent_fd, err);
	loop_call(worker->loop, stop_when_answered, &after);
	return rc;
}

/* What ails the machine, malloc'ed; NULL: nothing. */
static char *trouble_of(struct worker *worker)
{
	struct memory memory;

	if (atomic_load(&worker->end) != WORKER_SERVING)
		return xstrdup("the machine is about to end");
	if (memory_of_host("", &memory, NULL) < 0 || !memory_is_full(&memory))
		return NULL;
	return xasprintf("%" PRIu64 " %% of %" PRIu64 " MiB of memory are used",
			 memory.used * 100 / memory.total, memory.total >> 20);
}

static void add_health(cJSON *reply, struct worker *worker)
{
	AUTO_FREE char *trouble = trouble_of(worker);

	if (!cJSON_AddBoolToObject(reply, "healthy", trouble == NULL))
		alloc_failed();
	if (trouble)
		json_add_string(reply, "trouble", trouble);
}

/* For the dead-man's timer of an instance, see supervisor/boot.h. */
static void show_life(struct worker *worker)
{
	const char *path = getenv(BOOT_ALIVE_ENV);
	int fd;

	if (atomic_exchange(&worker->shown_alive, true) || !path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	else
		log_warn("cannot write %s: %s", path, strerror(errno));
}

static int keepalive(request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	uint64_t ms;

	if (bigm_json_get_uint64(arg, "interval_ms", &ms, err) < 0)
		return err->code;
	ms = lease_grant(&worker->lease, ms);
	show_life(worker);
	worker_wake(worker); /* it may sleep longer than this */
	*reply = cJSON_CreateObject();
	json_add_uint64(*reply, "lease_ms", ms);
	json_add_uint64(*reply, "incarnation", worker->boot->incarnation);
	add_health(*reply, worker);
	return 0;
}

static int run(request *req, const cJSON *arg, cJSON **reply,
	       struct bigm_error *err)
{
	(void)arg;
	(void)reply;
	(void)err;
	job_start(&worker_of(req)->jobs, req);
	return 0;
}

static int map(request *req, const cJSON *arg, cJSON **reply,
	       struct bigm_error *err)
{
	(void)arg;
	(void)reply;
	(void)err;
	mapper_start(&worker_of(req)->jobs, req);
	return 0;
}

static void shutdown_delayed(struct loop_timer *timer);

/* The keeper may be behind with what the program has told. */
static void stop_when_told(struct worker *worker)
{
	if (tell_is_behind(worker) && worker->tell.waits++ < TELL_WAITS)
		loop_timer_start(worker->loop, &worker->delay, TELL_WAIT_MS,
				 shutdown_delayed);
	else
		worker_end(worker, WORKER_STOP, 0);
}

static void shutdown_delayed(struct loop_timer *timer)
{
	stop_when_told(loop_container(timer, struct worker, delay));
}

void supervisor_stop(void *data)
{
	stop_when_told(data);
}

static void shutdown_answered(void *data)
{
	struct worker *worker = data;

	if (worker->delay_ms == 0)
		stop_when_told(worker);
	else
		loop_timer_start(worker->loop, &worker->delay, worker->delay_ms,
				 shutdown_delayed);
}

static int shut_down(request *req, const cJSON *arg, cJSON **reply,
		     struct bigm_error *err)
{
	struct worker *worker = worker_of(req);
	const char *message = "";
	int64_t delay_ms = 0;

	(void)reply;
	if (json_opt_int64(arg, "delay_ms", &delay_ms, err) < 0 ||
	    json_opt_string(arg, "message", &message, err) < 0)
		return err->code;
	if (delay_ms < 0 || delay_ms > DELAY_MOST_MS)
		return bigm_error_set(err, BIGM_EINVALID,
				      "delay_ms is %lld; it has to be from 0 "
				      "to %d", (long long)delay_ms,
				      DELAY_MOST_MS);
	if (*message)
		log_info("shutting down: %s", message);
	worker->delay_ms = (uint64_t)delay_ms;
	rpc_request_on_flushed(req, shutdown_answered, worker);
	return 0;
}

#define KEEPER ROLE_KEEPER
#define DRIVER (ROLE_KEEPER | ROLE_DRIVER)
#define PEER (ROLE_KEEPER | ROLE_DRIVER | ROLE_MACHINE)

#define STREAMS (BIGM_STREAM_ARG | BIGM_STREAM_REPLY)
#define BULK (BIGM_STREAM_ARG | RPC_WIDE_ARG)

/* The table of bigm-supervisor(7); test_roles walks it. */
#define METHODS(X)                                                             \
	X("Ping", ping, BIGM_INLINE, PEER)                                     \
	X("Info", info, 0, PEER)                                               \
	X("Services", services, BIGM_INLINE, PEER)                             \
	X("Getpid", get_pid, BIGM_INLINE, DRIVER)                              \
	X("Setargs", set_args, BIGM_INLINE, DRIVER)                            \
	X("Setenv", set_env, BIGM_INLINE, DRIVER)                              \
	X("Setbinary", set_binary, BULK, DRIVER)                               \
	X("Has", fetch_has, 0, DRIVER)                                         \
	X("Fetch", fetch_parcel, BULK | BIGM_STREAM_REPLY, DRIVER)             \
	X("GetBinary", fetch_get_binary, BIGM_STREAM_REPLY, PEER)              \
	X("GetFiles", files_get, BIGM_STREAM_REPLY, DRIVER)                    \
	X("PutFiles", files_put, BULK, DRIVER)                                 \
	X("Exec", exec, BIGM_INLINE, DRIVER)                                   \
	X("Register", register_services, 0, DRIVER)                            \
	X("Keepalive", keepalive, BIGM_INLINE, KEEPER)                         \
	X("Events", tell_events, BIGM_INLINE | BIGM_STREAM_REPLY, KEEPER)      \
	X("DiskInfo", figures_disk, 0, DRIVER)                                 \
	X("LoadInfo", figures_load, 0, DRIVER)                                 \
	X("MemInfo", figures_memory, 0, DRIVER)                                \
	X("Expvars", figures_expvars, 0, DRIVER)                               \
	X("CPUProfile", profiles_cpu, BIGM_STREAM_REPLY, DRIVER)               \
	X("Profile", profiles_take, BIGM_STREAM_REPLY, DRIVER)                 \
	X("Profiles", profiles_list, 0, DRIVER)                                \
	X("Run", run, BIGM_INLINE | STREAMS, DRIVER)                           \
	X("Map", map, BIGM_INLINE | STREAMS, DRIVER)                           \
	X("Activity", leave_activity, BIGM_INLINE, KEEPER)                     \
	X("Leave", leave_when_idle, BIGM_INLINE, KEEPER)                       \
	X("Shutdown", shut_down, BIGM_INLINE, DRIVER)

#define AS_METHOD(name, fn, flags, roles) { name, fn, flags },
#define AS_ROLES(name, fn, flags, roles) roles,

static const struct bigm_method methods[] = { METHODS(AS_METHOD) { 0 } };
static const unsigned method_roles[] = { METHODS(AS_ROLES) };

struct rpc_service supervisor_service(struct worker *worker)
{
	return (struct rpc_service){
		.name = xstrdup("Supervisor"),
		.methods = methods,
		.roles = method_roles,
		.state = worker,
	};
}
