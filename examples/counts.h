/*
 * counts: how often words were seen, the data structure of wordcount; nothing of libbigm.
 * A tree of the C library's, see tsearch(3), that several threads may use.  It travels as
 * JSON, {"WORD": COUNT, …}.
 */
#ifndef COUNTS_H
#define COUNTS_H

#include <cjson/cJSON.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counts {
	pthread_mutex_t lock;
	void *tree;
};

struct count {
	double n;
	char word[];
};

/* Out of memory: a machine ends, and whoever has called it is told. */
static void *counts_memory(size_t size)
{
	void *memory = calloc(1, size);

	return memory ? memory : (abort(), NULL);
}

static struct counts *counts_new(void)
{
	struct counts *counts = counts_memory(sizeof(*counts));

	pthread_mutex_init(&counts->lock, NULL);
	return counts;
}

static void counts_free(void *counts)
{
	tdestroy(((struct counts *)counts)->tree, free);
	free(counts);
}

static int counts_compare(const void *a, const void *b)
{
	return strcmp(((const struct count *)a)->word, ((const struct count *)b)->word);
}

static void counts_add(struct counts *counts, const char *word, double n)
{
	struct count *new = counts_memory(sizeof(*new) + strlen(word) + 1), **found;

	strcpy(new->word, word);
	pthread_mutex_lock(&counts->lock);
	if (!(found = tsearch(new, &counts->tree, counts_compare)))
		abort();
	(*found)->n += n;
	if (*found != new) /* the word was there */
		free(new);
	pthread_mutex_unlock(&counts->lock);
}

static void counts_add_json(struct counts *counts, const cJSON *json)
{
	const cJSON *count;

	cJSON_ArrayForEach(count, json)
		counts_add(counts, count->string, count->valuedouble);
}

/* twalk_r() comes to a word up to three times; NULL but for one, which is in order. */
static const struct count *counts_visit(const void *node, VISIT visit)
{
	return visit == postorder || visit == leaf ? *(struct count *const *)node : NULL;
}

struct shares {
	unsigned n;
	cJSON **of;
};

static void counts_share_one(const void *node, VISIT visit, void *data)
{
	const struct count *count = counts_visit(node, visit);
	struct shares *shares = data;
	unsigned hash = 0;

	if (!count)
		return;
	for (const char *c = count->word; *c; c++)
		hash = hash * 31 + (unsigned char)*c;
	cJSON_AddNumberToObject(shares->of[hash % shares->n], count->word, count->n);
}

/* Makes n JSON objects, and puts each word into that of its owner, told by its hash. */
static void counts_share(struct counts *counts, cJSON **of, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		of[i] = cJSON_CreateObject();
	pthread_mutex_lock(&counts->lock);
	twalk_r(counts->tree, counts_share_one, &(struct shares){ n, of });
	pthread_mutex_unlock(&counts->lock);
}

static void counts_print_one(const void *node, VISIT visit, void *out)
{
	const struct count *count = counts_visit(node, visit);

	if (count)
		fprintf(out, "%.0f %s\n", count->n, count->word);
}

/* In the order of the words' bytes. */
static void counts_print(struct counts *counts, FILE *out)
{
	twalk_r(counts->tree, counts_print_one, out);
}

#endif
