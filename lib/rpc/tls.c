#include "config.h"

#include "rpc/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/crypto.h"
#include "rpc/tls_error.h"
#include "rpc/wire.h"

#define RECORD (16u << 10)  /* plain bytes of a full record */
#define RECORD_OVERHEAD 22u /* header, content type, tag */
#define OUTPUT_MAX (WIRE_MAX_BUFFERED + (16u << 20))
#define PEER_CERTIFICATES_MAX (16u << 10)
#define RECORD_TYPE_ALERT 21
#define RECORD_TYPE_HANDSHAKE 22

struct tls_context {
	atomic_uint holders;
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	struct peer self;
};

struct tls {
	SSL *ssl;
	struct tls_context *context;
	struct peer expect; /* of a client; role ROLE_NONE for a server */
	struct peer peer;   /* verified, once there is a role */
	bool begun;	    /* bytes of the peer were seen */
	bool established;
	struct bigm_error error; /* code != 0: the session is over */
	const uint8_t *input;
	size_t input_len;
	struct buffer output;
};

/* ------------------------------------------------------------------ */
/* The BIO over our own buffers                                        */

static int bio_read(BIO *bio, char *data, size_t len, size_t *taken)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*taken = len < tls->input_len ? len : tls->input_len;
	if (*taken == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(data, tls->input, *taken);
	tls->input += *taken;
	tls->input_len -= *taken;
	return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *written)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*written = 0;
	if (buffer_append(&tls->output, data, len, NULL) < 0)
		return 0;
	*written = len;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "bigm");

	if (!method)
		return NULL;
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

/* ------------------------------------------------------------------ */
/* Who the peer is, and why it is refused                              */

/* Refuses the peer whose certificate claims to be *claimed. */
static void refuse(struct tls *tls, const struct peer *claimed,
		   const char *why)
{
	char who[IDENTITY_URI_MAX] = "the peer";

	if (claimed->role)
		identity_describe(claimed, who);
	bigm_error_set(&tls->error, BIGM_EPERMISSION, "refused %s: %s", who,
		       why);
}

static bool same_or_any(const char *name, const char *wanted)
{
	return *wanted == '\0' || strcmp(name, wanted) == 0;
}

/* A bootstrap identity is known to all machines of a launch. */
static const char *check_bootstrap(const struct tls *tls,
				   const struct peer *peer)
{
	if (peer->role == ROLE_BOOTSTRAP &&
	    tls->expect.role != ROLE_BOOTSTRAP)
		return "it is a machine without a certificate of its own";
	if (tls->context->self.role == ROLE_BOOTSTRAP &&
	    peer->role != ROLE_KEEPER)
		return "without a certificate of our own we talk to the "
		       "keeper alone";
	return NULL;
}

/* The rules of our own, for a certificate that the authority has signed. */
static bool check_peer(struct tls *tls, const struct peer *peer)
{
	const struct peer *expect = &tls->expect;
	const char *bootstrap = check_bootstrap(tls, peer);
	char why[2 * IDENTITY_URI_MAX];

	if (strcmp(peer->cluster, tls->context->self.cluster) != 0) {
		snprintf(why, sizeof(why), "our cluster is %s",
			 tls->context->self.cluster);
		refuse(tls, peer, why);
		return false;
	}
	if (bootstrap) {
		refuse(tls, peer, bootstrap);
		return false;
	}
	if (!expect->role || (peer->role == expect->role &&
			      same_or_any(peer->name, expect->name) &&
			      same_or_any(peer->cluster, expect->cluster)))
		return true;
	snprintf(why, sizeof(why), "we dialled %s%s%s%s%s",
		 role_name(expect->role), *expect->name ? " " : "",
		 expect->name, *expect->cluster ? " of cluster " : "",
		 expect->cluster);
	refuse(tls, peer, why);
	return false;
}

