#include "machine/cluster.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "machine/cluster_private.h"
#include "machine/hold.h"
#include "rpc/wire.h"

#define ANSWER_MS 15000 /* for a keeper to come up and say who it is */
#define END_MS 5000	/* for a keeper to end that has said it will */

/* ------------------------------------------------------------------ */
/* The keeper's end                                                    */

/* Nobody's ill will: we asked for it, or Watch came to its end first.  Before
 * that is under way (it may be asked for while the keeper ends), a keeper of
 * ours would have said what went wrong. */
static bool in_good_order(const struct cluster *c)
{
	return c->closing || c->ended || (c->status_fd >= 0 && !c->watching);
}

static void explain_loss(struct cluster *c, const struct bigm_error *why,
			 struct bigm_error *reason)
{
	if (hold_read_status(c->status_fd, reason)) {
		c->told = true;
		return;
	}
	if (!c->info.name && why->code == BIGM_EEXHAUSTED)
		error_copy(reason, why); /* nothing of the keeper's */
	else if (!c->info.name && c->status_fd < 0)
		bigm_error_set(reason, BIGM_EUNAVAILABLE,
			       "the keeper cannot be reached: %s", why->text);
	else if (!c->info.name)
		bigm_error_set(reason, BIGM_EUNAVAILABLE,
			       "not a word from it; is it bigm %s? (%s)",
			       bigm_version(), why->text);
	else if (in_good_order(c))
		bigm_error_set(reason, BIGM_ECANCELED,
			       "the cluster has been shut down");
	else
		bigm_error_set(reason, BIGM_EUNAVAILABLE,
			       "the keeper of %s is gone: %s", c->info.name,
			       why->text);
}

void cluster_lose(struct cluster *c, const struct bigm_error *why)
{
	struct bigm_error reason = BIGM_ERROR_INIT;
	struct bigm_error as_asked = BIGM_ERROR_INIT;

	pthread_mutex_lock(&c->lock);
	bool again = c->lost;
	if (!again) {
		explain_loss(c, why, &reason);
		c->why = reason;
		c->lost = true;
		pthread_cond_broadcast(&c->changed);
	}
	void (*on_lost)(const struct bigm_error *, void *) = c->on_lost;
	bool tell = on_lost && !c->closing;
	pthread_mutex_unlock(&c->lock);
	if (again)
		return;
	rpc_client_fail(c->keeper, &reason);
	watch_stop_all(c, reason.code == BIGM_ECANCELED ? &as_asked : &reason);
	if (tell)
		on_lost(&reason, c->on_lost_data);
}

static void on_client_lost(struct rpc_client *client,
			   const struct bigm_error *why, void *data)
{
	cluster_lose(data, why);
}

struct on_lost {
	struct cluster *cluster;
	void (*fn)(const struct bigm_error *why, void *data);
	void *data;
};

static void set_on_lost(void *data)
{
	struct on_lost *on = data;
	struct cluster *c = on->cluster;

	pthread_mutex_lock(&c->lock);
	c->on_lost = on->fn;
	c->on_lost_data = on->data;
	bool lost = c->lost && !c->closing;
	pthread_mutex_unlock(&c->lock);
	if (lost)
		on->fn(&c->why, on->data);
}

void cluster_on_lost(struct cluster *c,
		     void (*fn)(const struct bigm_error *why, void *data),
		     void *data)
{
	struct on_lost on = { c, fn, data };

	loop_call(c->loop, set_on_lost, &on);
}

/* ------------------------------------------------------------------ */
/* Beginning                                                           */

static struct cluster *cluster_new(struct loop *loop)
{
	struct cluster *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->status_fd = -1;
	c->why = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&c->watched, WIRE_MAX_JSON);
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->watch_lock, NULL);
	pthread_mutex_init(&c->print_lock, NULL);
	wait_cond_init(&c->changed);
	wait_cond_init(&c->print_changed);
	c->keeper = rpc_client_new(loop, "keeper");
	rpc_client_on_lost(c->keeper, on_client_lost, c);
	return c;
}

