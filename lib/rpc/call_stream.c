#include "config.h"

#include "base/error.h"
#include "rpc/client_impl.h"

/* Credit goes back in steps of this, not for every read. */
#define CREDIT_STEP (WIRE_STREAM_WINDOW / 4)

static int no_stream(struct bigm_call *call, const char *what,
		     struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: the call was started without %s",
			      call_method(call), what);
}

static int on_io_thread(struct bigm_call *call, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EDEADLOCK,
			      "%s: the I/O thread cannot wait for a stream",
			      call_method(call));
}

ssize_t rpc_call_try_read(struct bigm_call *call, void *buf, size_t len,
			  struct bigm_error *err)
{
	size_t used_up;
	ssize_t n;

	if (!call->in)
		return no_stream(call, "stream_reply", err);
	n = flow_read(call->in, buf, len, err);
	if (n > 0) {
		used_up = atomic_fetch_add(&call->used_up, (size_t)n);
		if (used_up < CREDIT_STEP && used_up + n >= CREDIT_STEP)
			call_post(call, CALL_CREDIT);
	} else if (n == 0 && len && call_settle(call, NULL)) {
		call_post(call, CALL_TELL);
	}
	return n;
}

ssize_t bigm_call_read(struct bigm_call *call, void *buf, size_t len,
		       struct bigm_error *err)
{
	ssize_t n;

	if (!call->in)
		return no_stream(call, "stream_reply", err);
	pthread_mutex_lock(&call->in->user);
	while ((n = rpc_call_try_read(call, buf, len, err)) == RPC_AGAIN) {
		if (loop_on_thread(call->client->loop)) {
			n = on_io_thread(call, err);
			break;
		}
		flow_wait_readable(call->in, 0);
	}
	pthread_mutex_unlock(&call->in->user);
	return n;
}

ssize_t rpc_call_try_write(struct bigm_call *call, const void *buf, size_t len,
			   struct bigm_error *err)
{
	ssize_t n;

	if (!call->out)
		return no_stream(call, "stream_arg", err);
	n = flow_write(call->out, buf, len, err);
	if (n > 0 && flow_feeds(call->out))
		call_post(call, CALL_RESUME);
	return n;
}

static int write_all(struct bigm_call *call, const uint8_t *bytes, size_t len,
		     struct bigm_error *err)
{
	ssize_t n;

	while (len) {
		n = rpc_call_try_write(call, bytes, len, err);
		if (n < 0)
			return (int)n;
		bytes += n;
		len -= (size_t)n;
		if (!len)
			break;
		if (loop_on_thread(call->client->loop))
			return on_io_thread(call, err);
		flow_wait_writable(call->out, 0);
	}
	return 0;
}

int bigm_call_write(struct bigm_call *call, const void *buf, size_t len,
		    struct bigm_error *err)
{
	int rc;

	if (!call->out)
		return no_stream(call, "stream_arg", err);
	pthread_mutex_lock(&call->out->user);
	rc = write_all(call, buf, len, err);
	pthread_mutex_unlock(&call->out->user);
	return rc;
}

int bigm_call_end(struct bigm_call *call, struct bigm_error *err)
{
	if (!call->out)
		return no_stream(call, "stream_arg", err);
	flow_end(call->out);
	call_post(call, CALL_RESUME);
	return 0;
}
