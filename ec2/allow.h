/*
 * allow: from which addresses instances may be reached.
 *
 * Whoever starts a cluster talks to its machines, and as a rule nobody else
 * should: so what is let in is the user's list (--ec2-allow), else the address
 * that this host has in the eyes of others.
 */
#ifndef EC2_ALLOW_H
#define EC2_ALLOW_H

#include <stdbool.h>

#include "bigm.h"
#include "ec2/cancel.h"

struct metadata;

#define ALLOW_TEXT 64

/* "203.0.113.7/32", as EC2 writes it: without bits behind the prefix. */
struct allow {
	char cidr[ALLOW_TEXT];
	bool v6;
};

/* An address, or an address and a prefix; BIGM_EINVALID for anything else. */
int allow_parse(const char *text, struct allow *a, struct bigm_error *err);

/* Where to learn this host's address. */
struct allow_sources {
	struct metadata *metadata;   /* of the instance it may be; or NULL */
	const char *url;	     /* a page that is nothing but the caller's
				      * address; NULL: none */
	const char *ca_file;	     /* as in ec2/http.h, for the page */
	const struct cancel *cancel; /* or NULL */
};

/* This host's address alone.  Blocks, seconds.  When nobody knows it, the
 * error says whom was asked, and to give --ec2-allow. */
int allow_here(const struct allow_sources *from, struct allow *a,
	       struct bigm_error *err);

#endif