/* Loop thread, so that no callback is under way meanwhile. */
static void disconnect(void *data)
{
	struct cluster *c = data;

	watch_end(c);
	rpc_client_on_lost(c->keeper, NULL, NULL);
	rpc_client_free(c->keeper);
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_mutex_unlock(&c->lock);
	cluster_print_end(c);
	loop_call(c->loop, disconnect, c);
	watch_release(c);
	if (c->status_fd >= 0)
		close(c->status_fd);
	cJSON_Delete(c->said);
	free(c->use);
	pthread_cond_destroy(&c->print_changed);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->print_lock);
	pthread_mutex_destroy(&c->watch_lock);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int take_info(struct cluster *c, struct bigm_error *err)
{
	struct cluster_info info = { 0 };
	const struct {
		const char *name;
		const char **value;
	} texts[] = {
		{ "cluster", &info.name },	 { "id", &info.id },
		{ "record", &info.record },	 { "socket", &info.socket_path },
		{ "system", &info.system },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (bigm_json_get_string(c->said, texts[i].name, texts[i].value,
					 err) < 0)
			return error_prefix(err, "the keeper's Info");
	if (json_opt_string(c->said, "arch", &info.arch, err) < 0 ||
	    bigm_json_get_int64(c->said, "pid", &info.pid, err) < 0 ||
	    bigm_json_get_int64(c->said, "end_ms", &info.end_ms, err) < 0)
		return error_prefix(err, "the keeper's Info");
	pthread_mutex_lock(&c->lock);
	c->info = info;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* Blocks for the keeper's Info, and holds it against ourselves. */
static int greet(struct cluster *c, struct bigm_error *err)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .timeout_ms = ANSWER_MS };
	const char *version = "?";
	int64_t wire;
	int r;

	struct bigm_call *call = rpc_call_start(c->keeper, "Keeper.Info", NULL,
						0, &options);
	r = bigm_call_wait(call, err);
	c->said = r < 0 ? NULL : bigm_call_take_reply(call);
	bigm_call_free(call);
	if (r < 0 ||
	    (r = bigm_json_get_string(c->said, "version", &version, err)) < 0 ||
	    (r = bigm_json_get_int64(c->said, "wire", &wire, err)) < 0)
		return r;
	if (strcmp(version, bigm_version()) != 0 || wire != WIRE_VERSION)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the keeper is bigm %s (wire %lld), this "
				      "is %s (wire %d); they must be the same",
				      version, (long long)wire, bigm_version(),
				      WIRE_VERSION);
	return take_info(c, err);
}

/* False when the keeper is still there after that time. */
static bool wait_lost(struct cluster *c, int64_t timeout_ms)
{
	int64_t deadline = wait_deadline(timeout_ms);

	pthread_mutex_lock(&c->lock);
	while (!c->lost)
		if (wait_cond(&c->changed, &c->lock, deadline) != 0)
			break;
	bool lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	return lost;
}

static int spawn_and_greet(struct cluster *c, const char *program,
			   const struct cluster_options *options,
			   struct bigm_error *err)
{
	struct rpc_target target = { .fd = -1 };
	struct hold hold;
	int r = hold_begin(&hold, program, options, err);

	if (r < 0)
		return r;
	c->status_fd = hold.status;
	target.fd = hold.socket;
	if ((r = rpc_client_open(c->keeper, &target, err)) == 0)
		r = greet(c, err);
	/* Its own words are better than those of a broken connection. */
	if (r == BIGM_EUNAVAILABLE && wait_lost(c, END_MS))
		r = error_copy(err, &c->why);
	hold_reap(&hold, r < 0 && !c->told, program, err);
	return r;
}

struct cluster *cluster_spawn(struct loop *loop,
			      const struct cluster_options *options,
			      struct bigm_error *err)
{
	static const struct cluster_options none;
	struct bigm_error local = BIGM_ERROR_INIT;
	struct cluster *c;

	err = err ? err : &local;
	options = options ? options : &none;
	AUTO_FREE char *program = options->program
					  ? xstrdup(options->program)
					  : cluster_find_program(err);
	if (!program)
		return NULL;
	c = cluster_new(loop);
	if (spawn_and_greet(c, program, options, err) == 0)
		return c;
	cluster_free(c);
	return NULL;
}

