#include "config.h"

#include "rpc/http2_limits.h"

#include "base/alloc.h"
#include "rpc/wire.h"

#define FRAME_SIZE (64 << 10) /* large frames cost less; larger ones delay */
#define RESETS 1000000 /* peers are authenticated, and cancel by the thousand */

nghttp2_option *http2_new_option(void)
{
	nghttp2_option *option;

	if (nghttp2_option_new(&option) != 0)
		alloc_failed();
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_peer_max_concurrent_streams(option,
						       WIRE_MAX_STREAMS);
#ifdef HAVE_NGHTTP2_OPTION_SET_STREAM_RESET_RATE_LIMIT
	nghttp2_option_set_stream_reset_rate_limit(option, RESETS, RESETS);
#endif
	return option;
}

/* RFC 7540's priorities stay on: without them nghttp2 sends streams one after
 * the other, with them they take turns. */
void http2_submit_limits(nghttp2_session *session, bool server)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WIRE_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, WIRE_MAX_HEADERS },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, WIRE_MAX_STREAMS },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};
	const size_t n = sizeof(settings) / sizeof(settings[0]);

	/* ENABLE_PUSH is the client's alone. */
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
				server ? n - 1 : n);
	nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
					      WIRE_CONNECTION_WINDOW);
}

ssize_t http2_frame_size(nghttp2_session *session, uint8_t type, int32_t id,
			 int32_t session_window, int32_t stream_window,
			 uint32_t max_frame_size, void *data)
{
	int32_t size = FRAME_SIZE;

	if (size > session_window)
		size = session_window;
	if (size > stream_window)
		size = stream_window;
	if ((uint32_t)size > max_frame_size)
		size = (int32_t)max_frame_size;
	return size;
}
