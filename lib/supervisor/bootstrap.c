#include "config.h"

#include "supervisor/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/loop.h"
#include "rpc/server.h"
#include "supervisor/signing.h"

/* For the answer to Certify to be on its way, and its connection closed. */
#define GRACE_MS 1000

struct bootstrap {
	const struct bootstrap_options *options;
	struct loop *loop;
	struct tls_context *tls;
	struct rpc_server *server;
	struct loop_timer limit;
	struct identity *own; /* the key that is to be certified */
	struct boot *boot;    /* NULL: not certified */
};

/* ------------------------------------------------------------------ */
/* The identity as text                                                */

char *bootstrap_text(const struct identity *id, struct bigm_error *err)
{
	cJSON *json = cJSON_CreateObject();
	char *text = NULL;

	if (signing_add_identity(json, id, err) == 0)
		text = json_print_secret(json);
	signing_free(json);
	return text;
}

static int check_identity(const struct identity *id, struct bigm_error *err)
{
	char who[IDENTITY_URI_MAX];
	struct peer self;

	if (identity_peer(id->certificate, &self, err) < 0)
		return err->code;
	/* It is good for minutes, which the keeper counts who sees it: a clock
	 * here that is an hour early is no reason not to begin. */
	if (self.role == ROLE_BOOTSTRAP)
		return identity_check_begun(id, err);
	identity_describe(&self, who);
	return bigm_error_set(err, BIGM_EINVALID,
			      "it is the one of %s, not one to wait with", who);
}

struct identity *bootstrap_read(const char *text, size_t len,
				struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	cJSON *json = json_parse(text, len, &why);
	struct boot boot = { .identity = NULL };

	if (json && signing_take_identity(&boot, json, &why) == 0 &&
	    check_identity(boot.identity, &why) < 0) {
		identity_free(boot.identity);
		boot.identity = NULL;
	}
	signing_free(json);
	if (boot.identity)
		return boot.identity;
	error_prefix(&why, "bootstrap identity");
	error_copy(err, &why);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The service                                                         */

static void on_down(void *data)
{
	struct bootstrap *b = data;

	loop_stop(b->loop);
}

static void end(struct bootstrap *b)
{
	loop_timer_stop(b->loop, &b->limit);
	rpc_server_shutdown(b->server, GRACE_MS, on_down, b);
}

static void on_certified(void *data)
{
	end(data);
}

static void on_limit(struct loop_timer *timer)
{
	end(loop_container(timer, struct bootstrap, limit));
}

static int signing_request_method(struct bigm_request *req, const cJSON *arg,
				  cJSON **reply, struct bigm_error *err)
{
	struct bootstrap *b = bigm_request_state(req);

	*reply = signing_request(b->own, err);
	return *reply ? 0 : BIGM_EFAILED;
}

/* A boot for our key, without its certificate. */
static struct boot *boot_new(struct bootstrap *b)
{
	struct boot *boot = xcalloc(1, sizeof(*boot));

	boot->listen_fd = boot->parent_fd = -1;
	boot->incarnation = 1;
	boot->identity = xcalloc(1, sizeof(*boot->identity));
	EVP_PKEY_up_ref(b->own->key);
	boot->identity->key = b->own->key;
	return boot;
}

/* Of our own cluster, for us. */
static int take_answer(struct bootstrap *b, struct boot *boot,
		       const cJSON *answer, struct bigm_error *err)
{
	int rc = signing_take_answer(boot, answer, err);

	if (rc == 0 && X509_cmp(boot->identity->authority,
				b->options->identity->authority) != 0)
		rc = bigm_error_set(err, BIGM_EPERMISSION,
				    "the certificate is signed by another "
				    "authority than this machine was started "
				    "with");
	return rc;
}

static int certify(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	struct bootstrap *b = bigm_request_state(req);
	struct boot *boot;
	int rc;

	if (b->boot)
		return bigm_error_set(err, BIGM_EEXIST,
				      "this machine has its certificate "
				      "already, as %s", b->boot->name);
	boot = boot_new(b);
	rc = take_answer(b, boot, arg, err);
	if (rc < 0) {
		log_warn("not certified: %s", err->text);
		boot_free(boot);
		return rc;
	}
	b->boot = boot;
	rpc_request_on_flushed(req, on_certified, b);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "SigningRequest", signing_request_method, BIGM_INLINE },
	{ "Certify", certify, BIGM_INLINE },
	{ 0 },
};
static const unsigned method_roles[] = { ROLE_KEEPER, ROLE_KEEPER };

/* ------------------------------------------------------------------ */
/* Waiting                                                             */

static int serve(struct bootstrap *b, struct bigm_error *err)
{
	/* The server closes its own. */
	int fd = fcntl(b->options->listen_fd, F_DUPFD_CLOEXEC, 3);
	struct rpc_server_options options = { .tls = b->tls };
	struct rpc_service service = {
		.name = xstrdup("Bootstrap"),
		.methods = methods,
		.roles = method_roles,
		.state = b,
	};

	b->server = rpc_server_new(b->loop, &options);
	if (rpc_server_add(b->server, &service, err) < 0)
		return BIGM_EFAILED;
	if (fd < 0)
		return error_set_errno(err, errno, "cannot listen");
	return rpc_server_listen(b->server, fd, err);
}

static int begin(struct bootstrap *b, struct bigm_error *err)
{
	b->own = identity_new(err);
	b->loop = loop_new(err);
	b->tls = tls_context_new(b->options->identity, err);
	if (!b->own || !b->loop || !b->tls)
		return BIGM_EFAILED;
	return serve(b, err);
}

static void release(struct bootstrap *b)
{
	if (b->server)
		rpc_server_free(b->server);
	if (b->loop)
		loop_free(b->loop);
	tls_context_free(b->tls);
	identity_free(b->own);
}

struct boot *bootstrap_receive(const struct bootstrap_options *options,
			       struct bigm_error *err)
{
	struct bootstrap b = { .options = options };
	char limit[DURATION_TEXT];
	int rc = begin(&b, err);

	if (rc == 0) {
		loop_timer_start(b.loop, &b.limit, options->limit_ms, on_limit);
		loop_run(b.loop);
	}
	release(&b);
	if (b.boot) {
		free(b.boot->dir);
		b.boot->dir = xstrdup(options->dir);
		b.boot->listen_fd = options->listen_fd;
		b.boot->parent_fd = options->parent_fd;
	} else if (rc == 0) {
		bigm_error_set(err, BIGM_EDEADLINE,
			       "no keeper has certified this machine within %s",
			       duration_text(options->limit_ms, limit));
	}
	return b.boot;
}
