#include "config.h"

#include "rpc/tls_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "rpc/crypto.h"

/* ------------------------------------------------------------------ */
/* Certificates                                                        */

static void format_time(const ASN1_TIME *time, char text[32])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) ||
	    !strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		strcpy(text, "an unreadable date");
}

void tls_error_explain_chain(char *why, size_t size, int error,
			     const X509 *certificate)
{
	char time[32];

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		format_time(X509_get0_notAfter(certificate), time);
		snprintf(why, size, "its certificate expired at %s", time);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		format_time(X509_get0_notBefore(certificate), time);
		snprintf(why, size,
			 "its certificate is good only from %s on; is a clock "
			 "wrong?",
			 time);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(why, size, "it made its certificate itself");
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		snprintf(why, size,
			 "its certificate is not signed by our authority");
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		snprintf(why, size,
			 "its certificate is not for this end of a "
			 "connection");
		break;
	default:
		snprintf(why, size, "%s", X509_verify_cert_error_string(error));
	}
}

/* ------------------------------------------------------------------ */
/* Handshakes and records                                              */

static const struct {
	int reason;
	int code;
	const char *text;
} reasons[] = {
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, BIGM_EPERMISSION,
	  "refused the peer: it showed no certificate" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, BIGM_EPROTOCOL,
	  "the peer speaks an old TLS; bigm speaks TLS 1.3 only" },
	{ SSL_R_WRONG_SSL_VERSION, BIGM_EPROTOCOL,
	  "the peer speaks an old TLS; bigm speaks TLS 1.3 only" },
	{ SSL_R_NO_SHARED_CIPHER, BIGM_EPROTOCOL,
	  "the peer has no cipher in common with us "
	  "(TLS_AES_128_GCM_SHA256)" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, BIGM_EPROTOCOL,
	  "the peer does not speak HTTP/2 (ALPN h2)" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION, BIGM_EPROTOCOL,
	  "the peer refused our TLS 1.3" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL,
	  BIGM_EPROTOCOL, "the peer does not speak HTTP/2 (ALPN h2)" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED, BIGM_EPERMISSION,
	  "the peer refused us: our certificate has expired; is a clock "
	  "wrong?" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA, BIGM_EPERMISSION,
	  "the peer refused us: our certificate is not of its cluster" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE, BIGM_EPERMISSION,
	  "the peer refused us: our certificate is not the one it expects" },
	{ SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REQUIRED,
	  BIGM_EPERMISSION, "the peer refused us: it wants a certificate" },
};

static int explain_reason(struct bigm_error *err, int reason)
{
	int alert = reason - SSL_AD_REASON_OFFSET;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return bigm_error_set(err, reasons[i].code, "%s",
					      reasons[i].text);
	if (alert > 0 && alert < 256)
		return bigm_error_set(
			err,
			alert >= SSL_AD_BAD_CERTIFICATE &&
					alert <= SSL_AD_ACCESS_DENIED ?
				BIGM_EPERMISSION :
				BIGM_EPROTOCOL,
			"the peer ended TLS with the alert \"%s\"",
			SSL_alert_desc_string_long(alert));
	return crypto_error_set(err, BIGM_EPROTOCOL, "broken TLS");
}

int tls_error_set(struct bigm_error *err)
{
	unsigned long first = ERR_peek_error();
	int code = explain_reason(err, first && !ERR_SYSTEM_ERROR(first) ?
					       ERR_GET_REASON(first) : 0);

	ERR_clear_error();
	return code;
}
