#include "config.h"

#include "debug/errand.h"

#include "base/error.h"
#include "base/wait.h"

/* How often who waits looks whether anybody waits for it. */
#define SLICE_MS 50

void debug_errand_init(struct debug_errand *errand,
		       void (*begin)(struct debug_errand *errand),
		       void (*free)(struct debug_errand *errand))
{
	*errand = (struct debug_errand){ .begin = begin, .free = free,
					 .refs = 1 };
	pthread_mutex_init(&errand->lock, NULL);
	wait_cond_init(&errand->changed);
}

void debug_errand_unref(struct debug_errand *errand)
{
	int left;

	pthread_mutex_lock(&errand->lock);
	left = --errand->refs;
	pthread_mutex_unlock(&errand->lock);
	if (left > 0)
		return;
	pthread_mutex_destroy(&errand->lock);
	pthread_cond_destroy(&errand->changed);
	errand->free(errand);
}

static void on_task(struct loop_task *task)
{
	struct debug_errand *errand =
		loop_container(task, struct debug_errand, task);
	bool wanted;

	pthread_mutex_lock(&errand->lock);
	wanted = !errand->given_up;
	pthread_mutex_unlock(&errand->lock);
	if (wanted)
		errand->begin(errand);
	else
		debug_errand_unref(errand);
}

void debug_errand_done(struct debug_errand *errand)
{
	pthread_mutex_lock(&errand->lock);
	errand->done = true;
	pthread_cond_signal(&errand->changed);
	pthread_mutex_unlock(&errand->lock);
	debug_errand_unref(errand);
}

int debug_errand_run(struct debug_errand *errand, struct loop *loop,
		     const struct debug_request *req, uint64_t timeout_ms,
		     struct bigm_error *err)
{
	int64_t end = wait_deadline((int64_t)timeout_ms);
	bool over = false, done;

	errand->refs = 2;
	errand->task.fn = on_task;
	loop_post(loop, &errand->task);
	pthread_mutex_lock(&errand->lock);
	while (!errand->done && !(over = debug_over(req))) {
		int64_t slice = wait_deadline(SLICE_MS);

		if (wait_cond(&errand->changed, &errand->lock,
			      slice < end ? slice : end) != 0 && slice >= end)
			break;
	}
	done = errand->done;
	errand->given_up = !done;
	pthread_mutex_unlock(&errand->lock);
	if (done)
		return 0;
	if (over)
		return bigm_error_set(err, BIGM_ECANCELED,
				      "nobody waits for the page any more");
	return bigm_error_set(err, BIGM_EDEADLINE, "no answer within %.1f s",
			      (double)timeout_ms / 1000);
}
