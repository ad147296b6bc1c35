#include "config.h"

#include "ec2/system.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "ec2/strays.h"
#include "ec2/system_private.h"
#include "ec2/user_keys.h"

/* EC2 takes its time, and may have to be asked several times. */
#define KILL_MS 60000
#define END_MS 120000

/* ------------------------------------------------------------------ */
/* What it needs                                                       */

/* AWS names types by family and generation, and 'g' behind these says that the
 * processor is its own, which is arm64: m6g, c7gn, g5g; the first was a1. */
static const char *arch_of_type(const char *type)
{
	const char *p = type;

	while (isalpha((unsigned char)*p))
		p++;
	while (isdigit((unsigned char)*p))
		p++;
	return *p == 'g' || strncmp(type, "a1.", 3) == 0 ? "linux/arm64"
							 : "linux/amd64";
}

int system_ec2_arch(const struct ec2_settings *settings, const char **arch,
		    struct bigm_error *err)
{
	*arch = arch_of_type(settings->types[0]);
	for (char **type = settings->types + 1; *type; type++)
		if (strcmp(arch_of_type(*type), *arch) != 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "ec2-type: %s is %s, %s is %s; "
					      "machines of a cluster have one "
					      "architecture", settings->types[0],
					      *arch, *type, arch_of_type(*type));
	return 0;
}

static int load_settings(struct system *s, const cJSON *settings,
			 struct bigm_error *err)
{
	char **set = json_get_strings(settings, "set", "set", err);
	int rc = set ? ec2_asker_init(&s->asker, (const char *const *)set,
				      s->cancel, err)
		     : BIGM_EINVALID;

	strings_free(set);
	return rc < 0 ? rc
		      : system_ec2_arch(&s->asker.settings, &s->arch, err);
}

static int make_client(struct system *s, struct bigm_error *err)
{
	s->client = ec2_asker_client(&s->asker, err);
	return s->client ? 0 : BIGM_EFAILED;
}

static int find_worker(struct system *s, struct bigm_error *err)
{
	s->worker = s->keeper.find_ec2boot(s->keeper.keeper, s->arch, err);
	return s->worker ? digest_file(s->worker, s->worker_digest, err)
			 : BIGM_ENOTFOUND;
}

static int make_launcher(struct system *s, struct bigm_error *err)
{
	if (ssh_key_new(&s->host_key, "bigm instance", err) < 0 ||
	    ssh_key_new(&s->login_key, "bigm keeper", err) < 0)
		return BIGM_EFAILED;
	s->user_keys = user_keys_of(&s->asker.settings, &s->note);
	s->boot_ms = s->asker.settings.dead_man_ms;
	const struct launcher_options options = {
		.client = s->client,
		.settings = &s->asker.settings,
		.metadata = s->asker.metadata,
		.ca_file = aws_config_env(s->asker.config, "AWS_CA_BUNDLE"),
		.user = s->asker.user,
		.cluster = s->keeper.cluster,
		.host_private = s->host_key.private_text,
		.host_public = s->host_key.public_text,
		.login_public = s->login_key.public_text,
		.user_keys = (const char *const *)s->user_keys,
	};
	s->launcher = launcher_new(&options);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The contract                                                        */

static bool is_busy(const struct system *s)
{
	return s->launching || s->looking || s->ending || s->closing ||
	       s->asking > 0;
}

/* The loop does not run any more; what is under way on other threads ends at
 * once when it is canceled, and has to be waited for, and so has the task that
 * it queues at its end. */
static void system_free(struct system *s)
{
	struct system_launch *l, *next;

	if (s->cancel)
		cancel_set(s->cancel);
	s->freeing = true;
	while (is_busy(s) || s->errands.queued)
		uv_run(loop_uv(s->keeper.loop),
		       is_busy(s) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
	for (l = TAILQ_FIRST(&s->launches); l; l = next) {
		next = TAILQ_NEXT(l, entry);
		l->released = true;
		instance_maybe_free(l);
	}
	system_readings_end(s);
	loop_timer_stop(s->keeper.loop, &s->look_timer);
	for (size_t i = 0; i < s->ndoomed; i++)
		free(s->doomed[i]);
	free(s->doomed);
	launcher_free(s->launcher);
	ec2_client_free(s->client);
	ssh_key_release(&s->host_key);
	ssh_key_release(&s->login_key);
	ec2_asker_release(&s->asker);
	cancel_free(s->cancel);
	strings_free(s->user_keys);
	free(s->note);
	free(s->worker);
	free(s);
}

static struct system *system_new(const struct system_keeper *keeper,
				 const cJSON *settings, struct bigm_error *err)
{
	struct system *s = xcalloc(1, sizeof(*s));

	s->keeper = *keeper;
	TAILQ_INIT(&s->launches);
	TAILQ_INIT(&s->readings);
	s->cancel = cancel_new(err);
	if (s->cancel && load_settings(s, settings, err) == 0 &&
	    make_client(s, err) == 0 && find_worker(s, err) == 0 &&
	    make_launcher(s, err) == 0)
		return s;
	system_free(s);
	return NULL;
}

static struct system_launch *system_start(struct system *s,
					  const struct system_order *order,
					  const struct system_events *events,
					  void *data, struct bigm_error *err)
{
	static const struct bigm_error none = BIGM_ERROR_INIT;
	struct system_launch *l = xcalloc(1, sizeof(*l));

	l->system = s;
	l->events = *events;
	l->data = data;
	l->name = xstrdup(order->name);
	l->marker = xstrdup(order->marker);
	if (order->program || (order->argv && order->argv[0]))
		l->program = xstrdup(order->program ? order->program
						    : order->argv[0]);
	l->argv = strings_copy(order->argv);
	l->procs = order->procs;
	l->doom = l->said = l->interruption = l->refusal = none;
	TAILQ_INSERT_TAIL(&s->launches, l, entry);
	s->nlaunches++;
	errands_wake(s);
	return l;
}

static void system_kill(struct system_launch *l)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EUNAVAILABLE, "was terminated");
	instance_end(l, l->doom.code ? &l->doom : &why, 0);
}

