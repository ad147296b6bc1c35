#include "config.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/wait.h"
#include "http_server.h"

#define CONNECTIONS 64
#define BODY_LIMIT (2u << 20)

struct connection {
	struct http_server *server;
	pthread_t thread;
	int fd, number;
	SSL *ssl;
	char *data; /* what has come and was not used yet */
	size_t len;
};

struct http_server {
	http_serve_fn *serve;
	void *data;
	int fd;
	char url[64], ca[64];
	SSL_CTX *tls;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	int requests, nconnections;
	bool stopping;
	struct connection *connections[CONNECTIONS];
};

static ssize_t receive(struct connection *c, void *data, size_t len)
{
	if (c->ssl)
		return SSL_read(c->ssl, data, (int)len);
	return recv(c->fd, data, len, 0);
}

static bool send_all(struct connection *c, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, data, (int)len) :
				     send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Reads until there are `want` bytes. */
static bool fill(struct connection *c, size_t want)
{
	while (c->len < want) {
		ssize_t n;

		if (c->len >= BODY_LIMIT)
			return false;
		n = receive(c, c->data + c->len, BODY_LIMIT - c->len);
		if (n <= 0)
			return false;
		c->len += (size_t)n;
		c->data[c->len] = '\0';
	}
	return true;
}

void http_seen_header(const struct http_seen *seen, const char *name, char *out,
		      size_t size)
{
	const size_t len = strlen(name);

	out[0] = '\0';
	for (const char *line = strstr(seen->head, "\r\n"); line && line[2];
	     line = strstr(line + 2, "\r\n")) {
		const char *s = line + 2;

		if (strncasecmp(s, name, len) || s[len] != ':')
			continue;
		s += len + 1;
		s += strspn(s, " ");
		snprintf(out, size, "%.*s", (int)strcspn(s, "\r"), s);
		return;
	}
}

/* One request; its body is behind its head in c->data. */
static bool request_read(struct connection *c, struct http_seen *seen,
			 size_t *used)
{
	char length[32];
	char *end;
	size_t head;

	c->data[c->len] = '\0';
	while (!(end = strstr(c->data, "\r\n\r\n")))
		if (!fill(c, c->len + 1))
			return false;
	head = (size_t)(end + 4 - c->data);
	if (head >= sizeof(seen->head))
		return false;
	memcpy(seen->head, c->data, head);
	seen->head[head] = '\0';
	if (sscanf(seen->head, "%15s %1023s", seen->method, seen->path) != 2)
		return false;
	http_seen_header(seen, "Content-Length", length, sizeof(length));
	seen->body_len = strtoul(length, NULL, 10);
	*used = head + seen->body_len;
	if (!fill(c, *used))
		return false;
	seen->body = c->data + head;
	return true;
}

/* The whole reply as bytes of our own: the test may free its own as soon as
 * the client has them. */
static char *reply_bytes(const struct http_reply *r, size_t *len)
{
	const char *body = r->body ? r->body : "";
	size_t body_len = r->body_len ? r->body_len : strlen(body);
	AUTO_FREE char *head = xasprintf(
		"HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n",
		r->status, body_len, r->headers ? r->headers : "");
	size_t head_len = strlen(head);
	char *bytes;

	if (r->fault == HTTP_FAULT_CUT)
		body_len /= 2;
	*len = head_len + body_len;
	bytes = xmalloc(*len + 1);
	memcpy(bytes, head, head_len);
	memcpy(bytes + head_len, body, body_len);
	return bytes;
}

static void fault_do(struct connection *c, enum http_fault fault)
{
	struct http_server *s = c->server;

	/* Nothing, but ThreadSanitizer takes it for what orders this thread's
	 * doings before those of who sees the connection closed. */
	send(c->fd, "", 0, MSG_NOSIGNAL);
	if (fault == HTTP_FAULT_GARBAGE)
		send_all(c, "SMTP? EHLO!\r\n\r\n", 15);
	if (fault == HTTP_FAULT_HANG) {
		pthread_mutex_lock(&s->lock);
		while (!s->stopping)
			pthread_cond_wait(&s->changed, &s->lock);
		pthread_mutex_unlock(&s->lock);
	}
}

