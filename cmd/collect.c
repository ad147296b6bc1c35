#include "cmd/collect.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/wait.h"
#include "cmd/copy.h"
#include "cmd/sweeper.h"

#define STOP_MS 1000

/* One machine, and its thread. */
struct site {
	struct collect *collect;
	struct copy copy; /* of the present pattern */
	pthread_t thread;
};

struct collect {
	const struct invocation *in;
	struct cluster *cluster;
	const struct collect_options *options;
	struct bigm_call *farewell; /* NULL: none */
	pthread_t thread;	    /* that reads it */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum { WAITING, COLLECTING, COLLECTED } state;
	struct site *sites;
	int n;
	int *matched; /* on how many machines each pattern did */
	int asked;    /* machines that have answered for all patterns */
	bool failed, stopped;
	struct sweeper *sweeper;
};

/* ------------------------------------------------------------------ */
/* One machine                                                         */

static void tell(struct collect *c, const char *what,
		 const struct bigm_error *why)
{
	command_fail(c->in, 0, "%s%s", what, why->text);
}

static void left_out(const struct bigm_error *why, void *data)
{
	struct site *site = data;
	AUTO_FREE char *what = xasprintf(
		"collecting: %s: left out: ",
		bigm_machine_name(site->copy.from.machine));

	tell(site->collect, what, why);
}

/* False when it failed, or shall not go on. */
static bool collect_pattern(struct site *site, size_t i)
{
	struct collect *c = site->collect;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool stopped;
	int code;

	site->copy.from.pattern = c->options->patterns->items[i];
	code = copy_run(&site->copy, &err);
	pthread_mutex_lock(&c->lock);
	stopped = c->stopped;
	c->failed = c->failed || code != 0;
	c->matched[i] += code == 0 && !site->copy.empty;
	pthread_mutex_unlock(&c->lock);
	if (code != 0 && !stopped)
		tell(c, "collecting: ", &err);
	return code == 0;
}

static void *site_main(void *data)
{
	struct site *site = data;
	struct collect *c = site->collect;
	bool all = true;

	/* What cannot be read for one pattern is not in the way of others. */
	for (size_t i = 0; i < c->options->patterns->n; i++)
		all = collect_pattern(site, i) && all;
	pthread_mutex_lock(&c->lock);
	c->asked += all;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* All machines                                                        */

/* A machine that is not there any more has taken its files along; what it died
 * of is told elsewhere. */
static bool is_there(struct collect *c, struct bigm_machine *machine)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (bigm_machine_state(machine) == BIGM_RUNNING)
		return true;
	if (bigm_machine_error(machine, &why) != 0 && why.code != BIGM_ECANCELED)
		command_fail(c->in, 0, "collecting: %s: is STOPPED; nothing comes "
			     "from it", bigm_machine_name(machine));
	return false;
}

static void make_sites(struct collect *c, struct bigm_machine **machines,
		       size_t n)
{
	struct site *sites = xcalloc(n + 1, sizeof(*sites));
	int there = 0;

	for (size_t i = 0; i < n; i++) {
		struct site *site = &sites[there];

		if (!is_there(c, machines[i]))
			continue;
		there++;
		site->collect = c;
		site->copy.from.machine = machines[i];
		site->copy.from.dir = c->options->dir;
		site->copy.from.binary = c->options->binary;
		site->copy.to.path = bigm_machine_name(machines[i]);
		site->copy.to.dir = "";
		site->copy.salvage = true;
		site->copy.left_out = left_out;
		site->copy.sweeper = c->sweeper;
		site->copy.data = site;
		copy_init(&site->copy);
	}
	pthread_mutex_lock(&c->lock);
	c->sites = sites;
	c->n = c->stopped ? 0 : there;
	pthread_mutex_unlock(&c->lock);
}

static int start_threads(struct collect *c, int *started)
{
	pthread_attr_t attr;
	int code = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (*started = 0; *started < c->n && code == 0; *started += code == 0) {
		struct site *site = &c->sites[*started];

		code = pthread_create(&site->thread, &attr, site_main, site);
	}
	pthread_attr_destroy(&attr);
	return code;
}

static void report_unmatched(const struct collect *c)
{
	const struct option_list *patterns = c->options->patterns;

	for (size_t i = 0; i < patterns->n; i++)
		if (c->asked > 0 && c->asked == c->n && c->matched[i] == 0)
			command_fail(c->in, 0, "--collect %s: there is nothing of "
				     "that name on any machine",
				     patterns->items[i]);
}

