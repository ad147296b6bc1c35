#include "config.h"

#include "keeper/loan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/farewell.h"
#include "keeper/member.h"

static void on_look(struct loop_task *task);
static void on_user_gone(void *data);

void loan_init(struct loan *loan, struct keeper *k)
{
	loan->keeper = k;
	loan->look.fn = on_look;
	loan->users.on_gone = on_user_gone;
	loan->users.data = loan;
}

bool loan_is_of(const struct loan *loan, const char *token)
{
	return token && *token && strcmp(loan->token, token) == 0;
}

/* ------------------------------------------------------------------ */
/* Use                                                                 */

static int make_token(struct loan *loan, struct bigm_error *err)
{
	uint64_t r[2];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return error_set_errno(err, errno, "random numbers");
	snprintf(loan->token, sizeof(loan->token), "%016" PRIx64 "%016" PRIx64,
		 r[0], r[1]);
	return 0;
}

static int grant(struct loan *loan, struct bigm_request *req,
		 struct bigm_error *err)
{
	AUTO_JSON cJSON *granted = cJSON_CreateObject();

	if (make_token(loan, err) < 0)
		return err->code;
	cJSON_AddStringToObject(granted, "use", loan->token);
	watch_send(watch_start(&loan->users, req), granted);
	return 0;
}

/* Who waits for the machines to be back has gone. */
static void on_waiting_event(struct bigm_request *req, void *data)
{
	struct loan *loan = data;

	if (!bigm_request_canceled(req))
		return;
	loan->waiting = NULL;
	rpc_request_end(req);
}

int loan_use(struct loan *loan, struct bigm_request *req,
	     struct bigm_error *err)
{
	if (loan->users.first || loan->waiting)
		return bigm_error_set(err, BIGM_EEXIST,
				      "cluster %s: somebody uses it already",
				      loan->keeper->record->name);
	if (loan->keeper->phase != KEEPER_UP)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "cluster %s: is shutting down",
				      loan->keeper->record->name);
	rpc_request_defer(req);
	if (*loan->token) {
		loan->waiting = req;
		rpc_request_on_event(req, on_waiting_event, loan);
		return 0;
	}
	return grant(loan, req, err);
}

/* ------------------------------------------------------------------ */
/* Taking                                                              */

static bool is_free(const struct member *m)
{
	return m->state == BIGM_RUNNING && !m->borrower &&
	       !member_is_draining(m);
}

/* What keeps a machine from being lent. */
enum { DOWN, TAKEN, DRAINING, NHINDRANCES };

/* " (1 of 3 is not RUNNING, 2 of 3 are taken already)"; "" when all are
 * free. */
static char *explain_missing(size_t all, const size_t *hindered)
{
	static const char *const words[] = {
		[DOWN] = "not RUNNING",
		[TAKEN] = "taken already",
		[DRAINING] = "draining",
	};
	char text[256] = "";
	size_t len = 0;

	for (int i = 0; i < NHINDRANCES; i++)
		if (hindered[i] > 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%zu of %zu %s %s",
						len > 0 ? ", " : "",
						hindered[i], all,
						hindered[i] == 1 ? "is" : "are",
						words[i]);
	return len > 0 ? xasprintf(" (%s)", text) : xstrdup("");
}

static int check_count(const struct loan *loan, size_t n,
		       struct bigm_error *err)
{
	const struct keeper *k = loan->keeper;
	size_t free = 0, hindered[NHINDRANCES] = { 0 };

	for (size_t i = 0; i < k->nmembers; i++) {
		const struct member *m = k->members[i];

		if (is_free(m))
			free++;
		else if (m->borrower && m->state != BIGM_STOPPED)
			hindered[TAKEN]++;
		else
			hindered[m->state == BIGM_RUNNING ? DRAINING : DOWN]++;
	}
	if (n <= free)
		return 0;
	AUTO_FREE char *missing = explain_missing(k->nmembers, hindered);
	return bigm_error_set(err, BIGM_EEXHAUSTED,
			      "cluster %s: %zu machine%s asked for, %zu %s "
			      "there%s", k->record->name, n,
			      n == 1 ? " is" : "s are", free,
			      free == 1 ? "is" : "are", missing);
}

int loan_start(struct loan *loan, const char *token,
	       struct start_request *order, struct member ***machines,
	       struct bigm_error *err)
{
	struct keeper *k = loan->keeper;
	int n = 0;

