/*
 * errands: what EC2 is asked on behalf of the machines.
 *
 * An errand takes what has gathered since the last one of its kind, goes to a
 * thread of libuv's with copies, and comes back.  At most one of a kind is
 * under way, but for consoles: that makes batches by itself, and leaves threads
 * for others.
 */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ec2/system_private.h"

#define SECOND_NS 1000000000ull
/* Instances that seem to be well are looked at so often. */
#define LOOK_NS (60 * SECOND_NS)
/* Those that are on their way: as often as that is a part of the time since
 * their launch. */
#define URGENT_LEAST_NS (SECOND_NS / 4)
#define URGENT_PART 10
/* For ids that EC2 may not know yet. */
#define PATIENCE_MS 60000
#define CONSOLE_LINES 8

/* What all errands have. */
struct errand {
	uv_work_t work;
	struct system *system;
	void (*run)(struct errand *errand);    /* on its thread */
	void (*finish)(struct errand *errand); /* on the loop's */
	struct ec2_failure failure;
};

static void run_errand(uv_work_t *work)
{
	struct errand *errand = loop_container(work, struct errand, work);

	errand->run(errand);
}

static void finish_errand(uv_work_t *work, int status)
{
	struct errand *errand = loop_container(work, struct errand, work);
	struct system *s = errand->system;

	errand->finish(errand);
	free(errand);
	errands_wake(s);
}

/* An errand, of which struct errand is the first member. */
static void *new_errand(struct system *s, size_t size,
			void (*run)(struct errand *errand),
			void (*finish)(struct errand *errand))
{
	static const struct ec2_failure none = EC2_FAILURE_INIT;
	struct errand *errand = xcalloc(1, size);

	errand->system = s;
	errand->run = run;
	errand->finish = finish;
	errand->failure = none;
	return errand;
}

static void dispatch(struct errand *errand)
{
	uv_queue_work(loop_uv(errand->system->keeper.loop), &errand->work,
		      run_errand, finish_errand);
}

/* ------------------------------------------------------------------ */
/* Launching                                                           */

struct launching {
	struct errand errand;
	struct launcher_order order;
	char *bootstrap;
	struct system_launch **launches;
	struct launched *launched;
	size_t n, count;
};

static void run_launching(struct errand *errand)
{
	struct launching *job = (struct launching *)errand;

	launcher_launch(errand->system->launcher, &job->order, job->launched,
			&job->count, &errand->failure);
}

static void warn(struct system *s, const char *text)
{
	if (text)
		s->keeper.warn(s->keeper.keeper, text);
}

static void finish_launching(struct errand *errand)
{
	struct launching *job = (struct launching *)errand;

	struct system *s = errand->system;
	AUTO_FREE char *note = launcher_take_note(s->launcher);

	s->launching = false;
	warn(s, note);
	for (size_t i = 0; i < job->n; i++) {
		struct system_launch *l = job->launches[i];

		l->launching = false;
		if (i < job->count)
			instance_launched(l, &job->launched[i]);
		else
			instance_end(l, &errand->failure.error, 0);
	}
	OPENSSL_cleanse(job->bootstrap, strlen(job->bootstrap));
	free(job->bootstrap);
	free(job->launches);
	free(job->launched);
}

static bool waits_for_launch(const struct system_launch *l)
{
	return !l->is.id && !l->gone && !l->launching;
}

static size_t count_waiting(const struct system *s)
{
	const struct system_launch *l;
	size_t n = 0;

	TAILQ_FOREACH(l, &s->launches, entry)
		n += waits_for_launch(l);
	return n;
}

static void fail_waiting(struct system *s, const struct bigm_error *why)
{
	struct system_launch *l;

	TAILQ_FOREACH(l, &s->launches, entry)
		if (waits_for_launch(l))
			instance_end(l, why, 0);
}

/* USD an hour. */
static double spent(const struct system *s)
{
	const struct system_launch *l;
	struct bill bill = { 0 };

	TAILQ_FOREACH(l, &s->launches, entry)
		instance_bill(l, &bill);
	return bill.usd_per_hour;
}

static void launch(struct system *s)
{
	size_t n = count_waiting(s);
	struct bigm_error why = BIGM_ERROR_INIT;
	struct system_launch *l;
	char *bootstrap;

	if (n == 0 || s->launching)
		return;
	warn(s, s->note);
	free(s->note);
	s->note = NULL;
	bootstrap = s->keeper.bootstrap(s->keeper.keeper, &why);
	if (!bootstrap) {
		fail_waiting(s, &why);
		return;
	}
	struct launching *job = new_errand(s, sizeof(*job), run_launching,
					   finish_launching);
	job->bootstrap = bootstrap;
	job->launches = xcalloc(n, sizeof(struct system_launch *));
	job->launched = xcalloc(n, sizeof(*job->launched));
	TAILQ_FOREACH(l, &s->launches, entry) {
		if (!waits_for_launch(l))
			continue;
		l->launching = true;
		instance_set_phase(l, "requested");
		job->launches[job->n++] = l;
	}
	job->order = (struct launcher_order){
		.n = n, .spent = spent(s), .bootstrap = bootstrap,
		.program = job->launches[0]->program,
		.argv = job->launches[0]->argv,
	};
	s->launching = true;
	dispatch(&job->errand);
}

