#include "config.h"

#include "rpc/client_impl.h"

static int no_stream(struct bigm_call *call, const char *what,
		     struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: the call was started without %s",
			      call_method(call), what);
}

/* Who has read the end knows that the call is over. */
static ssize_t note_end(struct bigm_call *call, ssize_t n, size_t len)
{
	if (n == 0 && len && call_settle(call, NULL))
		call_post(call, CALL_TELL);
	return n;
}

ssize_t rpc_call_try_read(struct bigm_call *call, void *buf, size_t len,
			  struct bigm_error *err)
{
	if (!call->in)
		return no_stream(call, "stream_reply", err);
	return note_end(call, flow_take(call->in, buf, len, err), len);
}

ssize_t bigm_call_read(struct bigm_call *call, void *buf, size_t len,
		       struct bigm_error *err)
{
	if (!call->in)
		return no_stream(call, "stream_reply", err);
	return note_end(call, flow_take_wait(call->in, buf, len, err), len);
}

ssize_t rpc_call_read_more(struct bigm_call *call, struct buffer *in,
			   struct bigm_error *err)
{
	uint8_t *room = buffer_reserve(in, RPC_PIECE, err);
	ssize_t n = room ? bigm_call_read(call, room, RPC_PIECE, err)
			 : BIGM_EEXHAUSTED;

	if (n > 0)
		buffer_commit(in, (size_t)n);
	return n;
}

int rpc_call_read_all(struct bigm_call *call, struct buffer *in,
		      struct bigm_error *err)
{
	ssize_t n;

	do
		n = rpc_call_read_more(call, in, err);
	while (n > 0);
	return (int)n;
}

ssize_t rpc_call_lend(struct bigm_call *call, const void **bytes, size_t want,
		      uint64_t patience_ms, struct bigm_error *err)
{
	if (!call->in)
		return no_stream(call, "stream_reply", err);
	return note_end(call, flow_lend(call->in, bytes, want, patience_ms, err),
			want);
}

ssize_t rpc_call_try_write(struct bigm_call *call, const void *buf, size_t len,
			   struct bigm_error *err)
{
	if (!call->out)
		return no_stream(call, "stream_arg", err);
	return flow_put(call->out, buf, len, err);
}

int rpc_call_try_flush(struct bigm_call *call, struct buffer *bytes,
		       struct bigm_error *err)
{
	if (bytes->len > 0 && !call->out)
		return no_stream(call, "stream_arg", err);
	return flow_put_buffer(call->out, bytes, err);
}

int bigm_call_write(struct bigm_call *call, const void *buf, size_t len,
		    struct bigm_error *err)
{
	if (!call->out)
		return no_stream(call, "stream_arg", err);
	return flow_put_all(call->out, buf, len, err);
}

int bigm_call_end(struct bigm_call *call, struct bigm_error *err)
{
	if (!call->out)
		return no_stream(call, "stream_arg", err);
	flow_end(call->out);
	call_post(call, CALL_RESUME);
	return 0;
}
