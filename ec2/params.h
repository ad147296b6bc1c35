/*
 * params: the parameters of one call to EC2's Query API, in its notation.
 *
 * A structure is a name with a dot behind, an element of a list one with a
 * number: TagSpecification.2.Tag.1.Key=Name.  Nobody writes such names: lists
 * and structures are opened and closed, and the numbers count themselves.
 *
 *     params_init(&p, "RunInstances");
 *     params_string(&p, "ImageId", image);
 *     params_item(&p, "TagSpecification");
 *     params_string(&p, "ResourceType", "instance");
 *     …
 *     params_end(&p);
 *
 * What does not fit (PARAMS_LIMIT) is remembered, and told by params_check().
 */
#ifndef EC2_PARAMS_H
#define EC2_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "bigm.h"

#define PARAMS_LIMIT (512u << 10) /* bytes of the encoded form */
#define PARAMS_DEPTH 8

struct params {
	const char *action; /* a literal */
	struct buffer form; /* application/x-www-form-urlencoded */
	size_t depth;
	struct params_level {
		char prefix[192]; /* "TagSpecification.2." */
		char list[64];	  /* the list that was last in it, */
		unsigned count;	  /* and how many elements that has */
	} levels[PARAMS_DEPTH];
	bool too_long;
};

void params_init(struct params *p, const char *action);
void params_release(struct params *p);

/* NULL values are left out; empty ones are not. */
void params_string(struct params *p, const char *name, const char *value);
void params_int(struct params *p, const char *name, int64_t value);
void params_bool(struct params *p, const char *name, bool value);
/* Bytes, in base64, as EC2 takes user data; NULL is left out. */
void params_base64(struct params *p, const char *name, const void *data,
		   size_t len);
/* NAME.1, NAME.2, …; none at all for n = 0. */
void params_strings(struct params *p, const char *name,
		    const char *const *values, size_t n);

/* Opens a structure; params_end() closes it. */
void params_begin(struct params *p, const char *name);
/* Opens the next element of a list; params_end() closes it.  Lists of one
 * structure come one after the other, as the numbers begin anew. */
void params_item(struct params *p, const char *list);
void params_end(struct params *p);

/* For parameters that are exchanged from call to call: what was added since
 * the mark is taken back.  All structures are closed at both. */
size_t params_mark(const struct params *p);
void params_cut(struct params *p, size_t mark);

/* BIGM_EINVALID when it is too long. */
int params_check(const struct params *p, struct bigm_error *err);

#endif