/* Why nobody answers, without the names of what has been tried. */
static void explain_silence(struct cluster *c, struct bigm_error *err)
{
	bool lost;

	pthread_mutex_lock(&c->lock);
	lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	if (lost)
		error_copy(err, &c->why);
	else if (err->code == BIGM_EDEADLINE)
		bigm_error_set(err, BIGM_EDEADLINE,
			       "the keeper has not answered for %d s; is it "
			       "stopped?", ANSWER_MS / 1000);
}

struct cluster *cluster_attach(struct loop *loop, const char *socket_path,
			       struct bigm_error *err)
{
	AUTO_FREE char *address = xasprintf("unix:%s", socket_path);
	struct rpc_target target = { .address = address, .fd = -1 };
	struct bigm_error local = BIGM_ERROR_INIT;
	struct cluster *c = cluster_new(loop);

	err = err ? err : &local;
	if (rpc_client_open(c->keeper, &target, err) == 0 && greet(c, err) == 0)
		return c;
	explain_silence(c, err);
	cluster_free(c);
	return NULL;
}

struct cluster *cluster_adopt(struct loop *loop, int fd,
			      struct bigm_error *err)
{
	struct rpc_target target = { .fd = fd };
	struct cluster *c = cluster_new(loop);

	if (rpc_client_open(c->keeper, &target, err) == 0 && greet(c, err) == 0)
		return c;
	cluster_free(c);
	return NULL;
}

void cluster_borrow(struct cluster *c, const char *token)
{
	c->use = xstrdup(token);
}

const struct cluster_info *cluster_info(const struct cluster *c)
{
	return &c->info;
}

/* ------------------------------------------------------------------ */
/* Calls, and the end                                                  */

struct rpc_client *cluster_client(struct cluster *c)
{
	return c->keeper;
}

int cluster_call(struct cluster *c, const char *method, const cJSON *arg,
		 cJSON **reply, struct bigm_error *err)
{
	AUTO_FREE char *name = xasprintf("Keeper.%s", method);
	AUTO_FREE char *text = arg ? json_print(arg) : NULL;
	struct bigm_call *call;
	int r;

	if (reply)
		*reply = NULL;
	if (loop_on_thread(c->loop))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "%s: a blocking call on the I/O thread "
				      "would wait for itself", name);
	call = rpc_call_start(c->keeper, name, text, text ? strlen(text) : 0,
			      NULL);
	r = bigm_call_wait(call, err);
	if (r == 0 && reply)
		*reply = bigm_call_take_reply(call);
	bigm_call_free(call);
	return r;
}

int cluster_release(struct cluster *c, struct bigm_error *err)
{
	return cluster_call(c, "Release", NULL, NULL, err);
}

static void stop_borrowed(void *data)
{
	struct bigm_error as_asked = BIGM_ERROR_INIT;

	watch_stop_all(data, &as_asked);
}

/* The keeper does it also when nobody waits for it. */
static int give_back(struct cluster *c, struct bigm_error *err)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	int r;

	cJSON_AddStringToObject(arg, "use", c->use);
	r = cluster_call(c, "Return", arg, NULL, err);
	/* A cluster that has gone needs none. */
	if (r < 0 && wait_lost(c, r == BIGM_EUNAVAILABLE ? END_MS : 0))
		r = 0;
	loop_call(c->loop, stop_borrowed, c);
	return r < 0 ? error_prefix(err, "cannot give the machines of %s back",
				    c->info.name) : 0;
}

int cluster_shutdown(struct cluster *c, bool now, struct bigm_error *err)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	int r;

	if (loop_on_thread(c->loop))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "a shutdown on the I/O thread would wait "
				      "for itself");
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	bool lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	if (lost)
		return 0;
	if (c->use)
		return give_back(c, err);
	cJSON_AddBoolToObject(arg, "now", now);
	r = cluster_call(c, "Shutdown", arg, NULL, err);
	/* It may end before its reply has come through. */
	if (r < 0 && !wait_lost(c, r == BIGM_EUNAVAILABLE ? END_MS : 0))
		return error_prefix(err, "cannot shut down %s", c->info.name);
	if (!wait_lost(c, END_MS))
		return bigm_error_set(err, BIGM_EDEADLINE,
				      "the keeper of %s (process %lld) has "
				      "stopped its machines, but does not end",
				      c->info.name, (long long)c->info.pid);
	return 0;
}
