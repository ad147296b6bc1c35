/*
 * http_server: a small HTTP server on loopback for tests of what asks one. A
 * function of the test says what each request is answered.
 *
 * It has a thread for each connection, so that one may hang; the function is
 * called by one at a time.
 */
#ifndef TEST_HTTP_SERVER_H
#define TEST_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct http_server;

struct http_seen {
	char method[16];
	char path[1024];   /* with its query */
	char head[16384];  /* all of it, from the request line */
	const char *body;  /* NUL-terminated */
	size_t body_len;
	int connection;	   /* counted from 1 */
	int number;	   /* of the request, over all connections, from 1 */
};

enum http_fault {
	HTTP_FAULT_NONE,
	HTTP_FAULT_CLOSE,   /* no answer, the connection is closed */
	HTTP_FAULT_HANG,    /* no answer until the server is stopped */
	HTTP_FAULT_CUT,	    /* the head and half of the body, then closed */
	HTTP_FAULT_GARBAGE, /* what is no HTTP */
};

struct http_reply {
	int status;		/* 200 when left alone */
	const char *headers;	/* "Name: value\r\n" each; NULL: none */
	const char *body;	/* NULL: "" */
	size_t body_len;	/* 0: strlen(body) */
	enum http_fault fault;
	char text[65536]; /* room for a body that is made up */
};

typedef void http_serve_fn(const struct http_seen *seen,
			   struct http_reply *reply, void *data);

/* Asserts that all works out.  tls: with a certificate of its own making for
 * 127.0.0.1, of which http_server_ca() is the PEM file. */
struct http_server *http_server_new(http_serve_fn *serve, void *data);
struct http_server *http_server_new_tls(http_serve_fn *serve, void *data);
void http_server_free(struct http_server *s);

/* "http://127.0.0.1:PORT" or https. */
const char *http_server_url(const struct http_server *s);
const char *http_server_ca(const struct http_server *s);

/* Requests seen so far. */
int http_server_count(struct http_server *s);
/* Waits for that many, at most 30 s; false when they do not come. */
bool http_server_await(struct http_server *s, int count);

/* A header's value from a head, without regard to case, into out; "" when it
 * has none. */
void http_seen_header(const struct http_seen *seen, const char *name, char *out,
		      size_t size);

#endif
