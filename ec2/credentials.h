/*
 * credentials: the keys that sign requests to AWS, found as every AWS tool
 * finds them.
 *
 * The sources, in the order in which they are asked (botocore's); the first
 * one that is set up counts, and when that one fails the search is over:
 *
 *	environment	    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 *			    AWS_SESSION_TOKEN
 *	the profile's role  role_arn with source_profile or credential_source;
 *			    external_id, role_session_name, duration_seconds
 *	web identity	    AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or
 *			    the profile's web_identity_token_file
 *	single sign-on	    the profile's sso_account_id and sso_role_name, and
 *			    the token that `aws sso login` keeps; that of an
 *			    sso_session is renewed before it expires, and kept
 *	the profile's keys  aws_access_key_id, aws_secret_access_key,
 *			    aws_session_token, in either file (botocore asks
 *			    the program before those in the config file)
 *	a program	    the profile's credential_process
 *	container	    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *	instance	    its metadata (ec2/metadata.h)
 *
 * A provider keeps what it found until five minutes before it expires, and
 * then asks all sources again.  When that fails, what it has is used as long
 * as it is good.  Secrets are never logged, stand in no error, and are wiped
 * with the memory they were in.
 */
#ifndef EC2_CREDENTIALS_H
#define EC2_CREDENTIALS_H

#include <stdint.h>

#include "bigm.h"
#include "ec2/aws_config.h"
#include "ec2/cancel.h"

struct metadata;

struct aws_credentials {
	char *access_key;
	char *secret_key;
	char *session_token; /* NULL: none */
	int64_t expires;     /* seconds since 1970; 0: not known to */
	char *source;	     /* for people: "environment", "profile dev" */
};

#define AWS_CREDENTIALS_INIT { NULL, NULL, NULL, 0, NULL }

/* Wipes and frees what it holds. */
void aws_credentials_release(struct aws_credentials *c);

#define AUTO_CREDENTIALS __attribute__((cleanup(aws_credentials_release)))

struct aws_provider_options {
	const struct aws_config *config; /* outlives the provider */
	struct metadata *metadata;	 /* so does this; NULL: no instance's */
	const char *region;		 /* STS's, copied; NULL: config's */
	const struct cancel *cancel;	 /* ends a search; NULL: nothing does */
	int64_t (*now)(void *data); /* seconds since 1970; NULL: the clock */
	void *data;
};

struct aws_provider;

struct aws_provider *aws_provider_new(const struct aws_provider_options *o);
/* NULL is fine. */
void aws_provider_free(struct aws_provider *p);

/*
 * The credentials to use now, a copy in *c, which is released first.  Any
 * thread; blocks while it, or another thread, asks a source: seconds, and at
 * most a minute for each step.  BIGM_EPERMISSION, or what the source's own
 * failure is; the text says which sources were tried, and why each gave
 * nothing.
 */
int aws_provider_get(struct aws_provider *p, struct aws_credentials *c,
		     struct bigm_error *err);

/* Forgets what it keeps: the next aws_provider_get() asks the sources.  For
 * when AWS says that they have expired. */
void aws_provider_forget(struct aws_provider *p);

#endif
