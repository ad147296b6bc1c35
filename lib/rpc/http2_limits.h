/*
 * http2_limits: what an HTTP/2 session of ours allows its peer, and how large
 * its own frames are.  The figures that the protocol fixes are in rpc/wire.h.
 */
#ifndef RPC_HTTP2_LIMITS_H
#define RPC_HTTP2_LIMITS_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

/* The options of a new session, to be freed with nghttp2_option_del(). */
nghttp2_option *http2_new_option(void);

/* Tells the peer of a new session the limits; a client's differ in that it
 * refuses pushes. */
void http2_submit_limits(nghttp2_session *session, bool server);

/* nghttp2's data_source_read_length callback. */
ssize_t http2_frame_size(nghttp2_session *session, uint8_t type, int32_t id,
			 int32_t session_window, int32_t stream_window,
			 uint32_t max_frame_size, void *data);

#endif
