#include "config.h"

#include "keeper/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "keeper/output.h"

#define CHUNK (128u << 10) /* more than any line */
/* Read by one tail in one turn of the loop. */
#define TURN_MAX (4u << 20)

struct tail {
	struct tail *next;
	struct tail_list *list;
	struct bigm_request *req; /* NULL once it is over */
	struct tail_request what;
	uint64_t offset; /* next to be read */
	uint64_t end;	 /* where it stops, without follow */
	struct buffer out;
	struct loop_task more;
};

/* The struct lives until its queued task has run. */
static void maybe_free(struct tail *t)
{
	if (!t->more.queued)
		free(t);
}

/* why NULL: it is complete. */
static void tail_end(struct tail *t, const struct bigm_error *why)
{
	struct tail_list *list = t->list;
	struct tail **p = &list->first;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	if (why)
		rpc_request_fail(t->req, why);
	else
		rpc_request_end(t->req);
	t->req = NULL;
	buffer_release(&t->out);
	tail_request_release(&t->what);
	maybe_free(t);
	if (!list->first)
		list->on_empty(list->data);
}

static struct journal_choice choice_of(const struct tail *t)
{
	return (struct journal_choice){ t->what.machines, t->what.show };
}

/* Moves the selected lines of a chunk to out; how many bytes were whole
 * lines. */
static size_t select_lines(struct tail *t, const uint8_t *chunk, size_t len)
{
	const struct journal_choice choice = choice_of(t);
	size_t done = 0;

	while (done < len) {
		struct output_line line;
		ssize_t n = output_parse(chunk + done, len - done, &line,
					 NULL);

		if (n == 0)
			break;
		if (n < 0) /* somebody wrote to our file: skip it all */
			return len;
		if (journal_selects(&choice, &line))
			buffer_append(&t->out, chunk + done, (size_t)n, NULL);
		done += (size_t)n;
	}
	return done;
}

/* Reads on in the journal; false at its present end. */
static bool fill(struct tail *t)
{
	uint8_t *chunk;
	uint64_t left = t->what.follow ? UINT64_MAX : t->end - t->offset;
	size_t n;

	if (left == 0 || t->offset >= journal_size(t->list->journal))
		return false;
	chunk = xmalloc(CHUNK);
	n = journal_read(t->list->journal, t->offset, chunk,
			 left < CHUNK ? (size_t)left : CHUNK);
	n = select_lines(t, chunk, n);
	free(chunk);
	t->offset += n;
	return n > 0;
}

/* False when the client takes no more now. */
static bool drain(struct tail *t)
{
	size_t len = t->out.len;
	int code = rpc_request_try_flush(t->req, &t->out, NULL);

	t->list->sent += len - t->out.len;
	return code > 0;
}

static bool is_over(const struct tail *t)
{
	const struct tail_list *list = t->list;

	return !t->what.follow ||
	       list->ended(&t->what, list->data);
}

static void pump(struct tail *t)
{
	uint64_t begin = t->offset;

	while (drain(t)) {
		if (t->offset - begin >= TURN_MAX) {
			loop_post(t->list->loop, &t->more);
			return;
		}
		if (fill(t))
			continue;
		if (is_over(t))
			tail_end(t, NULL);
		return;
	}
}

static void on_more(struct loop_task *task)
{
	struct tail *t = loop_container(task, struct tail, more);

	if (t->req)
		pump(t);
	else
		free(t);
}

static void on_event(struct bigm_request *req, void *data)
{
	struct tail *t = data;

	if (bigm_request_canceled(req))
		tail_end(t, NULL);
	else
		pump(t);
}

void tail_start(struct tail_list *list, struct bigm_request *req,
		struct tail_request *what)
{
	struct tail *t = xcalloc(1, sizeof(*t));
	struct journal_choice choice;

	t->list = list;
	t->req = req;
	t->what = *what;
	choice = choice_of(t);
	t->more.fn = on_more;
	t->end = journal_size(list->journal);
	t->offset = what->lines < 0 ? 0 :
		    journal_find_last(list->journal, &choice, what->lines);
	buffer_init(&t->out, 2 * CHUNK);
	t->next = list->first;
	list->first = t;
	rpc_request_on_event(req, on_event, t);
	pump(t);
}

void tail_wake(struct tail_list *list)
{
	struct tail *next;

	for (struct tail *t = list->first; t; t = next) {
		next = t->next;
		pump(t);
	}
}

static bool is_complete(const struct tail *t)
{
	uint64_t end = t->what.follow ? journal_size(t->list->journal) : t->end;

	return t->out.len == 0 && t->offset >= end;
}

void tail_end_all(struct tail_list *list)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct tail *next;

	bigm_error_set(&why, BIGM_EUNAVAILABLE,
		       "the cluster ended before all of its output was read");
	for (struct tail *t = list->first; t; t = next) {
		next = t->next;
		tail_end(t, is_complete(t) ? NULL : &why);
	}
}
