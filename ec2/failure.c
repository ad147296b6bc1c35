#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "ec2/failure.h"
#include "ec2/xml.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *name;
	int code;
	bool retriable;
	const char *hint; /* what to do */
} kinds[EC2_KINDS] = {
	[EC2_OK] = { "ok", BIGM_OK, false, "" },
	[EC2_CREDENTIALS] = { "credentials", BIGM_EPERMISSION, false,
			      "AWS does not accept these credentials" },
	[EC2_EXPIRED] = { "expired", BIGM_EPERMISSION, false,
			  "the credentials have expired" },
	[EC2_PERMISSION] = { "permission", BIGM_EPERMISSION, false,
			     "the credentials do not allow it" },
	[EC2_QUOTA] = { "quota", BIGM_EEXHAUSTED, false,
			"the account's limit is reached; see Service Quotas" },
	[EC2_CAPACITY] = { "capacity", BIGM_EEXHAUSTED, true,
			   "EC2 has none of it at present" },
	[EC2_THROTTLING] = { "throttling", BIGM_EEXHAUSTED, true,
			     "EC2 was asked too often" },
	[EC2_BAD_REQUEST] = { "bad request", BIGM_EINVALID, false,
			      "EC2 refuses it" },
	[EC2_NOT_FOUND] = { "not found", BIGM_ENOTFOUND, false,
			    "EC2 does not know it" },
	[EC2_EXISTS] = { "exists", BIGM_EEXIST, false, "it exists already" },
	[EC2_IN_USE] = { "in use", BIGM_EEXIST, false, "it is in use" },
	[EC2_DRY_RUN] = { "dry run", BIGM_OK, false, "it would have worked" },
	[EC2_SERVER] = { "server", BIGM_EUNAVAILABLE, true,
			 "EC2 has a problem of its own" },
	[EC2_NETWORK] = { "network", BIGM_EUNAVAILABLE, true,
			  "EC2 cannot be reached" },
	[EC2_CANCELED] = { "canceled", BIGM_ECANCELED, false, "canceled" },
};

/*
 * From "Error codes for the Amazon EC2 API" (docs.aws.amazon.com, AWSEC2,
 * APIReference, errors-overview) and, for the codes of signatures, "Common
 * errors" of STS.  A '*' stands for any beginning or end.  The first that fits
 * counts.
 */
