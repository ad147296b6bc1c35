/*
 * profile: where a program spends something, as `go tool pprof` knows it.
 *
 * A profile is a list of samples.  A sample is a stack of locations, the leaf
 * first; one value for each of the profile's types ("cpu" in "nanoseconds",
 * say); and labels.  A location is an address in a mapping, which is a piece of
 * a file that was mapped into the program; once it is symbolised it also has
 * lines, each a function and a line of its source, the innermost of the
 * functions that were inlined there first.  The address lies within the
 * instruction that ran: of a caller, one byte before where it goes on.
 *
 * Things are known by their position in the profile's lists, from 0;
 * PROFILE_NONE is none.  A thing that is added again is the one that is there
 * already, and a sample with the same stack and labels adds up with it.  So a
 * sampler just adds what it sees:
 *
 *     struct profile *p = profile_new();
 *     profile_add_type(p, "samples", "count", &err);
 *     profile_add_type(p, "cpu", "nanoseconds", &err);
 *     struct profile_mapping text = { .start = …, .limit = …, .offset = …,
 *             .filename = profile_string(p, "/usr/bin/pi"),
 *             .build_id = profile_string(p, "5a1f…") };
 *     uint32_t m = profile_add_mapping(p, &text);
 *     uint32_t stack[] = { profile_add_location(p, m, leaf, NULL, 0), … };
 *     profile_add_sample(p, stack, depth, values, NULL, 0, &err);
 *     profile_encode(p, &out, &err);
 *     profile_free(p);
 *
 * The lists may be read directly, and time, duration and period written; they
 * are changed by the functions here only.  Everything has a limit, since peers
 * send profiles.  Not thread-safe; nothing of it may be used in a signal's
 * handler.
 *
 * All this is in libprofile, which is a part neither of libbigm nor of bigm:
 * what it is linked to (libdeflate, protobuf-c) is loaded by those who make or
 * read profiles, and by nobody else.
 */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "bigm.h"
#include "profile/lookup.h"

#define PROFILE_NONE LOOKUP_NONE

#define PROFILE_MAX_TYPES 16
#define PROFILE_MAX_DEPTH 4096	    /* locations of a sample */
#define PROFILE_MAX_LABELS 64	    /* of a sample */
#define PROFILE_MAX_LINES 256	    /* of a location */
#define PROFILE_MAX_MAPPINGS 4096
#define PROFILE_MAX_ITEMS (4u << 20) /* of each other list */
#define PROFILE_MAX_STRING (64u << 10) /* bytes */
/* Of all strings, bytes; and of all stacks, locations. */
#define PROFILE_MAX_STRINGS (256u << 20)
#define PROFILE_MAX_STACKS (64u << 20)
/* Bytes of an encoded one, before gzip and after it. */
#define PROFILE_MAX_PLAIN (128u << 20)
#define PROFILE_MAX_ENCODED (64u << 20)

struct profile_type {
	uint32_t type, unit; /* strings */
};

struct profile_mapping {
	uint64_t start, limit; /* addresses in the program: [start, limit) */
	uint64_t offset;       /* of start in the file */
	uint32_t filename;     /* strings; 0, which is "", when not known */
	uint32_t build_id;     /* in hexadecimal digits */
	/* What the lines of its locations have, for all of them; a mapping
	 * that has no functions is looked up by the reader. */
	bool has_functions, has_filenames, has_lines, has_inlines;
};

struct profile_function {
	uint32_t name;	      /* strings: as a person writes it */
	uint32_t system_name; /* as the linker knows it */
	uint32_t filename;    /* of its source; 0: not known */
	int64_t start_line;   /* 0: not known */
};

struct profile_line {
	uint32_t function;
	int64_t line; /* 0: not known */
};

struct profile_location {
	uint64_t address;
	uint32_t mapping;    /* or PROFILE_NONE */
	uint32_t first_line; /* in profile.lines */
	uint32_t lines;	     /* 0: not symbolised */
};

/* Has a text, or (text is 0) a number with a unit. */
struct profile_label {
	uint32_t key, text;
	int64_t number;
	uint32_t unit;
};

struct profile_sample {
	uint32_t first_location; /* in profile.stacks */
	uint32_t locations;
	uint32_t first_label; /* in profile.labels */
	uint32_t labels;
};

/* Where the next sample of the same stack is; and of the first of them, the
 * last. */
struct profile_alike {
	uint32_t next, last; /* or PROFILE_NONE */
};

struct profile {
	/* Lists, and how many each has. */
	char **strings; /* the first is "" */
	struct profile_type *types;
	struct profile_mapping *mappings;
	struct profile_function *functions;
	struct profile_location *locations;
	struct profile_line *lines;
	struct profile_sample *samples;
	struct profile_label *labels;
	uint32_t *stacks;
	int64_t *values; /* n_types for each sample */
	uint32_t *comments; /* strings */
	uint32_t n_strings, n_types, n_mappings, n_functions, n_locations;
	uint32_t n_lines, n_samples, n_labels, n_stacks, n_values, n_comments;