static int on_verify(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	const X509 *leaf = X509_STORE_CTX_get0_cert(store);
	struct bigm_error local = BIGM_ERROR_INIT;
	struct peer claimed = { 0 };
	char why[160];
	int error;

	if (good && X509_STORE_CTX_get_error_depth(store) > 0)
		return 1;
	identity_peer(leaf, &claimed, &local);
	if (!good) {
		error = X509_STORE_CTX_get_error(store);
		tls_error_explain_chain(why, sizeof(why), error,
					certificate ? certificate : leaf);
		refuse(tls, &claimed, why);
		/* This error's alert is of the wrong kind. */
		if (error == X509_V_ERR_CERT_SIGNATURE_FAILURE)
			X509_STORE_CTX_set_error(
				store,
				X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
		return 0;
	}
	if (!claimed.role)
		refuse(tls, &claimed, local.text);
	else if (check_peer(tls, &claimed)) {
		tls->peer = claimed;
		return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The session's end                                                   */

/* Ends the session with the reason that OpenSSL or on_verify() left. */
static int fail(struct tls *tls, struct bigm_error *err)
{
	if (tls->error.code == 0)
		tls_error_set(&tls->error);
	ERR_clear_error();
	return error_copy(err, &tls->error);
}

/* Ends the session after the handshake has succeeded for OpenSSL. */
static int refuse_late(struct tls *tls, int code, const char *why,
		       struct bigm_error *err)
{
	SSL_shutdown(tls->ssl);
	bigm_error_set(&tls->error, code, "%s", why);
	return error_copy(err, &tls->error);
}

/* ------------------------------------------------------------------ */
/* The context                                                         */

static const unsigned char alpn_h2[] = { 2, 'h', '2' };

static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *len,
		   const unsigned char *offered, unsigned int offered_len,
		   void *data)
{
	unsigned char *match;

	if (SSL_select_next_proto(&match, len, alpn_h2, sizeof(alpn_h2),
				  offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = match;
	return SSL_TLSEXT_ERR_OK;
}

/* One version, cipher, group and signature: fewer bytes, fewer ways in.  The
 * second group spares curl a round trip. */
static bool set_algorithms(SSL_CTX *ctx)
{
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") &&
	       SSL_CTX_set1_groups_list(ctx, "P-256:X25519") &&
	       SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") &&
	       SSL_CTX_set_alpn_protos(ctx, alpn_h2, sizeof(alpn_h2)) == 0;
}

static bool set_identity(SSL_CTX *ctx, const struct identity *id)
{
	return SSL_CTX_use_certificate(ctx, id->certificate) &&
	       SSL_CTX_use_PrivateKey(ctx, id->key) &&
	       X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
				   id->authority);
}

static void set_manners(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_NO_AUTO_CHAIN |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_max_cert_list(ctx, PEER_CERTIFICATES_MAX);
	SSL_CTX_set_verify(ctx,
			   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   on_verify);
	SSL_CTX_set_verify_depth(ctx, 0);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

struct tls_context *tls_context_new(const struct identity *id,
				    struct bigm_error *err)
{
	struct tls_context *context;

	if (!id->certificate || !id->authority) {
		bigm_error_set(err, BIGM_EINVALID,
			       "TLS: our certificate is not signed yet");
		return NULL;
	}
	context = xcalloc(1, sizeof(*context));
	atomic_init(&context->holders, 1);
	if (identity_peer(id->certificate, &context->self, err) < 0)
		goto error;
	ERR_clear_error();
	context->ssl = SSL_CTX_new_ex(crypto_context(), NULL, TLS_method());
	context->bio = bio_method_new();
	if (!context->ssl || !context->bio || !set_algorithms(context->ssl) ||
	    !set_identity(context->ssl, id)) {
		crypto_error_set(err, BIGM_EFAILED, "TLS: cannot be set up");
		goto error;
	}
	set_manners(context->ssl);
	return context;
error:
	tls_context_free(context);
	return NULL;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
	if (context)
		atomic_fetch_add(&context->holders, 1);
	return context;
}

void tls_context_free(struct tls_context *context)
{
	if (!context || atomic_fetch_sub(&context->holders, 1) > 1)
		return;
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->bio);
	free(context);
}

/* ------------------------------------------------------------------ */
/* The session                                                         */

static struct tls *session_new(struct tls_context *context,
			       struct bigm_error *err)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));
	BIO *bio;

	tls->context = tls_context_hold(context);
	tls->error = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&tls->output, OUTPUT_MAX);
	ERR_clear_error();
	tls->ssl = SSL_new(context->ssl);
	bio = BIO_new(context->bio);
	if (!tls->ssl || !bio) {
		BIO_free(bio);
		tls_discard(tls);
		crypto_error_set(err, BIGM_EEXHAUSTED, "TLS: no session");
		return NULL;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	return tls;
}

struct tls *tls_new_server(struct tls_context *context, struct bigm_error *err)
{
	struct tls *tls = session_new(context, err);

	if (tls)
		SSL_set_accept_state(tls->ssl);
	return tls;
}

