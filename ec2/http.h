/*
 * http: one HTTP(S) request and its answer, blocking, over libcurl.
 *
 * A struct http keeps its connections alive, so that the second request to a
 * host costs no handshake.  It belongs to one thread at a time; two threads
 * have two.  Certificates are always checked; no redirection is followed; no
 * cookie or password file is used.  http_proxy, https_proxy and no_proxy of
 * the environment are obeyed, unless options say otherwise.
 *
 * An answer of any status is an answer: http_request() fails only where there
 * is none.  Everything that the other side sizes has a limit.
 */
#ifndef EC2_HTTP_H
#define EC2_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "bigm.h"
#include "ec2/cancel.h"

#define HTTP_CONNECT_MS 10000	   /* of a request that does not say */
#define HTTP_TIMEOUT_MS 60000
#define HTTP_ANSWER_LIMIT (1u << 20)
#define HTTP_BODY_LIMIT (1u << 20) /* of a request */

struct http;

/* Strings are copied. */
struct http_options {
	const char *ca_file;  /* PEM of the authorities to trust (as in
			       * AWS_CA_BUNDLE); NULL: the system's */
	bool no_proxy;	      /* ask nobody in between, whatever the environment
			       * says: for addresses of this link */
	const struct cancel *cancel; /* ends requests; outlives the http; or
				      * NULL */
};

/* options may be NULL.  NULL with an error when libcurl cannot be set up. */
struct http *http_new(const struct http_options *options,
		      struct bigm_error *err);
/* Closes the connections.  NULL is fine. */
void http_free(struct http *h);

/*
 * AWS Signature Version 4, made by libcurl, which also sends X-Amz-Date and,
 * for a session token, X-Amz-Security-Token; both are signed, and so are all
 * headers of the request.
 *
 * libcurl 7.88 signs the query of a URL as it stands, and its path without
 * encoding it once more, which AWS does: a signed request has its parameters in
 * the body, and a path of nothing but letters, digits and "/-._~".  Others are
 * refused with BIGM_EINVALID.  See HACKING.md.
 */
struct http_signature {
	const char *service; /* "ec2" */
	const char *region;  /* "us-west-2" */
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* NULL: none */
};

struct http_request {
	const char *method;	    /* "GET", "POST", "PUT" */
	const char *url;	    /* http:// or https:// */
	const char *const *headers; /* "Name: value", up to a NULL; or NULL.
				     * Control characters are BIGM_EINVALID */
	const void *body;	    /* NULL: none; at most HTTP_BODY_LIMIT */
	size_t body_len;
	uint64_t connect_ms; /* 0: HTTP_CONNECT_MS */
	uint64_t timeout_ms; /* for all of it; 0: HTTP_TIMEOUT_MS */
	size_t limit;	     /* of the answer's body; 0: HTTP_ANSWER_LIMIT */
	const struct http_signature *sign; /* NULL: not signed */
};

/* Initialised with HTTP_ANSWER_INIT, may be used again and again. */
struct http_answer {
	int status; /* 100 to 999 */
	struct buffer body;
};

#define HTTP_ANSWER_INIT { 0, BUFFER_INIT(0) }

/* Wipes what it holds: keys, maybe. */
void http_answer_release(struct http_answer *a);
#define AUTO_HTTP_ANSWER __attribute__((cleanup(http_answer_release)))

/*
 * Makes one request, and returns 0 when its whole answer is there, or
 *
 *   BIGM_EINVALID     the request itself cannot be made
 *   BIGM_EUNAVAILABLE no name, no connection, or one that was lost; retriable.
 *                     Whether the other side has seen the request is not known
 *   BIGM_EDEADLINE    a time limit passed; retriable, and as unknown
 *   BIGM_EPERMISSION  its certificate is not to be trusted
 *   BIGM_EPROTOCOL    what came is not HTTP
 *   BIGM_EEXHAUSTED   the answer is longer than the limit
 *   BIGM_ECANCELED    options.cancel was set
 *
 * The text names method and URL, the latter without its query.
 */
int http_request(struct http *h, const struct http_request *r,
		 struct http_answer *a, struct bigm_error *err);

/* A header of the last answer, the first one of that name in any case, valid
 * until the next request; NULL where there is none. */
const char *http_header(struct http *h, const char *name);

#endif
