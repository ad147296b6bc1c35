#include "config.h"

#include <openssl/core_dispatch.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

#include "rpc/crypto.h"

/* Of two numbers of P-256 for each handshake that is under way, thousands. */
#define KEYS_ROOM (1u << 20)
#define KEYS_LEAST 32
#define NAMES_MAX 4
#define CHOSEN_MAX 16 /* of EC's decoders OpenSSL 3.0 has 7, with PEM's */

/* What there is of an operation.  Operations that are not in the table are the
 * whole provider's. */
struct choice {
	int operation;
	const char *names[NAMES_MAX];
	OSSL_ALGORITHM algorithms[CHOSEN_MAX + 1];
};

/*
 * A provider that is OpenSSL's own one but for tables that are shorter.  What
 * OpenSSL calls of a provider has no argument to find a state by: so this is
 * one, made once and constant from then on.
 */
static struct {
	pthread_once_t once;
	OSSL_LIB_CTX *context; /* NULL: could not be made */
	OSSL_PROVIDER *whole;  /* of a context of its own */
	struct choice choices[11];
} lean = {
	.once = PTHREAD_ONCE_INIT,
	.choices = {
		/* SHA-1 is what OpenSSL tells certificates apart by. */
		{ OSSL_OP_DIGEST, { "SHA2-256", "SHA1", "MD5" }, { { 0 } } },
		{ OSSL_OP_CIPHER, { "AES-128-GCM" }, { { 0 } } },
		{ OSSL_OP_MAC, { "HMAC" }, { { 0 } } },
		{ OSSL_OP_KDF, { "HKDF", "TLS13-KDF" }, { { 0 } } },
		{ OSSL_OP_KEYMGMT, { "EC", "X25519" }, { { 0 } } },
		{ OSSL_OP_KEYEXCH, { "ECDH", "X25519" }, { { 0 } } },
		{ OSSL_OP_SIGNATURE, { "ECDSA" }, { { 0 } } },
		{ OSSL_OP_ASYM_CIPHER, { NULL }, { { 0 } } },
		{ OSSL_OP_KEM, { NULL }, { { 0 } } },
		{ OSSL_OP_ENCODER, { "EC", "DER" }, { { 0 } } },
		{ OSSL_OP_DECODER, { "EC", "DER" }, { { 0 } } },
	},
};

/* "EC:id-ecPublicKey:1.2.840.10045.2.1" is EC. */
static bool is_wanted(const struct choice *choice,
		      const OSSL_ALGORITHM *algorithm)
{
	const char *name = algorithm->algorithm_names;
	size_t len = strcspn(name, ":");

	for (size_t i = 0; i < NAMES_MAX && choice->names[i]; i++)
		if (strlen(choice->names[i]) == len &&
		    strncmp(name, choice->names[i], len) == 0)
			return true;
	return false;
}

static void choose(struct choice *choice)
{
	int no_cache;
	size_t n = 0;
	const OSSL_ALGORITHM *from = OSSL_PROVIDER_query_operation(
		lean.whole, choice->operation, &no_cache);

	for (; from && from->algorithm_names; from++)
		if (is_wanted(choice, from) && n < CHOSEN_MAX)
			choice->algorithms[n++] = *from;
}

static const OSSL_ALGORITHM *lean_query(void *data, int operation,
					int *no_cache)
{
	size_t n = sizeof(lean.choices) / sizeof(lean.choices[0]);

	*no_cache = 0;
	for (size_t i = 0; i < n; i++)
		if (lean.choices[i].operation == operation)
			return lean.choices[i].algorithms;
	return OSSL_PROVIDER_query_operation(lean.whole, operation, no_cache);
}

static int lean_capabilities(void *data, const char *capability,
			     OSSL_CALLBACK *callback, void *argument)
{
	return OSSL_PROVIDER_get_capabilities(lean.whole, capability, callback,
					      argument);
}

/* The functions in the tables want the data of the provider that they are
 * of. */
static int lean_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		     const OSSL_DISPATCH **out, void **data)
{
	static const OSSL_DISPATCH table[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION,
		  (void (*)(void))lean_query },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES,
		  (void (*)(void))lean_capabilities },
		{ 0, NULL },
	};

	*data = OSSL_PROVIDER_get0_provider_ctx(lean.whole);
	*out = table;
	return 1;
}

static void make_context(void)
{
	size_t n = sizeof(lean.choices) / sizeof(lean.choices[0]);
	OSSL_LIB_CTX *whole = OSSL_LIB_CTX_new();
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();

	if (whole)
		lean.whole = OSSL_PROVIDER_load(whole, "default");
	if (!context || !lean.whole)
		goto error;
	for (size_t i = 0; i < n; i++)
		choose(&lean.choices[i]);
	if (!OSSL_PROVIDER_add_builtin(context, "lean", lean_init) ||
	    !OSSL_PROVIDER_load(context, "lean"))
		goto error;
	lean.context = context;
	return;
error:
	OSSL_LIB_CTX_free(context);
	if (lean.whole)
		OSSL_PROVIDER_unload(lean.whole);
	OSSL_LIB_CTX_free(whole);
}

/* Of a program that looks for leaks.  OpenSSL's random numbers have what else
 * they need in the place of the keys, where nobody would look for pointers. */
extern void __lsan_register_root_region(const void *begin, size_t size)
	__attribute__((weak, visibility("default")));

static void make_place_of_keys(void)
{
	void *all;

	/* A program may have one already.  Where it cannot be locked it is out
	 * of core files all the same. */
	if (CRYPTO_secure_malloc_initialized() ||
	    !CRYPTO_secure_malloc_init(KEYS_ROOM, KEYS_LEAST) ||
	    !__lsan_register_root_region)
		return;
	all = OPENSSL_secure_malloc(KEYS_ROOM);
	if (all)
		__lsan_register_root_region(all, KEYS_ROOM);
	OPENSSL_secure_free(all);
}

static void make_once(void)
{
	make_place_of_keys();
	make_context();
}

OSSL_LIB_CTX *crypto_context(void)
{
	pthread_once(&lean.once, make_once);
	return lean.context;
}
