#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ec2/system.h"
#include "system_world.h"

#define DEADLINE_MS 30000

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static char *bootstrap(void *keeper, struct bigm_error *err)
{
	return xstrdup("{\"key\": \"PEM\"}");
}

static char *find_ec2boot(void *keeper, const char *arch,
			  struct bigm_error *err)
{
	struct world *w = keeper;

	snprintf(w->worker_arch, sizeof(w->worker_arch), "%s", arch);
	return xstrdup("/proc/self/exe");
}

static void on_warning(void *keeper, const char *text)
{
	struct world *w = keeper;
	size_t len = strlen(w->warnings);

	snprintf(w->warnings + len, sizeof(w->warnings) - len, "%s\n", text);
}

static void on_phase(void *data, const char *phase)
{
	struct machine *m = data;
	size_t len = strlen(m->phases);

	snprintf(m->phases + len, sizeof(m->phases) - len, "%s ", phase);
}

static void on_output(void *data, const void *bytes, size_t len)
{
	struct machine *m = data;

	if (len == 0)
		m->output_over = true;
}

static void on_gone(void *data, const struct bigm_error *why)
{
	struct machine *m = data;

	assert_false(m->gone);
	m->gone = true;
	m->why = *why;
}

static void on_address(void *data, const char *address, int procs, pid_t pid)
{
	fail_msg("nobody is at %s", address);
}

/* ------------------------------------------------------------------ */
/* The world                                                           */

static void drop_log(enum log_level level, const char *line, void *data)
{
}

static void on_deadline(struct loop_timer *timer)
{
	fail_msg("it does not come");
}

static void on_check(uv_check_t *check)
{
	struct world *w = check->data;

	if (w->until(w))
		loop_stop(w->loop);
}

void run_until(struct world *w, bool (*until)(struct world *w))
{
	uv_check_t *check = xcalloc(1, sizeof(*check));

	w->until = until;
	loop_timer_start(w->loop, &w->deadline, DEADLINE_MS, on_deadline);
	uv_check_init(loop_uv(w->loop), check);
	check->data = w;
	uv_check_start(check, on_check);
	loop_run(w->loop);
	uv_close((uv_handle_t *)check, (uv_close_cb)free);
	loop_timer_stop(w->loop, &w->deadline);
}

void make_system(struct world *w, const char *setting)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct system_keeper keeper = {
		.loop = w->loop,
		.cluster = "calm-0001",
		.bootstrap = bootstrap,
		.find_ec2boot = find_ec2boot,
		.warn = on_warning,
		.keeper = w,
	};
	const char *const set[] = {
		"ec2-allow=203.0.113.7/32", "ec2-user=ann", setting, NULL,
	};
	AUTO_JSON cJSON *settings = cJSON_CreateObject();

	cJSON_AddItemToObject(settings, "set", json_strings(set));
	w->system = system_ec2.new(&keeper, settings, &err);
	if (!w->system)
		fail_msg("%s", err.text);
}

void start(struct world *w, int n)
{
	static const struct system_events events = {
		.address = on_address, .phase = on_phase,
		.output = on_output, .gone = on_gone,
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (int i = 0; i < n; i++) {
		struct machine *m = &w->machines[w->n];
		char name[16];
		const struct system_order order = { .name = name,
						    .marker = "the-end" };

		snprintf(name, sizeof(name), "m%d", w->n++);
		m->launch = system_ec2.start(w->system, &order, &events, m,
					     &err);
		assert_non_null(m->launch);
	}
}

int system_set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct bigm_error err = BIGM_ERROR_INIT;

	ec2_service_tell(service, "reset", NULL);
	w->loop = loop_new(&err);
	assert_non_null(w->loop);
	log_set_sink(drop_log, NULL);
	*state = w;
	return 0;
}

static bool all_over(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->machines[i].gone || !w->machines[i].output_over)
			return false;
	return true;
}

static void on_ended(void *data)
{
	struct world *w = data;

	w->ended = true;
}

static bool has_ended(struct world *w)
{
	return w->ended;
}

void end_cluster(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->machines[i].gone)
			system_ec2.kill(w->machines[i].launch);
	run_until(w, all_over);
	for (int i = 0; i < w->n; i++)
		system_ec2.release(w->machines[i].launch);
	system_ec2.end(w->system, on_ended, w);
	run_until(w, has_ended);
}

int system_tear_down(void **state)
{
	struct world *w = *state;

	if (w->system)
		system_ec2.free(w->system);
	loop_free(w->loop);
	log_set_sink(NULL, NULL);
	free(w);
	return 0;
}

int count_instances(const char *state_name)
{
	AUTO_JSON cJSON *state = ec2_service_ask(service, "state", NULL);
	const cJSON *regions = cJSON_GetObjectItem(state, "regions");
	const cJSON *here = cJSON_GetObjectItem(regions, "us-west-2");
	const cJSON *instance;
	int n = 0;

	cJSON_ArrayForEach(instance, cJSON_GetObjectItem(here, "instances")) {
		const char *is = cJSON_GetObjectItem(instance, "state")
					 ->valuestring;

		n += !state_name || strcmp(is, state_name) == 0;
	}
	return n;
}

void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

bool all_booting(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!strstr(w->machines[i].phases, "booting "))
			return false;
	return true;
}

void tell(struct world *w, const char *control, const char *rest)
{
	AUTO_FREE char *json = xasprintf("{\"instance\": \"%s\"%s}",
					 w->machines[0].launch->is.id, rest);

	ec2_service_tell(service, control, json);
}

bool first_gone(struct world *w)
{
	return w->machines[0].gone;
}

bool nobody_launches(struct world *w)
{
	return !w->system->launching && !w->system->ending &&
	       w->system->ndoomed == 0;
}

int system_service_begin(void **state)
{
	ec2_service_begin(state);
	ec2_service_environment(service);
	return 0;
}