static void system_release(struct system_launch *l)
{
	l->released = true;
	errands_wake(l->system);
}

static void system_describe(const struct system_launch *l, cJSON *facts)
{
	if (!l->is.id)
		return;
	cJSON_AddStringToObject(facts, "instance", l->is.id);
	cJSON_AddStringToObject(facts, "type", l->is.type);
	cJSON_AddStringToObject(facts, "zone", l->is.zone);
	cJSON_AddStringToObject(facts, "market",
				l->is.spot ? "spot" : "on-demand");
	if (l->is.usd > 0)
		cJSON_AddNumberToObject(facts, "usd_per_hour", l->is.usd);
}

static void system_describe_all(const struct system *s, cJSON *facts)
{
	struct bill bill = s->bill;
	const struct system_launch *l;

	TAILQ_FOREACH(l, &s->launches, entry)
		instance_bill(l, &bill);
	bill_describe(&bill, s->asker.settings.max_cost, facts);
}

/* EC2 knows whether the instance is still there. */
static void system_keepalive_missed(struct system_launch *l)
{
	l->suspect = true;
	errands_wake(l->system);
}

static void system_end(struct system *s, void (*done)(void *data), void *data)
{
	s->on_ended = done;
	s->ended_data = data;
	errands_wake(s);
}

static bool system_ships(const struct system *s)
{
	return true;
}

static const char *system_worker(const struct system *s)
{
	return s->worker;
}

static const char *system_arch(const struct system *s)
{
	return s->arch;
}

const struct system_ops system_ec2 = {
	.name = "ec2",
	.new = system_new,
	.start = system_start,
	.kill = system_kill,
	.keepalive_missed = system_keepalive_missed,
	.describe = system_describe,
	.describe_all = system_describe_all,
	.release = system_release,
	.ships = system_ships,
	.elsewhere = true,
	.bootstraps = system_ships,
	.worker = system_worker,
	.read_file = system_read_file,
	.arch = system_arch,
	.end = system_end,
	.free = system_free,
	.strays = &strays_of_ec2,
	.plan = system_ec2_plan,
	.kill_ms = KILL_MS,
	.end_ms = END_MS,
	.keepalive = { .period_ms = 60000, .timeout_ms = 600000,
		       .call_ms = 120000, .lease_ms = KEEPALIVE_LEASE_MS,
		       .first_ms = KEEPALIVE_FIRST_MS },
};
