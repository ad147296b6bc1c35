#include "config.h"

#include "ec2/ssh_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "rpc/crypto.h"

#define TYPE "ssh-ed25519"
#define RAW 32 /* bytes of either half of an ed25519 key */
#define BLOCK 8 /* the private part is padded to this */
#define LINE 70 /* of the text form */
#define BLOB_SIZE (4 + sizeof(TYPE) - 1 + 4 + RAW)
#define MOST_TEXT 4096

/* ------------------------------------------------------------------ */
/* RFC 4251's data types                                               */

static void put_uint32(struct buffer *b, uint32_t n)
{
	const uint8_t bytes[] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
				  (uint8_t)(n >> 8), (uint8_t)n };

	buffer_append(b, bytes, sizeof(bytes), NULL);
}

static void put_string(struct buffer *b, const void *data, size_t len)
{
	put_uint32(b, (uint32_t)len);
	buffer_append(b, data, len, NULL);
}

static void put_text(struct buffer *b, const char *text)
{
	put_string(b, text, strlen(text));
}

static void put_public(struct buffer *b, const uint8_t raw[RAW])
{
	put_text(b, TYPE);
	put_string(b, raw, RAW);
}

static void wipe(struct buffer *b)
{
	if (b->base)
		OPENSSL_cleanse(b->base, b->capacity);
	buffer_release(b);
}

/* ------------------------------------------------------------------ */
/* openssh-key-v1, without encryption                                  */

static void put_private_part(struct buffer *b, const uint8_t seed[RAW],
			     const uint8_t raw[RAW], const char *comment)
{
	uint8_t both[2 * RAW], check[4];

	/* Twice the same, by which a reader knows that it has decrypted it. */
	RAND_bytes(check, sizeof(check));
	buffer_append(b, check, sizeof(check), NULL);
	buffer_append(b, check, sizeof(check), NULL);
	put_public(b, raw);
	memcpy(both, seed, RAW);
	memcpy(both + RAW, raw, RAW);
	put_string(b, both, sizeof(both));
	OPENSSL_cleanse(both, sizeof(both));
	put_text(b, comment);
	for (uint8_t pad = 1; b->len % BLOCK != 0; pad++)
		buffer_append(b, &pad, 1, NULL);
}

static void put_key(struct buffer *b, const uint8_t seed[RAW],
		    const uint8_t raw[RAW], const char *comment)
{
	static const char magic[] = "openssh-key-v1"; /* with its NUL */
	struct buffer part = BUFFER_INIT(MOST_TEXT), public = part;

	put_public(&public, raw);
	put_private_part(&part, seed, raw, comment);
	buffer_append(b, magic, sizeof(magic), NULL);
	put_text(b, "none"); /* cipher */
	put_text(b, "none"); /* key derivation, */
	put_text(b, "");     /* its options */
	put_uint32(b, 1);    /* keys */
	put_string(b, buffer_data(&public), public.len);
	put_string(b, buffer_data(&part), part.len);
	wipe(&part);
	buffer_release(&public);
}

static char *base64(const struct buffer *b)
{
	char *text = xmalloc(4 * (b->len / 3 + 1) + 1);

	EVP_EncodeBlock((unsigned char *)text, buffer_data(b), (int)b->len);
	return text;
}

static char *private_text(const uint8_t seed[RAW], const uint8_t raw[RAW],
			  const char *comment)
{
	struct buffer b = BUFFER_INIT(MOST_TEXT), text = b;
	char *encoded, *result;
	size_t len;

	put_key(&b, seed, raw, comment);
	encoded = base64(&b);
	len = strlen(encoded);
	buffer_appendf(&text, NULL, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t i = 0; i < len; i += LINE)
		buffer_appendf(&text, NULL, "%.*s\n", LINE, encoded + i);
	buffer_appendf(&text, NULL, "-----END OPENSSH PRIVATE KEY-----\n");
	result = xstrdup(buffer_string(&text));
	OPENSSL_clear_free(encoded, len);
	wipe(&b);
	wipe(&text);
	return result;
}

static char *public_text(const uint8_t raw[RAW], const char *comment)
{
	struct buffer b = BUFFER_INIT(MOST_TEXT);
	AUTO_FREE char *encoded = NULL;

	put_public(&b, raw);
	encoded = base64(&b);
	buffer_release(&b);
	return xasprintf(TYPE " %s %s", encoded, comment);
}

int ssh_key_new(struct ssh_key *key, const char *comment,
		struct bigm_error *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	uint8_t seed[RAW], raw[RAW];
	size_t seed_len = RAW, raw_len = RAW;
	int rc = 0;

	*key = (struct ssh_key){ NULL, NULL };
	if (strlen(comment) > MOST_TEXT / 8)
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "an SSH key's comment of %zu bytes is too "
				    "long", strlen(comment));
	else if (!pkey ||
		 EVP_PKEY_get_raw_private_key(pkey, seed, &seed_len) != 1 ||
		 EVP_PKEY_get_raw_public_key(pkey, raw, &raw_len) != 1)
		rc = crypto_error_set(err, BIGM_EFAILED,
				      "cannot make an SSH key");
	EVP_PKEY_free(pkey);
	if (rc == 0) {
		key->private_text = private_text(seed, raw, comment);
		key->public_text = public_text(raw, comment);
	}
	OPENSSL_cleanse(seed, sizeof(seed));
	return rc;
}

void ssh_key_release(struct ssh_key *key)
{
	if (key->private_text)
		OPENSSL_cleanse(key->private_text, strlen(key->private_text));
	free(key->private_text);
	free(key->public_text);
	*key = (struct ssh_key){ NULL, NULL };
}

unsigned char *ssh_key_blob(const char *public_text, size_t *len,
			    struct bigm_error *err)
{
	static const char prefix[] = TYPE " ";
	struct buffer start = BUFFER_INIT(64);
	const char *encoded = public_text + sizeof(prefix) - 1;
	/* The blob's length is a multiple of 3: no padding. */
	const size_t encoded_len = BLOB_SIZE / 3 * 4;
	unsigned char *blob = xmalloc(BLOB_SIZE);

	_Static_assert(BLOB_SIZE % 3 == 0, "would be padded");
	put_text(&start, TYPE);
	put_uint32(&start, RAW);
	*len = BLOB_SIZE;
	if (strncmp(public_text, prefix, sizeof(prefix) - 1) != 0 ||
	    strcspn(encoded, " \n") != encoded_len ||
	    EVP_DecodeBlock(blob, (const unsigned char *)encoded,
			    (int)encoded_len) != (int)BLOB_SIZE ||
	    memcmp(blob, buffer_data(&start), start.len) != 0) {
		free(blob);
		blob = NULL;
		bigm_error_set(err, BIGM_EINVALID,
			       "\"%s\" is no public key of " TYPE, public_text);
	}
	buffer_release(&start);
	return blob;
}
