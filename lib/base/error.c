#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const struct {
	int code;
	const char *name;
} code_names[] = {
	{ BIGM_OK, "OK" },
	{ BIGM_EINVALID, "INVALID" },
	{ BIGM_ENOTFOUND, "NOTFOUND" },
	{ BIGM_EEXIST, "EXIST" },
	{ BIGM_EPERMISSION, "PERMISSION" },
	{ BIGM_EUNAVAILABLE, "UNAVAILABLE" },
	{ BIGM_ECANCELED, "CANCELED" },
	{ BIGM_EDEADLINE, "DEADLINE" },
	{ BIGM_EEXHAUSTED, "EXHAUSTED" },
	{ BIGM_EPROTOCOL, "PROTOCOL" },
	{ BIGM_EIO, "IO" },
	{ BIGM_EDEADLOCK, "DEADLOCK" },
	{ BIGM_EUNSUPPORTED, "UNSUPPORTED" },
	{ BIGM_EFAILED, "FAILED" },
};

static const struct {
	int errnum;
	int code;
} errno_codes[] = {
	{ ENOMEM, BIGM_EEXHAUSTED }, { EMFILE, BIGM_EEXHAUSTED },
	{ ENFILE, BIGM_EEXHAUSTED }, { ENOSPC, BIGM_EEXHAUSTED },
	{ EDQUOT, BIGM_EEXHAUSTED }, { EACCES, BIGM_EPERMISSION },
	{ EPERM, BIGM_EPERMISSION }, { ENOENT, BIGM_ENOTFOUND },
	{ EEXIST, BIGM_EEXIST },
};

/* What says more about a limit that was reached than the system's words.  An
 * EAGAIN that is an error comes of a process or a thread: others are waited
 * out. */
static const struct {
	int errnum;
	const char *hint;
} errno_hints[] = {
	{ EMFILE, "; see `ulimit -n`" },
	{ ENFILE, "; see `sysctl fs.file-max`" },
	{ EAGAIN, "; see `ulimit -u`" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A caller compiled against an older bigm.h may have a shorter text. */
static size_t text_size(const struct bigm_error *err)
{
	const size_t before = offsetof(struct bigm_error, text);

	if (err->size < before + 64 || err->size >= sizeof(*err))
		return sizeof(err->text);
	return err->size - before;
}

__attribute__((format(printf, 4, 0)))
static int set(struct bigm_error *err, int code, bool retriable,
	       const char *fmt, va_list ap)
{
	if (err) {
		text_vformat(err->text, text_size(err), fmt, ap);
		err->code = code;
		err->retriable = retriable;
	}
	return code;
}

int bigm_error_set(struct bigm_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, false, fmt, ap);
	va_end(ap);
	return code;
}

int error_set_retriable(struct bigm_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, true, fmt, ap);
	va_end(ap);
	return code;
}

static int code_from_errno(int errnum)
{
	for (size_t i = 0; i < COUNT(errno_codes); i++)
		if (errno_codes[i].errnum == errnum)
			return errno_codes[i].code;
	return BIGM_EIO;
}

static const char *hint_for_errno(int errnum)
{
	for (size_t i = 0; i < COUNT(errno_hints); i++)
		if (errno_hints[i].errnum == errnum)
			return errno_hints[i].hint;
	return "";
}

int error_set_errno(struct bigm_error *err, int errnum, const char *fmt, ...)
{
	char what[sizeof(err->text)], reason[128];
	va_list ap;

	va_start(ap, fmt);
	text_vformat(what, sizeof(what), fmt, ap);
	va_end(ap);
	return bigm_error_set(err, code_from_errno(errnum), "%s: %s%s",
			      what, strerror_r(errnum, reason, sizeof(reason)),
			      hint_for_errno(errnum));
}

int error_prefix(struct bigm_error *err, const char *fmt, ...)
{
	char context[sizeof(err->text)];
	va_list ap;

	if (!err)
		return BIGM_EFAILED;
	va_start(ap, fmt);
	text_vformat(context, sizeof(context), fmt, ap);
	va_end(ap);
	text_format(err->text, text_size(err), "%s: %s", context, err->text);
	return err->code;
}

int error_copy(struct bigm_error *dst, const struct bigm_error *src)
{
	if (dst && dst != src) {
		text_format(dst->text, text_size(dst), "%s", src->text);
		dst->code = src->code;
		dst->retriable = src->retriable;
	}
	return src->code;
}

void error_clear(struct bigm_error *err)
{
	if (!err)
		return;
	err->code = 0;
	err->retriable = false;
	err->text[0] = '\0';
}

const char *bigm_code_name(int code)
{
	for (size_t i = 0; i < COUNT(code_names); i++)
		if (code_names[i].code == code)
			return code_names[i].name;
	return "UNKNOWN";
}

int error_code_from_name(const char *name)
{
	/* "OK" is no error, whatever a peer says. */
	for (size_t i = 1; name && i < COUNT(code_names); i++)
		if (strcmp(code_names[i].name, name) == 0)
			return code_names[i].code;
	return BIGM_EFAILED;
}
