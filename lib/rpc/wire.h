/*
 * wire: what travels, in one place.
 *
 * HTTP/2 over mutually authenticated TLS 1.3 (ALPN "h2") between machines,
 * drivers and the keeper; the same HTTP/2 without TLS over the keeper's
 * control socket, where the kernel tells who the peer is.
 *
 *   request	:method POST, :path /bigrpc/SERVICE.METHOD
 *		content-type	  application/json, or application/octet-stream
 *				  where the method's argument is a stream
 *		x-bigm-version	  WIRE_VERSION; ours always, curl may omit it;
 *				  another one is answered 505 with a clear word
 *		x-bigm-timeout	  milliseconds the caller still waits; optional
 *   reply	:status 200	  the value (application/json), or the stream
 *		:status 590	  the method's own error
 *		:status 404	  no such service or method
 *		:status 400	  the argument is no JSON, too large, …
 *		:status 403	  the peer's role may not call this
 *		:status 503	  out of workers or of memory for arguments, or
 *				  going down; retriable
 *		:status 505	  another wire version
 *		every status but 200 has the body
 *			{"code": "NOTFOUND", "message": "…", "retriable": false}
 *		x-bigmachine-error  trailer: the same object, when a stream
 *				  breaks after its 200
 *
 * Canceling is RST_STREAM with CANCEL, by either side.
 */
#ifndef RPC_WIRE_H
#define RPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

#define WIRE_VERSION 1
#define WIRE_VERSION_TEXT "1"
#define WIRE_PREFIX "/bigrpc/"
#define WIRE_HEADER_VERSION "x-bigm-version"
#define WIRE_HEADER_TIMEOUT "x-bigm-timeout"
#define WIRE_TRAILER_ERROR "x-bigmachine-error"
#define WIRE_TYPE_JSON "application/json"
#define WIRE_TYPE_STREAM "application/octet-stream"

enum wire_status {
	WIRE_OK = 200,
	WIRE_BAD_ARGUMENT = 400,
	WIRE_FORBIDDEN = 403,
	WIRE_NO_METHOD = 404,
	WIRE_UNAVAILABLE = 503,
	WIRE_BAD_VERSION = 505,
	WIRE_METHOD_ERROR = 590,
};

/* Limits on what a peer may send. */
#define WIRE_MAX_JSON (64u << 20)	/* one JSON argument or reply */
#define WIRE_MAX_ERROR 4096u		/* an error's body or trailer */
#define WIRE_MAX_METHOD 256u		/* "Service.Method" */
#define WIRE_MAX_HEADERS (16u << 10)	/* of one request or reply */
#define WIRE_STREAM_WINDOW (1u << 20)
#define WIRE_WIDE_WINDOW (4u << 20)	/* of bulk, see RPC_WIDE_ARG */
#define WIRE_CONNECTION_WINDOW (64u << 20)
#define WIRE_MAX_BUFFERED (256u << 20)	/* by one connection, all streams */
#define WIRE_MAX_STREAMS 16384u		/* in flight on one connection */
#define WIRE_MAX_TIMEOUT 31536000000u	/* ms, one year; more means none */

enum wire_type { WIRE_NO_TYPE, WIRE_JSON, WIRE_STREAM, WIRE_OTHER_TYPE };

/* What the headers of one message say, as they come in. */
struct wire_head {
	size_t bytes;		/* of headers, names and values */
	unsigned status;	/* reply; 0: none or no number */
	bool post;		/* request: the method is POST */
	bool has_timeout;
	enum wire_type type;
	const char *refused;	/* what is wrong with them; NULL: nothing */
	uint64_t timeout_ms;
	char version[16];	/* as sent; "" when it is absent */
	char path[sizeof(WIRE_PREFIX) + WIRE_MAX_METHOD]; /* cut */
	size_t path_len;	/* not cut */
	char *error;		/* trailer; malloc'ed */
};

/* Takes one header or trailer; unknown ones only count. */
void wire_head_add(struct wire_head *head, const uint8_t *name,
		   size_t name_len, const uint8_t *value, size_t value_len);
void wire_head_release(struct wire_head *head);

/*
 * What a request asks for.  Returns WIRE_OK with *method pointing into head
 * ("Service.Method"), or the status to refuse it with and *err set.
 */
enum wire_status wire_head_check(const struct wire_head *head,
				 const char **method, struct bigm_error *err);

/* "200" and friends; static storage. */
const char *wire_status_text(enum wire_status status);

/* An error as it travels, malloc'ed; and back.  Decoding what is no error
 * text yields BIGM_EPROTOCOL.  Returns err's code. */
char *wire_error_encode(const struct bigm_error *err);
int wire_error_decode(const void *text, size_t len, unsigned status,
		      struct bigm_error *err);

#endif