/* ------------------------------------------------------------------ */
/* Looking                                                             */

struct looking {
	struct errand errand;
	char **ids;
	size_t n;
	struct ec2_instances instances;
};

static void run_looking(struct errand *errand)
{
	struct looking *job = (struct looking *)errand;

	ec2_describe_ids(errand->system->client, (const char *const *)job->ids,
			 job->n, &job->instances, &errand->failure);
}

static bool was_asked_for(const struct looking *job, const char *id)
{
	for (size_t i = 0; i < job->n; i++)
		if (strcmp(job->ids[i], id) == 0)
			return true;
	return false;
}

static void finish_looking(struct errand *errand)
{
	struct looking *job = (struct looking *)errand;
	struct system *s = errand->system;
	struct system_launch *l;

	s->looking = false;
	if (errand->failure.kind != EC2_OK)
		log_warn("%s", errand->failure.error.text);
	TAILQ_FOREACH(l, &s->launches, entry) {
		if (!l->is.id || !was_asked_for(job, l->is.id))
			continue;
		if (errand->failure.kind == EC2_OK)
			instance_seen(l, ec2_instances_find(&job->instances,
							    l->is.id));
		else
			l->suspect = l->suspect || l->doubted;
	}
	ec2_instances_release(&job->instances);
	for (size_t i = 0; i < job->n; i++)
		free(job->ids[i]);
	free(job->ids);
}

static bool is_urgent(const struct system_launch *l)
{
	return !l->host || l->suspect;
}

static uint64_t look_step_ns(const struct system_launch *l, uint64_t now)
{
	uint64_t step = (now - l->launched_ns) / URGENT_PART;

	if (!is_urgent(l))
		return LOOK_NS;
	if (l->suspect || step > SECOND_NS)
		return SECOND_NS;
	return step < URGENT_LEAST_NS ? URGENT_LEAST_NS : step;
}

static void on_look_timer(struct loop_timer *timer)
{
	errands_wake(loop_container(timer, struct system, look_timer));
}

static bool is_there(const struct system_launch *l)
{
	return l->is.id && !l->gone;
}

static struct looking *new_looking(struct system *s)
{
	struct looking *job = new_errand(s, sizeof(*job), run_looking,
					 finish_looking);
	struct system_launch *l;

	TAILQ_FOREACH(l, &s->launches, entry) {
		if (!is_there(l))
			continue;
		job->ids = xrealloc(job->ids, (job->n + 1) * sizeof(*job->ids));
		job->ids[job->n++] = xstrdup(l->is.id);
		/* What comes to be suspect from here on, the answer may not
		 * know of yet. */
		l->doubted = l->suspect;
		l->suspect = false;
	}
	return job;
}

static void look(struct system *s)
{
	uint64_t now = loop_now_ns(), due = 0;
	struct system_launch *l;
	struct looking *job;

	TAILQ_FOREACH(l, &s->launches, entry) {
		uint64_t next = s->looked_ns + look_step_ns(l, now);

		if (is_there(l) && (due == 0 || next < due))
			due = next;
	}
	if (s->looking || due == 0)
		return;
	if (now < due) {
		loop_timer_start(s->keeper.loop, &s->look_timer,
				 (due - now) / 1000000 + 1, on_look_timer);
		return;
	}
	job = new_looking(s);
	s->looked_ns = now;
	s->looking = true;
	dispatch(&job->errand);
}

/* ------------------------------------------------------------------ */
/* Ending                                                              */

struct ending {
	struct errand errand;
	char **ids;
	struct ec2_ending *endings;
	size_t n;
};

static void run_ending(struct errand *errand)
{
	struct ending *job = (struct ending *)errand;

	ec2_terminate(errand->system->client, job->endings, job->n, PATIENCE_MS,
		      &errand->failure);
}

/* What time heals. */
static bool may_pass(enum ec2_kind kind)
{
	return kind == EC2_NETWORK || kind == EC2_SERVER ||
	       kind == EC2_THROTTLING;
}

/* It is tried again where that can help, until the keeper gives up. */
static void report_ending(struct system *s, const struct ec2_ending *ending,
			  const struct ec2_failure *f)
{
	if (ending->kind == EC2_OK) {
		log_info("%s is %s", ending->id,
			 ec2_state_name(ending->state));
	} else if (may_pass(ending->kind)) {
		log_warn("%s is still to be terminated: %s", ending->id,
			 f->error.text);
		errands_terminate(s, ending->id);
	} else {
		log_error("%s could not be terminated (it powers off when its "
			  "lease is over): %s", ending->id, f->error.text);
	}
}