static const struct {
	const char *code;
	enum ec2_kind kind;
} codes[] = {
	{ "DryRunOperation", EC2_DRY_RUN },

	{ "RequestExpired", EC2_EXPIRED },
	{ "ExpiredToken*", EC2_EXPIRED },
	{ "RequestTimeTooSkewed", EC2_EXPIRED },
	{ "RequestInTheFuture", EC2_EXPIRED },

	{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
	  EC2_PERMISSION },
	{ "AuthFailure", EC2_CREDENTIALS },
	{ "IncompleteSignature", EC2_CREDENTIALS },
	{ "InvalidAccessKeyId", EC2_CREDENTIALS },
	{ "InvalidClientTokenId", EC2_CREDENTIALS },
	{ "InvalidSecurity", EC2_CREDENTIALS },
	{ "InvalidSecurityToken*", EC2_CREDENTIALS },
	{ "MissingAuthenticationToken*", EC2_CREDENTIALS },
	{ "SignatureDoesNotMatch", EC2_CREDENTIALS },
	{ "UnrecognizedClientException", EC2_CREDENTIALS },

	{ "AccessDenied*", EC2_PERMISSION },
	{ "Blocked", EC2_PERMISSION },
	{ "OperationNotPermitted", EC2_PERMISSION },
	{ "OptInRequired", EC2_PERMISSION },
	{ "PendingVerification", EC2_PERMISSION },
	{ "UnauthorizedOperation", EC2_PERMISSION },

	{ "BandwidthLimitExceeded", EC2_THROTTLING },
	{ "ConcurrentTagAccess", EC2_THROTTLING },
	{ "EC2ThrottledException", EC2_THROTTLING },
	{ "PriorRequestNotComplete", EC2_THROTTLING },
	{ "RequestLimitExceeded", EC2_THROTTLING },
	{ "RequestThrottled*", EC2_THROTTLING },
	{ "ResourceCreationLimitExceeded", EC2_THROTTLING },
	{ "SlowDown", EC2_THROTTLING },
	{ "Throttl*", EC2_THROTTLING },
	{ "TooManyRequests*", EC2_THROTTLING },
	{ "TransactionInProgressException", EC2_THROTTLING },

	{ "Insufficient*Capacity", EC2_CAPACITY },
	{ "InsufficientFreeAddressesInSubnet", EC2_CAPACITY },
	{ "MaxSpotPriceTooLow", EC2_CAPACITY },
	{ "SpotMaxPriceTooLow", EC2_CAPACITY },
	{ "UnfulfillableCapacity", EC2_CAPACITY },

	{ "MaxSpotFleetRequestCountExceeded", EC2_QUOTA },
	{ "MaxSpotInstanceCountExceeded", EC2_QUOTA },
	{ "RulesPerSecurityGroupLimitExceeded", EC2_QUOTA },
	{ "*LimitExceeded*", EC2_QUOTA },
	{ "*CountExceeded", EC2_QUOTA },

	{ "*.NotFound*", EC2_NOT_FOUND },
	{ "*NotFoundException", EC2_NOT_FOUND },
	{ "InvalidAMIID.Unavailable", EC2_NOT_FOUND },
	{ "InvalidInstanceID.Malformed", EC2_BAD_REQUEST },
	{ "*.Duplicate", EC2_EXISTS },
	{ "*AlreadyExists*", EC2_EXISTS },
	{ "DependencyViolation", EC2_IN_USE },
	{ "*.InUse", EC2_IN_USE },
	{ "ResourceInUse*", EC2_IN_USE },

	{ "InternalError", EC2_SERVER },
	{ "InternalFailure", EC2_SERVER },
	{ "InternalServerError", EC2_SERVER },
	{ "RequestTimeout*", EC2_SERVER },
	{ "ServiceUnavailable*", EC2_SERVER },
	{ "Unavailable", EC2_SERVER },
};

const char *ec2_kind_name(enum ec2_kind kind)
{
	return kind < EC2_KINDS ? kinds[kind].name : "unknown";
}

static bool matches(const char *pattern, const char *code)
{
	for (; *pattern != '*'; pattern++, code++)
		if (*pattern != *code)
			return false;
		else if (!*pattern)
			return true;
	do {
		if (matches(pattern + 1, code))
			return true;
	} while (*code++);
	return false;
}

enum ec2_kind ec2_kind_of(const char *code, int status)
{
	/* AWS documents them without, and sends some with whose fault it is:
	 * the reasons why instances ended. */
	if (!strncmp(code, "Client.", 7) || !strncmp(code, "Server.", 7)) {
		if (!status && *code == 'S')
			status = 500;
		code += 7;
	}
	for (size_t i = 0; *code && i < COUNT(codes); i++)
		if (matches(codes[i].code, code))
			return codes[i].kind;
	if (status == 429)
		return EC2_THROTTLING;
	return status >= 500 ? EC2_SERVER : EC2_BAD_REQUEST;
}

void ec2_failure_clear(struct ec2_failure *f)
{
	f->kind = EC2_OK;
	f->code[0] = f->message[0] = f->request_id[0] = '\0';
	error_clear(&f->error);
}

int ec2_failure_kind(struct ec2_failure *f, enum ec2_kind kind)
{
	f->kind = kind;
	f->code[0] = f->message[0] = f->request_id[0] = '\0';
	return f->error.code;
}

int ec2_failure_set(struct ec2_failure *f, enum ec2_kind kind, int code,
		    const char *fmt, ...)
{
	char text[sizeof(f->error.text)];
	va_list ap;

	va_start(ap, fmt);
	text_vformat(text, sizeof(text), fmt, ap);
	va_end(ap);
	bigm_error_set(&f->error, code, "%s", text);
	return ec2_failure_kind(f, kind);
}