static void collect_all(struct collect *c)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	int started, code = cluster_watch(c->cluster, &err);

	if (code == 0) {
		size_t n = cluster_machines(c->cluster, &machines);

		make_sites(c, machines, n);
		code = start_threads(c, &started);
		if (code != 0)
			error_set_errno(&err, code, "cannot make %d threads", c->n);
		for (int i = 0; i < started; i++)
			pthread_join(c->sites[i].thread, NULL);
	}
	if (err.code != 0)
		tell(c, "collecting: ", &err);
	c->failed = c->failed || err.code != 0;
	report_unmatched(c);
}

void collect_run(struct collect *c)
{
	bool first;

	pthread_mutex_lock(&c->lock);
	first = c->state == WAITING;
	if (first)
		c->state = COLLECTING;
	while (!first && c->state != COLLECTED)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
	if (!first)
		return;
	collect_all(c);
	if (c->farewell != NULL)
		bigm_call_cancel(c->farewell);
	pthread_mutex_lock(&c->lock);
	c->state = COLLECTED;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void collect_stop(struct collect *c)
{
	int64_t deadline = wait_deadline(STOP_MS);

	pthread_mutex_lock(&c->lock);
	c->stopped = true;
	for (int i = 0; i < c->n; i++)
		copy_stop(&c->sites[i].copy);
	while (c->state == COLLECTING &&
	       wait_cond(&c->changed, &c->lock, deadline) == 0)
		;
	pthread_mutex_unlock(&c->lock);
}

bool collect_has_failed(struct collect *c)
{
	return c->failed;
}

/* ------------------------------------------------------------------ */
/* The farewell                                                        */

/* Reads a line of the stream; whether the machines are about to go. */
static int read_going(struct bigm_call *call, bool *going,
		      struct bigm_error *err)
{
	char line[256];
	size_t len = 0;

	while (len < sizeof(line) && bigm_call_read(call, line + len, 1, err) == 1 &&
	       line[len] != '\n')
		len++;
	if (err->code != 0)
		return err->code;
	AUTO_JSON cJSON *json = json_parse(line, len, err);
	return json == NULL ? err->code
			    : bigm_json_get_bool(json, "going", going, err);
}

static void *farewell_main(void *data)
{
	struct collect *c = data;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool going = false;

	while (!going && read_going(c->farewell, &going, &err) == 0)
		;
	if (going)
		collect_run(c);
	return NULL;
}

static int ask_for_farewell(struct collect *c, struct bigm_error *err)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_reply = true };
	struct bigm_call *call = rpc_call_start(cluster_client(c->cluster),
						"Keeper.Farewell", NULL, 0,
						&options);
	bool going;
	int code;

	if (read_going(call, &going, err) != 0) {
		bigm_call_free(call);
		return error_prefix(err, "Keeper.Farewell");
	}
	c->farewell = call;
	code = pthread_create(&c->thread, NULL, farewell_main, c);
	if (code == 0)
		return 0;
	c->farewell = NULL;
	bigm_call_free(call);
	return error_set_errno(err, code, "cannot make a thread");
}

struct collect *collect_new(const struct invocation *in,
			    struct cluster *cluster,
			    const struct collect_options *options,
			    struct bigm_error *err)
{
	struct collect *c = xcalloc(1, sizeof(*c));

	c->in = in;
	c->cluster = cluster;
	c->options = options;
	c->sweeper = sweeper_new();
	c->matched = xcalloc(options->patterns->n + 1, sizeof(*c->matched));
	pthread_mutex_init(&c->lock, NULL);
	wait_cond_init(&c->changed);
	if (!options->farewell || ask_for_farewell(c, err) == 0)
		return c;
	collect_free(c);
	return NULL;
}

void collect_free(struct collect *c)
{
	if (c == NULL)
		return;
	if (c->farewell != NULL) {
		bigm_call_cancel(c->farewell);
		pthread_join(c->thread, NULL);
		bigm_call_free(c->farewell);
	}
	for (int i = 0; i < c->n; i++)
		copy_release(&c->sites[i].copy);
	sweeper_free(c->sweeper);
	free(c->sites);
	free(c->matched);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
