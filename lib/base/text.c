#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define ELLIPSIS "…"

void text_clean(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = ' ';
	}
}

/* Cuts s, of which all size bytes are in use, so that the ellipsis fits. */
static void cut(char *s, size_t size)
{
	size_t end = size - sizeof(ELLIPSIS);

	while (end > 0 && ((unsigned char)s[end] & 0xc0) == 0x80)
		end--;
	memcpy(s + end, ELLIPSIS, sizeof(ELLIPSIS));
}

void text_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
	char tmp[TEXT_MAX];
	int len;

	if (size > sizeof(tmp))
		size = sizeof(tmp);
	len = vsnprintf(tmp, size, fmt, ap);
	if (len < 0)
		snprintf(tmp, size, "(a message that cannot be shown)");
	else if ((size_t)len >= size)
		cut(tmp, size);
	text_clean(tmp);
	memcpy(buf, tmp, strlen(tmp) + 1);
}

void text_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vformat(buf, size, fmt, ap);
	va_end(ap);
}

char *text_shell_word(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789_-./=:,+@%";
	size_t len = strlen(word);
	char *result, *at;

	if (len > 0 && strspn(word, plain) == len)
		return xstrdup(word);
	at = result = xmalloc(len * strlen("'\\''") + sizeof("''"));
	*at++ = '\'';
	for (; *word; word++) {
		if (*word == '\'')
			at = stpcpy(at, "'\\'");
		*at++ = *word;
	}
	strcpy(at, "'");
	return result;
}