	int64_t time;	  /* of its collection, in ns since 1970; 0: unknown */
	int64_t duration; /* in ns; 0: a profile of a moment */
	struct profile_type period_type;
	int64_t period;	       /* between two samples, in period_type's unit */
	uint32_t default_type; /* string: a type's name; 0: the last one */
	uint32_t drop_frames, keep_frames; /* strings: regular expressions */

	/* Its own.  Samples from n_alike on are in no table yet. */
	struct profile_alike *alike; /* of each sample */
	uint32_t n_alike, depths;    /* depths: the sum over all samples */
	struct lookup by_string, by_mapping, by_function, by_location;
	struct lookup by_stack, by_sample; /* by_stack: the first of each */
	uint64_t seed;
	uint64_t string_bytes;
	uint32_t room[12]; /* of each list (room.h) */
};

struct profile *profile_new(void);
void profile_free(struct profile *p); /* NULL is fine */
void cleanup_profile(struct profile **p);
#define AUTO_PROFILE __attribute__((cleanup(cleanup_profile)))

/* The string's position, which has no NUL in it; PROFILE_NONE when a limit is
 * reached, which the functions below then report.  What is longer than
 * PROFILE_MAX_STRING is cut. */
uint32_t profile_string(struct profile *p, const char *s);
uint32_t profile_string_n(struct profile *p, const char *s, size_t len);
/* The string there; "" for what is none.  Until p is freed. */
const char *profile_text(const struct profile *p, uint32_t string);

/* A type of values, before the first sample.  0 or BIGM_EEXHAUSTED. */
int profile_add_type(struct profile *p, const char *type, const char *unit,
		     struct bigm_error *err);

/* What these get may be freed afterwards.  The position, or PROFILE_NONE when a
 * limit is reached or one of the strings or functions in it is PROFILE_NONE.
 * Mappings are equal when all but their has_* is. */
uint32_t profile_add_mapping(struct profile *p,
			     const struct profile_mapping *mapping);
uint32_t profile_add_function(struct profile *p,
			      const struct profile_function *function);
uint32_t profile_add_location(struct profile *p, uint32_t mapping,
			      uint64_t address,
			      const struct profile_line *lines, size_t n);

/* Gives a location other lines, which stays the one that it was added as.
 * False as above; it is unchanged then. */
bool profile_set_lines(struct profile *p, uint32_t location,
		       const struct profile_line *lines, size_t n);

/*
 * Adds the values, n_types of them, to the sample of that stack (leaf first,
 * depth ≤ PROFILE_MAX_DEPTH, may be 0) and labels.  Sums beyond an int64 stay
 * at its end.  BIGM_EEXHAUSTED when a limit is reached, or when a location or
 * string is PROFILE_NONE; BIGM_EINVALID for one that is not there.
 */
int profile_add_sample(struct profile *p, const uint32_t *stack, size_t depth,
		       const int64_t *values,
		       const struct profile_label *labels, size_t n_labels,
		       struct bigm_error *err);

/* A stack that is to be added soon.  Between making some and adding the first
 * of them, the processor gets from memory what it takes to find them. */
struct profile_stack {
	const uint32_t *locations;
	size_t depth;
	uint64_t hash;
};

struct profile_stack profile_stack(const struct profile *p,
				   const uint32_t *locations, size_t depth);
int profile_add_stack(struct profile *p, const struct profile_stack *stack,
		      const int64_t *values, const struct profile_label *labels,
		      size_t n_labels, struct bigm_error *err);

/* As profile_add_sample(), but always makes a new sample, which is faster. */
int profile_append_sample(struct profile *p, const uint32_t *stack,
			  size_t depth, const int64_t *values,
			  const struct profile_label *labels, size_t n_labels,
			  struct bigm_error *err);

/* Nothing more adds up with the samples that are there, as when those to come
 * have a label that these have not: then there are fewer to look among. */
int profile_close_samples(struct profile *p, struct bigm_error *err);

/* An order of the samples, n_samples of them, in which those of one stack
 * follow each other, as far as is known: appended ones may come alone. */
void profile_group(const struct profile *p, uint32_t *order);

/* Of two values; stays at the end of an int64. */
int64_t profile_sum(int64_t a, int64_t b);

/* A line for its reader, who gets all of them in this order. */
int profile_add_comment(struct profile *p, const char *text,
			struct bigm_error *err);

/* Appends the gzipped profile.proto, with samples of one stack side by side,
 * where gzip sees how alike they are.  BIGM_EEXHAUSTED when it is beyond out's
 * limit or PROFILE_MAX_PLAIN. */
int profile_encode(const struct profile *p, struct buffer *out,
		   struct bigm_error *err);

/*
 * Reads a profile.proto, gzipped or not, whoever made it.  NULL with
 * BIGM_EPROTOCOL for what is none (an index or id that leads nowhere, values
 * that are not one for each type, bytes behind the end), with BIGM_EEXHAUSTED
 * for what is beyond a limit; never more than about 1 GB of memory.
 * Samples are as they are there, also several of one stack.
 */
struct profile *profile_decode(const void *data, size_t len,
			       struct bigm_error *err);

#endif