struct tls *tls_new_client(struct tls_context *context,
			   const struct peer *expect, struct bigm_error *err)
{
	struct tls *tls = session_new(context, err);

	if (!tls)
		return NULL;
	tls->expect = *expect;
	SSL_set_connect_state(tls->ssl);
	SSL_do_handshake(tls->ssl);
	if (tls->output.len > 0)
		return tls;
	crypto_error_set(err, BIGM_EFAILED, "TLS: cannot begin");
	tls_discard(tls);
	return NULL;
}

void tls_discard(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	buffer_release(&tls->output);
	tls_context_free(tls->context);
	free(tls);
}

/* The first byte tells TLS from anything else, in fewer riddles than
 * OpenSSL. */
static int check_first(struct tls *tls, struct bigm_error *err)
{
	uint8_t first = tls->input[0];

	tls->begun = true;
	if (first == RECORD_TYPE_HANDSHAKE || first == RECORD_TYPE_ALERT)
		return 0;
	bigm_error_set(&tls->error, BIGM_EPROTOCOL,
		       "the peer does not speak TLS");
	return error_copy(err, &tls->error);
}

/* 1 when done, 0 when more input is needed. */
static int handshake(struct tls *tls, struct bigm_error *err)
{
	const unsigned char *alpn;
	unsigned int len;
	int rc = SSL_do_handshake(tls->ssl);

	if (rc != 1)
		return SSL_get_error(tls->ssl, rc) == SSL_ERROR_WANT_READ ?
			       0 :
			       fail(tls, err);
	SSL_get0_alpn_selected(tls->ssl, &alpn, &len);
	if (len + 1 != sizeof(alpn_h2) || memcmp(alpn, alpn_h2 + 1, len) != 0)
		return refuse_late(tls, BIGM_EPROTOCOL,
				   "the peer does not speak HTTP/2 (ALPN h2)",
				   err);
	if (!tls->peer.role || SSL_get_verify_result(tls->ssl) != X509_V_OK)
		return refuse_late(tls, BIGM_EPERMISSION,
				   "refused the peer: it is not verified", err);
	tls->established = true;
	return 1;
}

static int decrypt(struct tls *tls, struct buffer *plain,
		   struct bigm_error *err)
{
	/* Without read-ahead OpenSSL holds no bytes that it has not told of. */
	while (tls->input_len > 0 || SSL_pending(tls->ssl) > 0) {
		size_t room = plain->limit - plain->len, got;
		uint8_t *place;
		int why;

		room = room < RECORD ? room : RECORD;
		place = buffer_reserve(plain, room ? room : 1, err);
		if (!place)
			return BIGM_EEXHAUSTED;
		if (SSL_read_ex(tls->ssl, place, room, &got)) {
			buffer_commit(plain, got);
			continue;
		}
		why = SSL_get_error(tls->ssl, 0);
		if (why == SSL_ERROR_ZERO_RETURN)
			return 1;
		if (why != SSL_ERROR_WANT_READ)
			return fail(tls, err);
	}
	return 0;
}

int tls_input(struct tls *tls, const void *data, size_t len,
	      struct buffer *plain, struct bigm_error *err)
{
	int rc;

	if (tls->error.code)
		return error_copy(err, &tls->error);
	if (len == 0)
		return 0;
	tls->input = data;
	tls->input_len = len;
	ERR_clear_error();
	if (!tls->begun) {
		rc = check_first(tls, err);
		if (rc < 0)
			return rc;
	}
	if (!tls->established) {
		rc = handshake(tls, err);
		if (rc <= 0)
			return rc;
	}
	return decrypt(tls, plain, err);
}

int tls_write(struct tls *tls, const void *data, size_t len,
	      struct bigm_error *err)
{
	size_t records = len / RECORD + 1, written;

	if (tls->error.code)
		return error_copy(err, &tls->error);
	if (!tls->established)
		return bigm_error_set(err, BIGM_EINVALID,
				      "TLS: nothing can be sent before the "
				      "peer is verified");
	if (len == 0)
		return 0;
	/* Once a record is sealed it must go out, so make sure it can. */
	if (!buffer_reserve(&tls->output, len + records * RECORD_OVERHEAD, err))
		return BIGM_EEXHAUSTED;
	ERR_clear_error();
	if (SSL_write_ex(tls->ssl, data, len, &written) && written == len)
		return 0;
	return fail(tls, err);
}

void tls_close(struct tls *tls)
{
	if (!tls->established || tls->error.code)
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

struct buffer *tls_output(struct tls *tls)
{
	return &tls->output;
}

bool tls_established(const struct tls *tls)
{
	return tls->established;
}

const struct peer *tls_peer(const struct tls *tls)
{
	return &tls->peer;
}
