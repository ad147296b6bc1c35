/*
 * api: what the calls of EC2 have in common: filters, tags, times.
 *
 * ec2/api_*.h are EC2's actions as functions, one noun a file.  What they
 * return points into the answers, which the returned list keeps: strings are
 * never NULL, "" where EC2 did not say, and live until the list's release.
 * Functions return 0, or a negative code with *f set (ec2/failure.h); lists are
 * empty then.  They block, and are made from any thread (ec2/client.h).
 *
 * Where a function takes dry_run, EC2 only checks whether the credentials
 * suffice: it returns 0 with f->kind EC2_DRY_RUN, and nothing has happened.
 */
#ifndef EC2_API_H
#define EC2_API_H

#include "ec2/client.h"

/* Of resources that are made.  The value may be "". */
struct ec2_tag {
	const char *key, *value;
};

/* What a list is narrowed to: resources whose `name` ("tag:bigm:cluster",
 * "instance-state-name") is one of the values, at most EC2_FILTER_VALUES, in
 * which EC2 takes * and ? for any text and any character. */
struct ec2_filter {
	const char *name;
	const char *const *values;
	size_t n;
};

#define EC2_FILTER_VALUES 200

void params_filters(struct params *p, const struct ec2_filter *filters,
		    size_t n);
/* Tags as they are put on resources of one type in the call that makes them.
 * Nothing for n = 0. */
void params_tags(struct params *p, const char *resource_type,
		 const struct ec2_tag *tags, size_t n);

/* A tag's value in an answer's tagSet; "" when it has none. */
const char *ec2_tag_value(const struct xml_node *tags, const char *key);

/* EC2's "2026-11-22T01:02:03.000Z" in seconds since 1970; 0 for none. */
int64_t ec2_time(const char *text);

/* For the readers of answers: room for one more element in an array that is
 * grown by doubling; it is zeroed. */
void *ec2_grow(void *items, size_t count, size_t size);

#endif