static bool serve_one(struct connection *c, struct http_reply *reply)
{
	struct http_server *s = c->server;
	struct http_seen *seen = xcalloc(1, sizeof(*seen));
	AUTO_FREE char *bytes = NULL;
	bool more = false;
	size_t used, len;

	memset(reply, 0, offsetof(struct http_reply, text));
	reply->status = 200;
	if (request_read(c, seen, &used)) {
		pthread_mutex_lock(&s->lock);
		seen->connection = c->number;
		seen->number = ++s->requests;
		s->serve(seen, reply, s->data);
		bytes = reply_bytes(reply, &len);
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
		if (reply->fault == HTTP_FAULT_NONE ||
		    reply->fault == HTTP_FAULT_CUT)
			more = send_all(c, bytes, len) && !reply->fault;
		else
			fault_do(c, reply->fault);
		memmove(c->data, c->data + used, c->len - used + 1);
		c->len -= used;
	}
	free(seen);
	return more;
}

static void *connection_run(void *arg)
{
	struct connection *c = arg;
	struct http_reply *reply = xcalloc(1, sizeof(*reply));
	sigset_t pipe;

	/* OpenSSL writes to a client that has gone. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	if (c->server->tls) {
		c->ssl = SSL_new(c->server->tls);
		SSL_set_fd(c->ssl, c->fd);
	}
	if (!c->ssl || SSL_accept(c->ssl) == 1)
		while (serve_one(c, reply))
			;
	if (c->ssl)
		SSL_free(c->ssl);
	free(reply);
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *server_run(void *arg)
{
	struct http_server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct connection *c = xcalloc(1, sizeof(*c));

		c->server = s;
		c->fd = fd;
		c->data = xmalloc(BODY_LIMIT + 1);
		pthread_mutex_lock(&s->lock);
		if (s->nconnections == CONNECTIONS || s->stopping)
			abort();
		s->connections[s->nconnections++] = c;
		c->number = s->nconnections;
		pthread_mutex_unlock(&s->lock);
		if (pthread_create(&c->thread, NULL, connection_run, c))
			abort();
	}
	return NULL;
}

struct http_server *http_server_new(http_serve_fn *serve, void *data)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	struct http_server *s = xcalloc(1, sizeof(*s));

	s->serve = serve;
	s->data = data;
	pthread_mutex_init(&s->lock, NULL);
	wait_cond_init(&s->changed);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(s->fd, CONNECTIONS), 0);
	getsockname(s->fd, (struct sockaddr *)&in, &len);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d",
		 ntohs(in.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
	return s;
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static SSL_CTX *tls_new(const char *ca)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	FILE *file = fopen(ca, "w");

	assert_non_null(file);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	add_extension(x, NID_subject_alt_name, "IP:127.0.0.1");
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(file, x), 1);
	fclose(file);
	assert_int_equal(SSL_CTX_use_certificate(tls, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	return tls;
}

struct http_server *http_server_new_tls(http_serve_fn *serve, void *data)
{
	struct http_server *s = http_server_new(serve, data);
	const char *port = strrchr(s->url, ':') + 1;
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%s", port);
	const char *dir = getenv("TMPDIR");

	snprintf(s->ca, sizeof(s->ca), "%s/ca-%s.pem", dir ? dir : "/tmp", port);
	snprintf(s->url, sizeof(s->url), "%s", url);
	/* Nobody knows the port yet: no connection is there. */
	s->tls = tls_new(s->ca);
	return s;
}

void http_server_free(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	for (int i = 0; i < s->nconnections; i++) {
		struct connection *c = s->connections[i];

		shutdown(c->fd, SHUT_RDWR);
		pthread_join(c->thread, NULL);
		close(c->fd);
		free(c->data);
		free(c);
	}
	if (s->tls) {
		SSL_CTX_free(s->tls);
		unlink(s->ca);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *http_server_url(const struct http_server *s)
{
	return s->url;
}

const char *http_server_ca(const struct http_server *s)
{
	return s->ca;
}

int http_server_count(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	int n = s->requests;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool http_server_await(struct http_server *s, int count)
{
	const int64_t deadline = wait_deadline(30000);
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	while (s->requests < count && !ret)
		ret = wait_cond(&s->changed, &s->lock, deadline);
	pthread_mutex_unlock(&s->lock);
	return !ret;
}
