/*
 * Whoever identity_peer() finds in a certificate is spelled there exactly so,
 * and is the only name there.
 *
 * The input is "D" and a certificate in DER, or "U" and the URI names of one,
 * with 0xff between them.
 */
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/identity.h"

#define SEPARATOR 0xff

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void push_uri(GENERAL_NAMES *names, const uint8_t *uri, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	if (!name || !value || !ASN1_STRING_set(value, uri, (int)len))
		abort();
	GENERAL_NAME_set0_value(name, GEN_URI, value);
	if (!sk_GENERAL_NAME_push(names, name))
		abort();
}

static X509 *certificate_with(const uint8_t *uris, size_t size)
{
	X509 *certificate = X509_new();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	const uint8_t *end = uris + size, *next;

	if (!certificate || !names)
		abort();
	for (; uris < end; uris = next + (next < end)) {
		next = memchr(uris, SEPARATOR, (size_t)(end - uris));
		next = next ? next : end;
		push_uri(names, uris, (size_t)(next - uris));
	}
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
			  X509V3_ADD_DEFAULT);
	GENERAL_NAMES_free(names);
	return certificate;
}

/* The one URI name; NULL when there is none, or another. */
static ASN1_IA5STRING *only_uri(GENERAL_NAMES *names)
{
	ASN1_IA5STRING *uri = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		if (uri)
			return NULL;
		uri = name->d.uniformResourceIdentifier;
	}
	return uri;
}

static void check(const X509 *certificate)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char text[IDENTITY_URI_MAX];
	GENERAL_NAMES *names;
	ASN1_IA5STRING *uri;
	struct peer peer;

	if (identity_peer(certificate, &peer, &err) < 0) {
		if (peer.role != ROLE_NONE || err.text[0] == '\0')
			abort();
		return;
	}
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL,
				 NULL);
	uri = only_uri(names);
	identity_uri(&peer, text);
	if (!uri || ASN1_STRING_length(uri) != (int)strlen(text) ||
	    memcmp(ASN1_STRING_get0_data(uri), text, strlen(text)) != 0)
		abort();
	GENERAL_NAMES_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	X509 *certificate = NULL;

	if (size > 1 && data[0] == 'D') {
		data++;
		certificate = d2i_X509(NULL, &data, (long)size - 1);
	} else if (size > 1 && data[0] == 'U') {
		certificate = certificate_with(data + 1, size - 1);
	}
	if (certificate)
		check(certificate);
	X509_free(certificate);
	return 0;
}
