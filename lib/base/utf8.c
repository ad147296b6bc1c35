#include "base/utf8.h"

#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* How many of the bytes are text, from the first on. */
static size_t text_length(iconv_t cd, char *bytes, size_t len, char *room)
{
	char *in = bytes, *out = room;
	size_t left = len, space = len;

	iconv(cd, NULL, NULL, NULL, NULL);
	iconv(cd, &in, &left, &out, &space);
	return len - left;
}

/* Most text is nothing else. */
static size_t ascii_length(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && (unsigned char)bytes[n] < 128)
		n++;
	return n;
}

static void replace(char *bytes, size_t len)
{
	AUTO_FREE char *room = xmalloc(len + 1);
	iconv_t cd = iconv_open("UTF-8", "UTF-8");
	size_t done = 0;

	while (done < len) {
		if (cd != (iconv_t)-1)
			done += text_length(cd, bytes + done, len - done, room);
		/* Without iconv, what is certain. */
		if (done < len && (cd != (iconv_t)-1 || bytes[done] < 0))
			bytes[done] = '?';
		done += done < len;
	}
	if (cd != (iconv_t)-1)
		iconv_close(cd);
}

void utf8_make_text(char *bytes, size_t len)
{
	size_t ascii = ascii_length(bytes, len);

	if (ascii < len)
		replace(bytes + ascii, len - ascii);
}

bool utf8_is_text(const void *bytes, size_t len)
{
	AUTO_FREE char *room = xmalloc(len + 1);
	iconv_t cd = iconv_open("UTF-8", "UTF-8");
	bool valid = cd != (iconv_t)-1 && memchr(bytes, '\0', len) == NULL &&
		     text_length(cd, (char *)bytes, len, room) == len;

	if (cd != (iconv_t)-1)
		iconv_close(cd);
	return valid;
}
