/*
 * tail: the output of a cluster's machines, read by whoever wants it, at its
 * own pace: the stream's window holds the keeper back, nothing else waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/wait.h"
#include "machine/cluster_private.h"

/* Who takes the lines; flush (or NULL) runs when what has arrived so far has
 * been given. */
struct taker {
	cluster_line_fn *line;
	int (*flush)(void *data);
	void *data;
};

static cJSON *tail_json(const struct cluster_tail_options *o, const char *use)
{
	cJSON *json = cJSON_CreateObject();

	if (o && o->machines)
		cJSON_AddItemToObject(json, "machines",
				      json_strings(o->machines));
	cJSON_AddBoolToObject(json, "follow", o ? o->follow : true);
	cJSON_AddNumberToObject(json, "lines", o ? (double)o->lines : -1);
	cJSON_AddStringToObject(json, "show",
				output_show_name(o ? o->show :
						     OUTPUT_SHOW_USUAL));
	if (use)
		cJSON_AddStringToObject(json, "use", use);
	return json;
}

/* use: until that loan is over; NULL: until the logs are. */
static struct bigm_call *begin(struct cluster *c,
			       const struct cluster_tail_options *options,
			       const char *use)
{
	struct bigm_call_options call = { .size = sizeof(call),
					  .stream_reply = true };
	AUTO_JSON cJSON *arg = tail_json(options, use);
	AUTO_FREE char *text = json_print(arg);

	return rpc_call_start(c->keeper, "Keeper.Tail", text, strlen(text),
			      &call);
}

static int give_lines(struct buffer *in, const struct taker *to,
		      struct bigm_error *err)
{
	struct output_line line;
	ssize_t n = 0;
	int r;

	while (in->len > 0 && (n = output_parse(buffer_data(in), in->len, &line,
						err)) > 0) {
		if ((r = to->line(&line, to->data)) != 0)
			return r;
		buffer_consume(in, n);
	}
	if (n < 0)
		return (int)n;
	return to->flush ? to->flush(to->data) : 0;
}

static int read_all(struct bigm_call *call, const struct taker *to,
		    struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(1 << 20);
	uint8_t *room;
	ssize_t n = 0;
	int r = 0;

	while (r == 0 && (room = buffer_reserve(&in, 64 << 10, err)) &&
	       (n = bigm_call_read(call, room, 64 << 10, err)) > 0) {
		buffer_commit(&in, n);
		r = give_lines(&in, to, err);
	}
	if (r == 0 && !room)
		r = bigm_error_set(err, BIGM_EPROTOCOL,
				   "Keeper.Tail: a line is endless");
	buffer_release(&in);
	return r != 0 ? r : (int)n;
}

int cluster_tail(struct cluster *c, const struct cluster_tail_options *options,
		 cluster_line_fn *fn, void *data, struct bigm_error *err)
{
	const struct taker to = { fn, options ? options->flush : NULL, data };
	struct bigm_call *call;
	int r;

	if (loop_on_thread(c->loop))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "reading output on the I/O thread would "
				      "block it");
	call = begin(c, options, NULL);
	r = read_all(call, &to, err);
	bigm_call_free(call);
	return r;
}

/* ------------------------------------------------------------------ */
/* Printing                                                            */

struct printing {
	struct cluster_printing to;
	int stop_fd; /* readable when there is no point in going on */
	struct buffer out;
};

