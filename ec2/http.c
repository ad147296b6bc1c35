#include "config.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/http.h"

#define HEADERS_LIMIT (64u << 10) /* of an answer, all together */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct http {
	CURLM *multi; /* has the connections */
	CURL *easy;
	char *ca_file;
	bool no_proxy;
	const struct cancel *cancel;
};

/* One request in flight. */
struct exchange {
	struct http *http;
	const struct http_request *request;
	struct http_answer *answer;
	struct curl_slist *headers;
	size_t headers_len;
	bool too_long;
	char text[CURL_ERROR_SIZE];
};

struct http *http_new(const struct http_options *options,
		      struct bigm_error *err)
{
	struct http *h;

	/* Counted, and safe in any thread: Debian's libcurl is "threadsafe". */
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		bigm_error_set(err, BIGM_EFAILED, "cannot set up libcurl");
		return NULL;
	}
	h = xcalloc(1, sizeof(*h));
	h->multi = curl_multi_init();
	h->easy = curl_easy_init();
	if (!h->multi || !h->easy)
		alloc_failed();
	if (options) {
		h->ca_file = options->ca_file ? xstrdup(options->ca_file) : NULL;
		h->no_proxy = options->no_proxy;
		h->cancel = options->cancel;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	free(h->ca_file);
	free(h);
}

void http_answer_release(struct http_answer *a)
{
	if (a->body.base)
		OPENSSL_cleanse(a->body.base, a->body.capacity);
	buffer_release(&a->body);
}

const char *http_header(struct http *h, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(h->easy, name, 0, CURLH_HEADER, -1, &header))
		return NULL;
	return header->value;
}

/* Refuses what would end a header or a request line before its time. */
static int check_line(const char *what, const char *text,
		      struct bigm_error *err)
{
	for (const char *s = text; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return bigm_error_set(err, BIGM_EINVALID,
					      "%s has a control character",
					      what);
	return 0;
}

/* What libcurl signs as AWS does, see http.h. */
static int check_signable(const char *url, struct bigm_error *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/-._~";
	const char *path = strstr(url, "://");

	path = path ? strchr(path + 3, '/') : NULL;
	if (strchr(url, '?') || strchr(url, '#') || strstr(url, "/.") ||
	    (path && (path[strspn(path, plain)] || strstr(path, "//"))))
		return bigm_error_set(err, BIGM_EINVALID,
				      "a signed request cannot have this path "
				      "or a query");
	return 0;
}

static int check(const struct http_request *r, struct bigm_error *err)
{
	int ret = check_line("the URL", r->url, err);

	/* libcurl says the same of this as of an answer that is not HTTP. */
	if (!ret && strncmp(r->url, "http://", 7) != 0 &&
	    strncmp(r->url, "https://", 8) != 0)
		ret = bigm_error_set(err, BIGM_EINVALID,
				     "it is no URL of HTTP");
	for (size_t i = 0; !ret && r->headers && r->headers[i]; i++)
		ret = check_line("a header", r->headers[i], err);
	if (!ret && r->sign)
		ret = check_signable(r->url, err);
	if (!ret && r->sign && r->sign->session_token)
		ret = check_line("the session token", r->sign->session_token,
				 err);
	if (!ret && r->body_len > HTTP_BODY_LIMIT)
		ret = bigm_error_set(err, BIGM_EINVALID,
				     "the request has %zu bytes", r->body_len);
	return ret;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	x->headers_len += size * n;
	x->too_long = x->headers_len > HEADERS_LIMIT;
	return x->too_long ? 0 : size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	x->too_long = buffer_append(&x->answer->body, data, size * n, NULL) < 0;
	return x->too_long ? 0 : size * n;
}

static void add_header(struct exchange *x, const char *line)
{
	struct curl_slist *longer = curl_slist_append(x->headers, line);

	if (!longer)
		alloc_failed();
	x->headers = longer;
}

/* Tokens may be among them. */
static void free_headers(struct exchange *x)
{
	for (struct curl_slist *line = x->headers; line; line = line->next)
		OPENSSL_cleanse(line->data, strlen(line->data));
	curl_slist_free_all(x->headers);
}

static void set_signature(struct exchange *x, const struct http_signature *s)
{
	CURL *easy = x->http->easy;
	AUTO_FREE char *how = xasprintf("aws:amz:%s:%s", s->region, s->service);

	curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, how);
	curl_easy_setopt(easy, CURLOPT_USERNAME, s->access_key);
	curl_easy_setopt(easy, CURLOPT_PASSWORD, s->secret_key);
	if (s->session_token) {
		AUTO_FREE char *token = xasprintf("X-Amz-Security-Token: %s",
						  s->session_token);
		add_header(x, token);
		OPENSSL_cleanse(token, strlen(token));
	}
}

static void set_body(struct exchange *x)
{
	const struct http_request *r = x->request;
	CURL *easy = x->http->easy;

	if (r->body || !strcmp(r->method, "POST")) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)r->body_len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				 r->body ? r->body : "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

