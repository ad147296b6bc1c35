#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "ec2/bucket.h"
#include "ec2/client.h"
#include "ec2/credentials.h"
#include "ec2/http.h"
#include "loop/loop.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IDLE_MAX 4 /* connections that are kept for the next call */

/*
 * EC2's limits for an account and region, tokens and how many come back a
 * second; from "Request throttling for the Amazon EC2 API" (docs.aws.amazon.com,
 * ec2/latest/devguide).  The first prefix of the action's name that fits counts.
 * Actions that fit the same line share its tokens, which EC2 gives each one of
 * its own: nobody needs more of them at once.
 */
static const struct {
	const char *prefix;
	double capacity, per_second;
} limits[] = {
	{ "RunInstances", 5, 2 },
	{ "TerminateInstances", 100, 5 },
	{ "CreateTags", 100, 10 },
	{ "Describe", 100, 20 },
	{ "Get", 100, 20 },
	{ "", 50, 5 },
};

struct ec2_client {
	struct aws_provider *provider;
	char *region, *endpoint, *ca_file;
	const struct cancel *cancel;
	struct retry retry;
	struct bucket *buckets[COUNT(limits)];
	pthread_mutex_t lock; /* of what follows */
	struct http *idle[IDLE_MAX];
	size_t nidle;
};

/* One call, over all its tries. */
struct attempt {
	struct ec2_client *client;
	const struct params *params;
	struct bucket *bucket;
	char what[128]; /* "RunInstances in us-west-2" */
	struct http_answer answer;
	struct xml *xml;
	unsigned tries;
	bool renewed; /* the credentials were */
};

static struct http *http_take(struct ec2_client *c, struct bigm_error *err)
{
	const struct http_options options = { .ca_file = c->ca_file,
					      .cancel = c->cancel };
	struct http *h = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->nidle > 0)
		h = c->idle[--c->nidle];
	pthread_mutex_unlock(&c->lock);
	return h ? h : http_new(&options, err);
}

static void http_give(struct ec2_client *c, struct http *h)
{
	pthread_mutex_lock(&c->lock);
	if (c->nidle < IDLE_MAX) {
		c->idle[c->nidle++] = h;
		h = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	http_free(h);
}

struct ec2_client *ec2_client_new(const struct ec2_client_options *o,
				  struct bigm_error *err)
{
	struct ec2_client *c = xcalloc(1, sizeof(*c));
	struct http *h;

	c->provider = o->provider;
	c->region = xstrdup(o->region);
	c->endpoint = xstrdup(o->endpoint);
	c->ca_file = o->ca_file ? xstrdup(o->ca_file) : NULL;
	c->cancel = o->cancel;
	c->retry = o->retry.max_ms ? o->retry : (struct retry)RETRY_DEFAULTS;
	pthread_mutex_init(&c->lock, NULL);
	for (size_t i = 0; i < COUNT(limits); i++)
		c->buckets[i] = bucket_new(limits[i].capacity,
					   limits[i].per_second);
	h = http_take(c, err);
	if (!h) {
		ec2_client_free(c);
		return NULL;
	}
	http_give(c, h);
	return c;
}

void ec2_client_free(struct ec2_client *c)
{
	if (!c)
		return;
	while (c->nidle > 0)
		http_free(c->idle[--c->nidle]);
	for (size_t i = 0; i < COUNT(limits); i++)
		bucket_free(c->buckets[i]);
	pthread_mutex_destroy(&c->lock);
	free(c->region);
	free(c->endpoint);
	free(c->ca_file);
	free(c);
}

const char *ec2_client_region(const struct ec2_client *c)
{
	return c->region;
}

const struct cancel *ec2_client_cancel(const struct ec2_client *c)
{
	return c->cancel;
}

void ec2_token(char token[EC2_TOKEN_SIZE])
{
	for (size_t i = 0; i + 8 < EC2_TOKEN_SIZE; i += 8)
		snprintf(token + i, 9, "%08x", (unsigned)arc4random());
}

static struct bucket *bucket_of(struct ec2_client *c, const char *action)
{
	size_t i = 0;

	while (strncmp(action, limits[i].prefix, strlen(limits[i].prefix)) != 0)
		i++;
	return c->buckets[i];
}

/* For what went wrong on this side of the answer. */
static int no_answer(struct attempt *a, enum ec2_kind kind,
		     struct ec2_failure *f)
{
	if (f->error.code == BIGM_ECANCELED)
		kind = EC2_CANCELED;
	ec2_failure_kind(f, kind);
	return error_prefix(&f->error, "%s", a->what);
}

/* An answer that is none is EC2's problem, or that of somebody in between. */
static int read_answer(struct attempt *a, struct http *h,
		       struct ec2_failure *f)
{
	const void *body = buffer_data(&a->answer.body);
	const size_t len = a->answer.body.len;

	if (a->answer.status != 200)
		return ec2_failure_decode(f, a->what, a->answer.status, body,
					  len, http_header(h, "Date"));
	a->xml = xml_parse(body, len, &f->error);
	if (a->xml)
		return 0;
	f->error.retriable = true;
	return no_answer(a, EC2_SERVER, f);
}

/* One try, with a token and credentials. */
static int ask(struct attempt *a, const struct aws_credentials *credentials,
	       struct ec2_failure *f)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; "
		"charset=utf-8",
		NULL
	};
	struct ec2_client *c = a->client;
	const struct http_signature sign = {
		.service = "ec2",
		.region = c->region,
		.access_key = credentials->access_key,
		.secret_key = credentials->secret_key,
		.session_token = credentials->session_token,
	};
	const struct http_request request = {
		.method = "POST",
		.url = c->endpoint,
		.headers = headers,
		.body = buffer_data(&a->params->form),
		.body_len = a->params->form.len,
		.limit = XML_SIZE_MAX,
		.sign = &sign,
	};
	struct http *h = http_take(c, &f->error);
	int ret;

	if (!h)
		return no_answer(a, EC2_NETWORK, f);
	if (http_request(h, &request, &a->answer, &f->error) < 0)
		ret = no_answer(a, EC2_NETWORK, f);
	else
		ret = read_answer(a, h, f);
	http_give(c, h);
	return ret;
}

