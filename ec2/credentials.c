#include "ec2/credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ec2/credentials_impl.h"

#define REFRESH_SECONDS 300 /* before they expire */
#define AGAIN_SECONDS 30    /* between two refreshes */

struct aws_provider {
	struct aws_provider_options options;
	char *region;
	pthread_mutex_t lock;
	struct aws_credentials kept; /* access_key NULL: none */
	int64_t not_before; /* the next refresh, while they are good */
};

/* ------------------------------------------------------------------ */
/* The search                                                          */

int source_environment(struct aws_search *s, struct aws_credentials *c,
		       struct bigm_error *why)
{
	const char *key = aws_config_env(s->config, "AWS_ACCESS_KEY_ID");
	const char *secret = aws_config_env(s->config, "AWS_SECRET_ACCESS_KEY");
	const char *token = aws_config_env(s->config, "AWS_SESSION_TOKEN");
	const char *until = aws_config_env(s->config,
					   "AWS_CREDENTIAL_EXPIRATION");

	if (!token)
		token = aws_config_env(s->config, "AWS_SECURITY_TOKEN");
	if (!key) {
		bigm_error_set(why, BIGM_ENOTFOUND,
			       "AWS_ACCESS_KEY_ID is not set");
		return 0;
	}
	if (until && credentials_time(until, &c->expires, why) < 0)
		return error_prefix(why, "AWS_CREDENTIAL_EXPIRATION");
	c->access_key = xstrdup(key);
	c->secret_key = secret ? xstrdup(secret) : NULL;
	c->session_token = token ? xstrdup(token) : NULL;
	c->source = xstrdup("environment");
	return credentials_check(c, why) < 0
		       ? error_prefix(why, "environment: AWS_ACCESS_KEY_ID is "
				      "set, but not all is well")
		       : 1;
}

static int search_all(struct aws_search *s, struct aws_credentials *c,
		      struct bigm_error *err)
{
	static int (*const sources[])(struct aws_search *s,
				      struct aws_credentials *c,
				      struct bigm_error *why) = {
		source_environment, source_profile, source_container,
		source_instance,
	};
	char tried[sizeof(err->text)] = "";
	struct bigm_error why = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		int r = sources[i](s, c, &why);

		if (r > 0)
			return 0;
		if (r < 0) {
			aws_credentials_release(c);
			error_prefix(&why, "AWS credentials");
			return *tried ? bigm_error_set(err, why.code,
						       "%s (before: %s)",
						       why.text, tried)
				      : error_copy(err, &why);
		}
		text_format(tried, sizeof(tried), "%s%s%s", tried,
			    *tried ? "; " : "", why.text);
	}
	return bigm_error_set(err, BIGM_EPERMISSION,
			      "no AWS credentials: %s; run `aws configure`",
			      tried);
}

/* ------------------------------------------------------------------ */
/* The provider                                                        */

struct aws_provider *aws_provider_new(const struct aws_provider_options *o)
{
	struct aws_provider *p = xcalloc(1, sizeof(*p));

	p->options = *o;
	p->region = o->region ? xstrdup(o->region) : NULL;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void aws_provider_free(struct aws_provider *p)
{
	if (!p)
		return;
	aws_credentials_release(&p->kept);
	pthread_mutex_destroy(&p->lock);
	free(p->region);
	free(p);
}

static int64_t now_of(const struct aws_provider *p)
{
	return p->options.now ? p->options.now(p->options.data)
			      : (int64_t)time(NULL);
}

static bool good_for(const struct aws_credentials *c, int64_t now,
		     int64_t seconds)
{
	return c->access_key && (c->expires == 0 || c->expires - now > seconds);
}

static int search(struct aws_provider *p, struct aws_credentials *c,
		  struct bigm_error *err)
{
	const struct aws_provider_options *o = &p->options;
	struct aws_search s = {
		.config = o->config,
		.metadata = o->metadata,
		.region = p->region ? p->region
				    : aws_config_region(o->config, NULL),
		.cancel = o->cancel,
		.now = now_of(p),
	};
	int r = search_all(&s, c, err);

	if (r < 0 || good_for(c, s.now, 0))
		return r;
	r = bigm_error_set(err, BIGM_EPERMISSION,
			   "AWS credentials: those of %s have expired",
			   c->source);
	aws_credentials_release(c);
	return r;
}

static int refresh(struct aws_provider *p, struct bigm_error *err)
{
	AUTO_CREDENTIALS struct aws_credentials fresh = AWS_CREDENTIALS_INIT;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct aws_credentials old;
	int64_t now = now_of(p);

	if (good_for(&p->kept, now, REFRESH_SECONDS) ||
	    (good_for(&p->kept, now, 0) && now < p->not_before))
		return 0;
	/* Those that live for less than five minutes are not asked for with
	 * every request either. */
	p->not_before = now + AGAIN_SECONDS;
	if (search(p, &fresh, &why) == 0) {
		old = p->kept;
		p->kept = fresh;
		fresh = old;
		log_debug("AWS credentials: %s", p->kept.source);
		return 0;
	}
	if (!good_for(&p->kept, now, 0))
		return error_copy(err, &why);
	log_warn("%s; those that are there are good for %lld s more", why.text,
		 (long long)(p->kept.expires - now));
	return 0;
}

int aws_provider_get(struct aws_provider *p, struct aws_credentials *c,
		     struct bigm_error *err)
{
	int r;

	aws_credentials_release(c);
	pthread_mutex_lock(&p->lock);
	r = refresh(p, err);
	if (r == 0) {
		c->access_key = xstrdup(p->kept.access_key);
		c->secret_key = xstrdup(p->kept.secret_key);
		c->session_token = p->kept.session_token
					   ? xstrdup(p->kept.session_token)
					   : NULL;
		c->expires = p->kept.expires;
		c->source = xstrdup(p->kept.source);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void aws_provider_forget(struct aws_provider *p)
{
	pthread_mutex_lock(&p->lock);
	aws_credentials_release(&p->kept);
	pthread_mutex_unlock(&p->lock);
}