/* What is the same for all requests. */
static void set_manners(struct exchange *x)
{
	CURL *easy = x->http->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Do not wait for a name server that nobody waits for any more. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "bigm/" PACKAGE_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->text);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
	if (x->http->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, x->http->ca_file);
	if (x->http->no_proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static void set_up(struct exchange *x)
{
	const struct http_request *r = x->request;
	const uint64_t connect = r->connect_ms ? r->connect_ms :
						 HTTP_CONNECT_MS;
	const uint64_t timeout = r->timeout_ms ? r->timeout_ms :
						 HTTP_TIMEOUT_MS;
	CURL *easy = x->http->easy;

	curl_easy_reset(easy);
	set_manners(x);
	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout);
	set_body(x);
	for (size_t i = 0; r->headers && r->headers[i]; i++)
		add_header(x, r->headers[i]);
	if (r->sign)
		set_signature(x, r->sign);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
}

/* Until the request has ended, or shall; true: canceled. */
static bool run(struct exchange *x, CURLcode *result)
{
	struct http *h = x->http;
	struct curl_waitfd fd = { .fd = cancel_fd(h->cancel),
				  .events = CURL_WAIT_POLLIN };
	int running, left;
	CURLMsg *message;

	while (!cancel_is_set(h->cancel)) {
		if (curl_multi_perform(h->multi, &running))
			break;
		message = curl_multi_info_read(h->multi, &left);
		if (message && message->msg == CURLMSG_DONE) {
			*result = message->data.result;
			return false;
		}
		curl_multi_poll(h->multi, &fd, h->cancel ? 1 : 0, 1000, NULL);
	}
	*result = CURLE_FAILED_INIT;
	return cancel_is_set(h->cancel);
}

static const struct {
	CURLcode result;
	int code;
	bool retriable;
} codes[] = {
	{ CURLE_URL_MALFORMAT, BIGM_EINVALID, false },
	{ CURLE_COULDNT_RESOLVE_PROXY, BIGM_EUNAVAILABLE, true },
	{ CURLE_COULDNT_RESOLVE_HOST, BIGM_EUNAVAILABLE, true },
	{ CURLE_COULDNT_CONNECT, BIGM_EUNAVAILABLE, true },
	{ CURLE_SSL_CONNECT_ERROR, BIGM_EUNAVAILABLE, true },
	{ CURLE_SEND_ERROR, BIGM_EUNAVAILABLE, true },
	{ CURLE_RECV_ERROR, BIGM_EUNAVAILABLE, true },
	{ CURLE_GOT_NOTHING, BIGM_EUNAVAILABLE, true },
	{ CURLE_PARTIAL_FILE, BIGM_EUNAVAILABLE, true },
	{ CURLE_OPERATION_TIMEDOUT, BIGM_EDEADLINE, true },
	{ CURLE_PEER_FAILED_VERIFICATION, BIGM_EPERMISSION, false },
	{ CURLE_SSL_CACERT_BADFILE, BIGM_EINVALID, false },
	{ CURLE_OUT_OF_MEMORY, BIGM_EEXHAUSTED, false },
};

static int fail(const struct exchange *x, CURLcode result,
		struct bigm_error *err)
{
	const char *text = x->text[0] ? x->text : curl_easy_strerror(result);

	if (x->too_long)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "the answer is longer than %zu bytes",
				      x->headers_len > HEADERS_LIMIT ?
					      HEADERS_LIMIT :
					      x->answer->body.limit);
	for (size_t i = 0; i < COUNT(codes); i++)
		if (codes[i].result == result && codes[i].retriable)
			return error_set_retriable(err, codes[i].code, "%s",
						   text);
		else if (codes[i].result == result)
			return bigm_error_set(err, codes[i].code, "%s", text);
	return bigm_error_set(err, BIGM_EPROTOCOL, "%s", text);
}

static int exchange_run(struct exchange *x, struct bigm_error *err)
{
	struct http *h = x->http;
	CURLcode result;
	long status = 0;
	bool canceled;

	set_up(x);
	if (curl_multi_add_handle(h->multi, h->easy))
		return bigm_error_set(err, BIGM_EFAILED, "libcurl refuses");
	canceled = run(x, &result);
	curl_multi_remove_handle(h->multi, h->easy);
	if (canceled)
		return cancel_error(err);
	if (result)
		return fail(x, result, err);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	x->answer->status = (int)status;
	return 0;
}

int http_request(struct http *h, const struct http_request *r,
		 struct http_answer *a, struct bigm_error *err)
{
	struct exchange x = { .http = h, .request = r, .answer = a };
	int ret = check(r, err);

	http_answer_release(a);
	buffer_init(&a->body, r->limit ? r->limit : HTTP_ANSWER_LIMIT);
	a->status = 0;
	if (!ret)
		ret = exchange_run(&x, err);
	/* The handle must not keep what is about to go, nor the secrets; what
	 * it knows of the answer it keeps. */
	curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(h->easy, CURLOPT_PASSWORD, NULL);
	free_headers(&x);
	if (ret < 0)
		error_prefix(err, "%s %.*s", r->method,
			     (int)strcspn(r->url, "?"), r->url);
	return ret;
}
