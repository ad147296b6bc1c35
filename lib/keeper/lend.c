/*
 * lend: a machine in a borrower's hands, as keeper/loan.h tells it.
 */
#include "config.h"

#include "base/error.h"
#include "keeper/core.h"
#include "keeper/member.h"

void member_lend(struct member *m, const struct start_request *borrower)
{
	m->borrower = borrower;
	m->use = MEMBER_TAKING;
	error_clear(&m->loan_reason);
	member_change(m, borrower);
	keeper_member_changed(m->keeper, m);
}

void member_give_back(struct member *m)
{
	if (m->state != BIGM_RUNNING || m->stopping ||
	    m->use == MEMBER_OWN || m->use == MEMBER_RETURNING)
		return;
	m->use = MEMBER_RETURNING;
	/* An Exec that is under way has to come to its end first. */
	if (!m->ship || ship_is_loading(m->ship))
		member_change(m, m->order);
	keeper_member_changed(m->keeper, m);
}

void member_forget_loan(struct member *m)
{
	m->borrower = NULL;
	m->image = m->order;
	m->hop = false;
	error_clear(&m->loan_reason);
	member_leave_on(m);
}

void member_cancel(struct member *m, const struct bigm_error *why)
{
	if (!m->borrower) {
		member_fail(m, why, 0);
		return;
	}
	error_copy(&m->loan_reason, why);
	error_prefix(&m->loan_reason, "%s", m->name);
	member_give_back(m);
}

static enum bigm_state loan_state(const struct member *m)
{
	if (m->state == BIGM_RUNNING && m->use == MEMBER_TAKING)
		return BIGM_STARTING;
	if (m->state == BIGM_RUNNING && m->use == MEMBER_TAKEN)
		return BIGM_RUNNING;
	return BIGM_STOPPED;
}

cJSON *member_loan_facts(const struct member *m)
{
	cJSON *facts = member_facts(m);
	const char *state = bigm_state_name(loan_state(m));

	cJSON_ReplaceItemInObjectCaseSensitive(facts, "state",
					       cJSON_CreateString(state));
	if (!m->reason.code && m->loan_reason.code)
		member_add_reason(facts, &m->loan_reason);
	return facts;
}