/* The encoded part of a refusal is longer than an error may be, and says
 * nothing to anybody; but who pastes it into a command learns which policy it
 * was.  So it is logged. */
static size_t shown(const struct ec2_failure *f, const char **hint)
{
	static const char marker[] = "Encoded authorization failure message: ";
	const char *encoded = strstr(f->message, marker);

	*hint = "";
	if (!encoded)
		return strlen(f->message);
	log_info("why EC2 refused it: aws sts decode-authorization-message "
		 "--encoded-message %s",
		 encoded + sizeof(marker) - 1);
	*hint = "; the log has a command that says why";
	while (encoded > f->message && encoded[-1] == ' ')
		encoded--;
	return (size_t)(encoded - f->message);
}

/* What a wrong clock does is told by a server's own date. */
static void clock_note(char *note, size_t size, const char *date)
{
	time_t now = time(NULL);
	struct tm tm;
	char ours[64];

	gmtime_r(&now, &tm);
	strftime(ours, sizeof(ours), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_format(note, size,
		    " (or a clock is wrong: it is %s here, %s there)", ours,
		    date ? date : "unknown");
}

/* Whose code, message and id are there. */
static int describe(struct ec2_failure *f, const char *what, const char *date)
{
	const char *hint;
	int len = (int)shown(f, &hint);
	char note[160] = "";

	if (f->kind == EC2_EXPIRED || !strcmp(f->code, "SignatureDoesNotMatch") ||
	    !strcmp(f->code, "AuthFailure"))
		clock_note(note, sizeof(note), date);
	/* The message is last, since it may be too long. */
	bigm_error_set(&f->error, kinds[f->kind].code,
		       "%s: %s%s%s: %s%s%s%s: %.*s", what, kinds[f->kind].hint,
		       note, hint, *f->code ? f->code : "no code",
		       *f->request_id ? " (request " : "", f->request_id,
		       *f->request_id ? ")" : "", len, f->message);
	f->error.retriable = kinds[f->kind].retriable;
	return f->error.code;
}

int ec2_failure_from(struct ec2_failure *f, const char *what, const char *code,
		     const char *message)
{
	text_format(f->code, sizeof(f->code), "%s", code);
	text_format(f->message, sizeof(f->message), "%s", message);
	f->request_id[0] = '\0';
	f->kind = ec2_kind_of(code, 0);
	return describe(f, what, NULL);
}

/* The first of these that is there. */
static const char *first_of(const struct xml_node *root,
			    const char *const *paths)
{
	for (; *paths; paths++)
		if (*xml_get(root, *paths))
			return xml_get(root, *paths);
	return "";
}

int ec2_failure_decode(struct ec2_failure *f, const char *what, int status,
		       const void *body, size_t len, const char *date)
{
	/* EC2's form, and the one of STS and others. */
	static const char *const code[] = { "Errors/Error/Code", "Error/Code",
					    NULL };
	static const char *const message[] = { "Errors/Error/Message",
					       "Error/Message", NULL };
	static const char *const id[] = { "RequestID", "RequestId", NULL };
	AUTO_XML struct xml *x = xml_parse(body, len, NULL);
	const struct xml_node *root = x ? xml_root(x) : NULL;

	text_format(f->code, sizeof(f->code), "%s", first_of(root, code));
	text_format(f->message, sizeof(f->message), "%s",
		    first_of(root, message));
	text_format(f->request_id, sizeof(f->request_id), "%s",
		    first_of(root, id));
	if (!*f->code)
		text_format(f->message, sizeof(f->message),
			    "HTTP status %d with %zu bytes", status, len);
	f->kind = ec2_kind_of(f->code, status);
	return describe(f, what, date);
}

bool ec2_failure_names(const struct ec2_failure *f, const char *id)
{
	const size_t len = strlen(id);

	for (const char *s = f->message; len && (s = strstr(s, id)); s++)
		if ((s == f->message || !isalnum((unsigned char)s[-1])) &&
		    !isalnum((unsigned char)s[len]))
			return true;
	return false;
}