	if (!loan_is_of(loan, token) || loan->returning)
		bigm_error_set(err, BIGM_EUNAVAILABLE,
			       "cluster %s: this run's use of it is over",
			       k->record->name);
	else if (!order->program && !order->bundle)
		bigm_error_set(err, BIGM_EINVALID,
			       "machines of a cluster that is there are taken "
			       "for a program; none is named");
	else if (check_count(loan, (size_t)order->n, err) == 0)
		keeper_find_cargo(k, order, err);
	if (err->code) {
		start_request_free(order);
		return err->code;
	}
	loan->orders = xrealloc(loan->orders, (loan->norders + 1) *
						      sizeof(*loan->orders));
	loan->orders[loan->norders++] = order;
	*machines = xcalloc((size_t)order->n, sizeof(**machines));
	for (size_t i = 0; i < k->nmembers && n < order->n; i++)
		if (is_free(k->members[i]))
			(*machines)[n++] = k->members[i];
	for (int i = 0; i < n; i++)
		member_lend((*machines)[i], order);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Giving back                                                         */

static bool all_back(const struct loan *loan)
{
	const struct keeper *k = loan->keeper;

	for (size_t i = 0; i < k->nmembers; i++) {
		const struct member *m = k->members[i];

		if (m->borrower && m->use != MEMBER_OWN &&
		    m->state != BIGM_STOPPED)
			return false;
	}
	return true;
}

static void free_orders(struct loan *loan)
{
	for (size_t i = 0; i < loan->norders; i++)
		start_request_free(loan->orders[i]);
	free(loan->orders);
	loan->orders = NULL;
	loan->norders = 0;
}

static void answer_returns(struct loan *loan)
{
	size_t n = loan->nreturns;

	loan->nreturns = 0;
	for (size_t i = 0; i < n; i++)
		rpc_request_reply(loan->returns[i], NULL);
}

static void grant_next(struct loan *loan)
{
	struct bigm_request *next = loan->waiting;
	struct bigm_error why = BIGM_ERROR_INIT;

	loan->waiting = NULL;
	if (next && grant(loan, next, &why) < 0)
		rpc_request_fail(next, &why);
}

static void on_look(struct loop_task *task)
{
	struct loan *loan = loop_container(task, struct loan, look);
	struct keeper *k = loan->keeper;

	if (!loan->returning || !all_back(loan))
		return;
	for (size_t i = 0; i < k->nmembers; i++)
		member_forget_loan(k->members[i]);
	free_orders(loan);
	loan->returning = false;
	loan->token[0] = '\0';
	leavings_remove_all(&k->leavings, k->record->dir, LOAN_FOLDER);
	watch_end_all(&loan->watches);
	tail_wake(&k->tails);
	answer_returns(loan);
	grant_next(loan);
}

static void give_back(struct loan *loan)
{
	struct keeper *k = loan->keeper;

	if (loan->returning || !*loan->token || k->phase != KEEPER_UP)
		return;
	loan->returning = true;
	loan->parting = false;
	for (size_t i = 0; i < k->nmembers; i++)
		if (k->members[i]->borrower)
			member_give_back(k->members[i]);
	loop_defer(k->loop, &loan->look);
}

static void on_user_gone(void *data)
{
	give_back(data);
}

static void on_return_event(struct bigm_request *req, void *data)
{
	struct loan *loan = data;

	if (!bigm_request_canceled(req))
		return;
	for (size_t i = 0; i < loan->nreturns; i++)
		if (loan->returns[i] == req)
			loan->returns[i] = loan->returns[--loan->nreturns];
	rpc_request_end(req);
}

void loan_return(struct loan *loan, const char *token,
		 struct bigm_request *req)
{
	if (!loan_is_of(loan, token))
		return;
	rpc_request_defer(req);
	loan->returns = xrealloc(loan->returns, (loan->nreturns + 1) *
							sizeof(*loan->returns));
	loan->returns[loan->nreturns++] = req;
	rpc_request_on_event(req, on_return_event, loan);
	if (!loan->returning && farewell_bid(loan->keeper))
		loan->parting = true;
	else
		give_back(loan);
}

void loan_farewell_over(struct loan *loan)
{
	if (loan->parting)
		give_back(loan);
}

void loan_member_changed(struct loan *loan, const struct member *m)
{
	AUTO_JSON cJSON *facts = NULL;

	if (!m->borrower)
		return;
	facts = member_loan_facts(m);
	watch_send_all(&loan->watches, facts);
	loop_defer(loan->keeper->loop, &loan->look);
}

void loan_member_alive(struct loan *loan, const struct member *m)
{
	AUTO_JSON cJSON *facts = NULL;

	if (!m->borrower || !loan->watches.first)
		return;
	facts = member_loan_facts(m);
	cJSON_AddItemToObject(facts, "keepalive", pulse_facts(&m->pulse));
	watch_offer_all(&loan->watches, facts);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

void loan_end(struct loan *loan)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct bigm_request *waiting = loan->waiting;

	loan->waiting = NULL;
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the cluster is shutting down");
	if (waiting)
		rpc_request_fail(waiting, &why);
	watch_end_all(&loan->users);
	watch_end_all(&loan->watches);
	answer_returns(loan);
}

void loan_release(struct loan *loan)
{
	free_orders(loan);
	free(loan->returns);
}