/* False when the printing is to stop. */
static bool wait_writable(const struct printing *p)
{
	struct pollfd fds[] = {
		{ .fd = p->to.fd, .events = POLLOUT },
		{ .fd = p->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return fds[1].revents == 0;
}

/* In pieces that a pipe which is writable takes without blocking: the reader
 * of our output may have stopped reading for good. */
static int write_all(const struct printing *p, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		if (!wait_writable(p))
			return BIGM_ECANCELED;
		ssize_t n = write(p->to.fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return BIGM_EIO;
		if (n > 0) {
			bytes += n;
			len -= n;
		}
	}
	return 0;
}

static int print_flush(void *data)
{
	struct printing *p = data;
	int r = 0;

	if (p->to.write && p->out.len > 0)
		p->to.write(p->to.data, (const char *)buffer_data(&p->out),
			    p->out.len);
	else if (!p->to.write)
		r = write_all(p, buffer_data(&p->out), p->out.len);
	buffer_consume(&p->out, p->out.len);
	return r;
}

static int print_line(const struct output_line *line, void *data)
{
	struct printing *p = data;

	if (p->out.len > 128 << 10 && print_flush(p) < 0)
		return BIGM_EIO;
	if (buffer_appendf(&p->out, NULL, "%s%s%s: ", line->machine,
			   *line->label ? "/" : "", line->label) < 0 ||
	    buffer_append(&p->out, line->text, line->len, NULL) < 0 ||
	    buffer_append(&p->out, "\n", 1, NULL) < 0)
		return BIGM_EEXHAUSTED;
	return 0;
}

/* All signals are blocked: a reader of our output that went away must not end
 * the program by SIGPIPE.  Nobody can be told what goes wrong with it. */
static void *print_thread(void *data)
{
	struct cluster *c = data;
	struct printing p = { c->print, c->stop_fd, BUFFER_INIT(1 << 20) };
	const struct taker to = { print_line, print_flush, &p };

	read_all(c->tail, &to, NULL);
	print_flush(&p);
	buffer_release(&p.out);
	pthread_mutex_lock(&c->print_lock);
	c->printed = true;
	pthread_cond_broadcast(&c->print_changed);
	pthread_mutex_unlock(&c->print_lock);
	return NULL;
}

static void close_fds(struct cluster *c)
{
	if (c->print.fd >= 0)
		close(c->print.fd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
}

int cluster_print_start(struct cluster *c,
			const struct cluster_printing *printing,
			struct bigm_error *err)
{
	const struct cluster_tail_options what = {
		.follow = true,
		.lines = c->use ? 0 : -1,
		.show = printing->show,
	};
	int r;

	c->print = *printing;
	c->print.fd = fcntl(printing->fd, F_DUPFD_CLOEXEC, 3);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (c->print.fd < 0 || c->stop_fd < 0) {
		r = errno;
		close_fds(c);
		return error_set_errno(err, r, "the output of the machines");
	}
	c->tail = begin(c, &what, c->use);
	r = thread_start(&c->printer, NULL, print_thread, c);
	if (r == 0) {
		pthread_mutex_lock(&c->print_lock);
		c->printing = true;
		pthread_mutex_unlock(&c->print_lock);
		return 0;
	}
	bigm_call_free(c->tail);
	close_fds(c);
	return error_set_errno(err, r, "a thread for the machines' output");
}

int cluster_print_wait(struct cluster *c, int64_t timeout_ms,
		       struct bigm_error *err)
{
	int64_t deadline = wait_deadline(timeout_ms);

	pthread_mutex_lock(&c->print_lock);
	while (c->printing && !c->printed)
		if (wait_cond(&c->print_changed, &c->print_lock, deadline) != 0)
			break;
	bool done = !c->printing || c->printed;
	pthread_mutex_unlock(&c->print_lock);
	return done ? 0 : bigm_error_set(err, BIGM_EDEADLINE,
					 "the machines' output has not come to "
					 "its end");
}

void cluster_print_end(struct cluster *c)
{
	pthread_mutex_lock(&c->print_lock);
	bool printing = c->printing;
	c->printing = false;
	pthread_mutex_unlock(&c->print_lock);
	if (!printing)
		return;
	bigm_call_cancel(c->tail);
	eventfd_write(c->stop_fd, 1);
	pthread_join(c->printer, NULL);
	bigm_call_free(c->tail);
	close_fds(c);
}
