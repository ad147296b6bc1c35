/*
 * client: calls EC2's Query API (version 2016-11-15) in one region.
 *
 * Every call waits for a token of EC2's own request limits, is signed with
 * credentials that are asked for anew, and is made again where that can help:
 * throttled calls, EC2's own problems and lost connections with growing, random
 * waits (ec2/retry.h); expired credentials once, with fresh ones.  A repeated
 * call is the same to the byte, so a ClientToken in it, which every call that
 * creates must have (ec2_token()), lets EC2 know it again.
 *
 * Calls block: seconds as a rule, minutes at worst.  They are made from any
 * number of threads at once, but never from a loop's.  `cancel` of the options
 * ends them all.
 */
#ifndef EC2_CLIENT_H
#define EC2_CLIENT_H

#include "bigm.h"
#include "ec2/cancel.h"
#include "ec2/failure.h"
#include "ec2/params.h"
#include "ec2/retry.h"
#include "ec2/xml.h"

struct aws_provider; /* ec2/credentials.h */
struct ec2_client;

/* Strings are copied; the rest outlives the client. */
struct ec2_client_options {
	struct aws_provider *provider;
	const char *region;
	const char *endpoint; /* aws_config_endpoint() */
	const char *ca_file;  /* as in ec2/http.h; NULL: the system's */
	const struct cancel *cancel; /* or NULL */
	struct retry retry;   /* all 0: RETRY_DEFAULTS */
};

/* NULL with an error when libcurl cannot be set up. */
struct ec2_client *ec2_client_new(const struct ec2_client_options *o,
				  struct bigm_error *err);
/* No call is under way any more.  NULL is fine. */
void ec2_client_free(struct ec2_client *c);

const char *ec2_client_region(const struct ec2_client *c);
const struct cancel *ec2_client_cancel(const struct ec2_client *c);

/*
 * Makes the call, and returns 0 with the answer in *answer, the caller's to
 * free; or a negative code with *f set and *answer NULL.  A dry run that
 * succeeds returns 0 with f->kind EC2_DRY_RUN and no answer.
 */
int ec2_call(struct ec2_client *c, const struct params *p,
	     struct xml **answer, struct ec2_failure *f);

/* All answers of a call that has pages.  What the typed answers hold points
 * into them. */
struct ec2_pages {
	struct xml **pages;
	size_t count;
};

void ec2_pages_release(struct ec2_pages *pages);

/* As ec2_call(), and goes on while there is a nextToken.  The pages so far are
 * released on failure.  EC2 asks for MaxResults, which p has if it may have
 * it.  At most EC2_PAGES_MAX. */
int ec2_call_pages(struct ec2_client *c, struct params *p,
		   struct ec2_pages *pages, struct ec2_failure *f);

#define EC2_PAGES_MAX 1000

/* Makes a name for a ClientToken: 32 random hexadecimal digits. */
#define EC2_TOKEN_SIZE 33
void ec2_token(char token[EC2_TOKEN_SIZE]);

#endif
