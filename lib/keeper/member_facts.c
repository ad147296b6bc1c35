/*
 * member_facts: what is told of a machine.
 */
#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member_private.h"
#include "machine/notice.h"

const char *member_phase(const struct member *m)
{
	if (!m->address)
		return m->launch_phase ? m->launch_phase : "launching";
	if (m->certify)
		return "certifying";
	if (m->ship)
		return "shipping";
	return m->alive ? "registering" : "booting";
}

void member_note_phase(struct member *m)
{
	const char *phase = member_phase(m);

	if (m->state != BIGM_STARTING || m->nsteps == MEMBER_STEPS ||
	    (m->nsteps > 0 && strcmp(m->steps[m->nsteps - 1].phase, phase) == 0))
		return;
	m->steps[m->nsteps++] = (struct member_step){ phase, clock_wall_ns() };
	log_debug("%s: %s", m->name, phase);
	member_tell_phase(m);
	if (m->nsteps > 1)
		keeper_member_changed(m->keeper, m);
}

void member_add_reason(cJSON *facts, const struct bigm_error *reason)
{
	cJSON *json = cJSON_AddObjectToObject(facts, "reason");

	cJSON_AddStringToObject(json, "code", bigm_code_name(reason->code));
	cJSON_AddStringToObject(json, "message", reason->text);
	cJSON_AddBoolToObject(json, "retriable", reason->retriable);
}

static void add_use(cJSON *facts, const struct member *m)
{
	static const char *const phases[] = {
		[MEMBER_TAKING] = "taking",
		[MEMBER_TAKEN] = "taken",
		[MEMBER_RETURNING] = "returning",
	};
	cJSON *use = cJSON_AddObjectToObject(facts, "use");

	cJSON_AddStringToObject(use, "phase", phases[m->use]);
	cJSON_AddStringToObject(use, "program", m->borrower->program
						      ? m->borrower->program
						      : m->borrower->bundle);
}

/* Of a machine that is replaced, and by which; null while that is to come. */
static void add_line(cJSON *facts, const struct member *m)
{
	if (m->leaving)
		cJSON_AddBoolToObject(facts, "leaving", true);
	if (m->heir)
		cJSON_AddStringToObject(facts, "replaced_by", m->heir->name);
	else if (crew_awaits_heir(m))
		cJSON_AddNullToObject(facts, "replaced_by");
	if (m->forebear)
		cJSON_AddStringToObject(facts, "replaces", m->forebear->name);
}

cJSON *member_facts(const struct member *m)
{
	cJSON *facts = cJSON_CreateObject();
	uint64_t have, size;

	cJSON_AddStringToObject(facts, "machine", m->name);
	cJSON_AddNumberToObject(facts, "index", m->index);
	cJSON_AddStringToObject(facts, "state", bigm_state_name(m->state));
	if (m->state == BIGM_STARTING)
		cJSON_AddStringToObject(facts, "phase", member_phase(m));
	cJSON_AddStringToObject(facts, "address", m->address ? m->address : "");
	cJSON_AddNumberToObject(facts, "procs", m->procs);
	cJSON_AddNumberToObject(facts, "pid", m->pid);
	json_add_uint64(facts, "start_ns", m->start_ns);
	json_add_uint64(facts, "running_ns", m->running_ns);
	if (ship_stock_progress(m->stock, &have, &size)) {
		cJSON *ship = cJSON_AddObjectToObject(facts, "ship");

		json_add_uint64(ship, "have", have);
		json_add_uint64(ship, "size", size);
	}
	if (m->use != MEMBER_OWN && m->state == BIGM_RUNNING)
		add_use(facts, m);
	if (m->order->label)
		cJSON_AddStringToObject(facts, "label", m->order->label);
	if (member_is_draining(m))
		cJSON_AddItemToObject(facts, "notice", notice_facts(&m->notice));
	if (m->reason.code)
		member_add_reason(facts, &m->reason);
	add_line(facts, m);
	return facts;
}

static void add_steps(cJSON *facts, const struct member *m)
{
	cJSON *phases = cJSON_AddArrayToObject(facts, "phases");

	for (int i = 0; i < m->nsteps; i++) {
		cJSON *step = cJSON_CreateObject();

		cJSON_AddStringToObject(step, "phase", m->steps[i].phase);
		json_add_uint64(step, "start_ns", m->steps[i].ns);
		cJSON_AddItemToArray(phases, step);
	}
}

cJSON *member_status(const struct member *m)
{
	cJSON *facts = member_facts(m);

	if (m->pulse.nreplies > 0 && m->state != BIGM_STOPPED)
		cJSON_AddItemToObject(facts, "keepalive",
				      pulse_facts(&m->pulse));
	add_steps(facts, m);
	if (m->image->program)
		cJSON_AddStringToObject(facts, "program", m->image->program);
	if (m->image->bundle)
		cJSON_AddStringToObject(facts, "bundle", m->image->bundle);
	if (m->launch && m->keeper->ops->describe)
		m->keeper->ops->describe(m->launch, facts);
	return facts;
}