static int ask_in_turn(struct attempt *a, struct ec2_failure *f)
{
	AUTO_CREDENTIALS struct aws_credentials credentials =
		AWS_CREDENTIALS_INIT;
	struct ec2_client *c = a->client;
	uint64_t wait = bucket_take(a->bucket, loop_now_ns());

	if (cancel_sleep(c->cancel, wait)) {
		cancel_error(&f->error);
		return no_answer(a, EC2_CANCELED, f);
	}
	if (aws_provider_get(c->provider, &credentials, &f->error) < 0)
		return no_answer(a, EC2_CREDENTIALS, f);
	return ask(a, &credentials, f);
}

/* After a failure: whether to try again, having waited for it. */
static bool again(struct attempt *a, struct ec2_failure *f)
{
	struct ec2_client *c = a->client;
	uint64_t wait;

	if (f->kind == EC2_EXPIRED && !a->renewed) {
		a->renewed = true;
		aws_provider_forget(c->provider);
		return true;
	}
	if (f->kind == EC2_THROTTLING)
		bucket_drain(a->bucket, loop_now_ns());
	if (!f->error.retriable || !retry_again(f->kind, a->tries))
		return false;
	wait = retry_wait(&c->retry, a->tries);
	log_debug("%s; again in %u ms", f->error.text, (unsigned)wait);
	if (!cancel_sleep(c->cancel, wait))
		return true;
	cancel_error(&f->error);
	no_answer(a, EC2_CANCELED, f);
	return false;
}

int ec2_call(struct ec2_client *c, const struct params *p,
	     struct xml **answer, struct ec2_failure *f)
{
	struct attempt a = { .client = c,
			     .params = p,
			     .bucket = bucket_of(c, p->action),
			     .answer = HTTP_ANSWER_INIT };
	int ret;

	*answer = NULL;
	ec2_failure_clear(f);
	if (params_check(p, &f->error) < 0)
		return ec2_failure_kind(f, EC2_BAD_REQUEST);
	snprintf(a.what, sizeof(a.what), "%s in %s", p->action, c->region);
	do {
		ec2_failure_clear(f);
		a.tries++;
		ret = ask_in_turn(&a, f);
	} while (ret < 0 && again(&a, f));
	http_answer_release(&a.answer);
	*answer = a.xml;
	if (ret < 0 && a.tries > 1 && f->kind != EC2_CANCELED)
		error_prefix(&f->error, "after %u tries", a.tries);
	return ret < 0 ? f->error.code : 0;
}

void ec2_pages_release(struct ec2_pages *pages)
{
	for (size_t i = 0; i < pages->count; i++)
		xml_free(pages->pages[i]);
	free(pages->pages);
	*pages = (struct ec2_pages){ NULL, 0 };
}

static int pages_add(struct ec2_client *c, const struct params *p,
		     struct ec2_pages *pages, struct ec2_failure *f)
{
	struct xml *answer;
	int ret = ec2_call(c, p, &answer, f);

	if (ret < 0 || !answer)
		return ret;
	pages->pages = xrealloc(pages->pages, (pages->count + 1) *
						      sizeof(*pages->pages));
	pages->pages[pages->count++] = answer;
	return 0;
}

int ec2_call_pages(struct ec2_client *c, struct params *p,
		   struct ec2_pages *pages, struct ec2_failure *f)
{
	const size_t mark = params_mark(p);
	const char *next = NULL;
	int ret;

	*pages = (struct ec2_pages){ NULL, 0 };
	do {
		if (pages->count == EC2_PAGES_MAX) {
			ret = ec2_failure_set(f, EC2_SERVER, BIGM_EEXHAUSTED,
					      "%s in %s: more than %d pages",
					      p->action, c->region,
					      EC2_PAGES_MAX);
			break;
		}
		params_string(p, "NextToken", next);
		ret = pages_add(c, p, pages, f);
		params_cut(p, mark);
		if (ret < 0 || !pages->count)
			break;
		next = xml_get(xml_root(pages->pages[pages->count - 1]),
			       "nextToken");
	} while (*next);
	if (ret < 0)
		ec2_pages_release(pages);
	return ret;
}