static void finish_ending(struct errand *errand)
{
	struct ending *job = (struct ending *)errand;

	errand->system->ending = false;
	for (size_t i = 0; i < job->n; i++) {
		report_ending(errand->system, &job->endings[i],
			      &errand->failure);
		free(job->ids[i]);
	}
	free(job->ids);
	free(job->endings);
}

void errands_terminate(struct system *s, const char *id)
{
	s->doomed = xrealloc(s->doomed, (s->ndoomed + 1) * sizeof(*s->doomed));
	s->doomed[s->ndoomed++] = xstrdup(id);
	errands_wake(s);
}

static void end(struct system *s)
{
	struct ending *job;

	if (s->ending || s->ndoomed == 0)
		return;
	job = new_errand(s, sizeof(*job), run_ending, finish_ending);
	job->ids = s->doomed;
	job->n = s->ndoomed;
	s->doomed = NULL;
	s->ndoomed = 0;
	job->endings = xcalloc(job->n, sizeof(*job->endings));
	for (size_t i = 0; i < job->n; i++)
		job->endings[i].id = job->ids[i];
	s->ending = true;
	dispatch(&job->errand);
}

/* ------------------------------------------------------------------ */
/* The last one                                                        */

static void run_closing(struct errand *errand)
{
	launcher_clean_up(errand->system->launcher, &errand->failure);
}

static void finish_closing(struct errand *errand)
{
	struct system *s = errand->system;
	void (*done)(void *data) = s->on_ended;

	if (errand->failure.kind != EC2_OK)
		log_error("not everything could be put away: %s",
			  errand->failure.error.text);
	s->closing = false;
	s->on_ended = NULL;
	done(s->ended_data);
}

/* When nothing else is under way. */
static void close_down(struct system *s)
{
	struct errand *job;

	if (!s->on_ended || s->closing || s->launching || s->looking ||
	    s->ending || s->asking > 0)
		return;
	s->closing = true;
	job = new_errand(s, sizeof(*job), run_closing, finish_closing);
	dispatch(job);
}

/* ------------------------------------------------------------------ */
/* Consoles                                                            */

struct asking {
	struct errand errand;
	struct system_launch *launch;
	struct bigm_error why;
	char *id, *text;
};

static void run_asking(struct errand *errand)
{
	struct asking *job = (struct asking *)errand;

	ec2_console_output(errand->system->client, job->id, &job->text,
			   &errand->failure);
}

/* Its last lines. */
static const char *tail_of(const char *text)
{
	const char *p = text + strlen(text);
	int lines = 0;

	while (p > text && (p[-1] != '\n' || ++lines <= CONSOLE_LINES))
		p--;
	return p;
}

/* The last line by which systemd or cloud-init say that something failed, with
 * room for `size` bytes; without one the last lines. */
static void console_words(const char *text, char *words, size_t size)
{
	static const char *const marks[] = { "[FAILED]", "[ERROR]",
					     "[WARNING]", "Kernel panic" };
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && !found; i++)
		for (const char *p = text; (p = strstr(p, marks[i])); p++)
			found = p;
	if (found)
		text_format(words, size, "%.*s", (int)strcspn(found, "\r\n"),
			    found);
	else
		text_format(words, size, "%s",
			    *text ? tail_of(text) : "nothing");
}

static void finish_asking(struct errand *errand)
{
	struct asking *job = (struct asking *)errand;
	struct system_launch *l = job->launch;
	struct bigm_error why = BIGM_ERROR_INIT;
	char words[200];

	errand->system->asking--;
	l->checking = false;
	if (job->text) {
		console_words(job->text, words, sizeof(words));
		log_warn("%s: the console of %s ends: %s", l->name, job->id,
			 tail_of(job->text));
	}
	bigm_error_set(&why, job->why.code, "%s Its console %s: %s",
		       job->why.text, job->text ? "says" : "cannot be had",
		       job->text ? words : errand->failure.error.text);
	instance_end(l, &why, 0);
	free(job->text);
	free(job->id);
}

void errands_console(struct system_launch *l, const struct bigm_error *why)
{
	if (l->checking || l->gone)
		return;
	struct asking *job = new_errand(l->system, sizeof(*job), run_asking,
					finish_asking);

	l->checking = true;
	l->system->asking++;
	job->launch = l;
	job->why = *why;
	job->id = xstrdup(l->is.id);
	dispatch(&job->errand);
}

/* ------------------------------------------------------------------ */

static void sweep(struct system *s)
{
	struct system_launch *l = TAILQ_FIRST(&s->launches), *next;

	for (; l; l = next) {
		next = TAILQ_NEXT(l, entry);
		instance_maybe_free(l);
	}
}

static void on_errands(struct loop_task *task)
{
	struct system *s = loop_container(task, struct system, errands);

	if (s->freeing)
		return;
	sweep(s);
	launch(s);
	end(s);
	look(s);
	close_down(s);
}

void errands_wake(struct system *s)
{
	s->errands.fn = on_errands;
	loop_defer(s->keeper.loop, &s->errands);
}
