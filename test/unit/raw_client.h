/*
 * raw_client: an HTTP/2 client that says what no client of ours would, over a
 * blocking socket, for the tests of the server.
 */
#ifndef TEST_RAW_CLIENT_H
#define TEST_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct raw_header {
	const char *name, *value;
};

struct raw_reply {
	int status;	  /* 0: none came */
	bool reset;	  /* the stream was, without a status */
	bool connection_ended;
	bool all_sent; /* the whole body was */
	char body[8192];
	size_t len;
};

/* One POST with these headers beside the pseudo ones (path as given) on a
 * fresh session over fd, which is closed; body NULL: none. */
void raw_request(int fd, const char *path, const struct raw_header *headers,
		 const char *body, struct raw_reply *reply);

/* The same, but sends the body only when the whole reply is there. */
void raw_request_late(int fd, const char *path, const char *body,
		      struct raw_reply *reply);

#endif
