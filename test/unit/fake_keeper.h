/*
 * fake_keeper: a keeper by the book of each test, for those of its clients: its
 * replies are texts, its streams send a text and then wait until they are told
 * to end.
 */
#ifndef TEST_FAKE_KEEPER_H
#define TEST_FAKE_KEEPER_H

#include <pthread.h>
#include <stdatomic.h>

#include "machine/cluster_private.h"
#include "rpc_pair.h"

struct fake {
	struct pair *pair;
	struct cluster *cluster; /* attached to it, or NULL */
	struct bigm_error err;
	const char *version;
	int wire;
	const char *status;    /* of Status: the list of machines */
	const char *start;     /* of Start: the list of names */
	const char *lines;     /* of Watch */
	const char *output;    /* of Tail */
	char *started;	       /* Start's argument */
	atomic_bool end;       /* streams end */
	atomic_int streams;    /* methods in stream() */
	atomic_int shutdowns;
	atomic_int cancels; /* of m5 */
	/* what callbacks saw */
	pthread_mutex_t lock;
	char changes[1024];
	atomic_int losses;
	char loss[600];
};

/* For each test; *state is the fake. */
int fake_set_up(void **state);
int fake_tear_down(void **state);

/* f->cluster is a client of it from now on, and tells of what changes. */
void attach(struct fake *f);
/* Such a change has been told: "m0 STOPPED\n". */
bool saw(struct fake *f, const char *change);

/* For wait_until(), with the fake. */
bool streams_are_open(void *data);
bool streams_are_over(void *data);
bool is_lost(void *data);

void assert_says(const struct bigm_error *err, const char *words);

#endif
