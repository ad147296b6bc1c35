#include "config.h"

#include "ssh/advice.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

char *ssh_one_line(const void *bytes, size_t len)
{
	AUTO_FREE char *all = xstrndup(len > 0 ? bytes : "", len);
	struct buffer line = BUFFER_INIT(SIZE_MAX);
	char *rest = NULL, *text;

	for (char *word = strtok_r(all, "\r\n", &rest); word;
	     word = strtok_r(NULL, "\r\n", &rest)) {
		word += strspn(word, " \t");
		if (*word)
			buffer_appendf(&line, NULL, "%s%s",
				       line.len > 0 ? "; " : "", word);
	}
	text = xstrdup(buffer_string(&line));
	text_clean(text);
	buffer_release(&line);
	return text;
}

/* The words of OpenSSH 8 to 10 (sshconnect.c, sshconnect2.c, ssh.c, kex.c);
 * instead: they say it better than the box of many lines that ssh prints. */
static const struct {
	const char *words, *instead;
	int code;
	const char *advice;
} table[] = {
	{ "HOST IDENTIFICATION HAS CHANGED", "its host key is another than the "
	  "known one", BIGM_EFAILED,
	  "if you know why, forget that one by `ssh-keygen -R`, and log in once "
	  "with ssh; else somebody may be in between" },
	{ "host key is known for", "its host key is not known", BIGM_EFAILED,
	  "log in once with ssh and confirm it, or put it into known_hosts" },
	{ "Host key verification failed", NULL, BIGM_EFAILED,
	  "log in once with ssh and confirm its host key" },
	{ "Permission denied (", NULL, BIGM_EFAILED,
	  "it has to let you in without a password: is the key in your agent "
	  "(ssh-add -l), and in authorized_keys there?" },
	{ "Too many authentication failures", NULL, BIGM_EFAILED,
	  "name the key in ~/.ssh/config (IdentityFile, IdentitiesOnly)" },
	{ "Could not resolve hostname", NULL, BIGM_EUNAVAILABLE,
	  "is it in ~/.ssh/config, or in the DNS?" },
	{ "Connection refused", NULL, BIGM_EUNAVAILABLE,
	  "does its sshd run, on that port?" },
	{ "timed out", NULL, BIGM_EUNAVAILABLE,
	  "is it up, and does its firewall let SSH in?" },
	{ "No route to host", NULL, BIGM_EUNAVAILABLE, "is it up?" },
	{ "Network is unreachable", NULL, BIGM_EUNAVAILABLE,
	  "is there a way to it from here?" },
	{ "kex_exchange_identification", NULL, BIGM_EUNAVAILABLE,
	  "its sshd takes no more logins now (MaxStartups), or does not want "
	  "this host" },
};

/* What of the words, which "; " separates, has that in it; NULL: nothing. */
static char *piece_with(const char *words, const char *what)
{
	const char *found = strstr(words, what), *next;

	if (!found)
		return NULL;
	while ((next = strstr(words, "; ")) && next < found)
		words = next + 2;
	return xstrndup(words, next ? (size_t)(next - words) : strlen(words));
}

int ssh_advise(struct bigm_error *err, const char *host, const char *step,
	       const char *words)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		AUTO_FREE char *piece = piece_with(words, table[i].words);

		if (piece)
			return bigm_error_set(
				err, table[i].code, "%s: %s: %s (%s)", host,
				step, table[i].instead ? table[i].instead
						       : piece,
				table[i].advice);
	}
	return bigm_error_set(err, BIGM_EFAILED, "%s: %s: %s", host, step,
			      *words ? words : "ssh says nothing");
}
