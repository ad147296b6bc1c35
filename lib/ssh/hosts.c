#include "config.h"

#include "ssh/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define NAME_LONGEST 255 /* RFC 1035's, and ssh's */
#define LINE_LONGEST 4096
#define BLANKS " \t\r\n"

void ssh_host_release(struct ssh_host *host)
{
	free(host->name);
	free(host->address);
	*host = (struct ssh_host){ 0 };
}

static int parse_procs(const char *text, int *procs, struct bigm_error *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < 1 ||
	    n > SSH_PROCS_MOST)
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%s\": processors are a number from 1 "
				      "to %d", text, SSH_PROCS_MOST);
	*procs = (int)n;
	return 0;
}

/* Where HOST ends; PROCS follow behind a colon, or nothing. */
static size_t name_length(const char *text)
{
	const char *bracket = strchr(text, ']');
	const char *colon = strchr(bracket ? bracket : text, ':');

	/* An address of IPv6 as it is. */
	if (colon && !bracket && strchr(colon + 1, ':'))
		return strlen(text);
	return colon ? (size_t)(colon - text) : strlen(text);
}

/* What no shell, and no ssh_config(5), takes for something else. */
static int check_name(const char *name, struct bigm_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._@:%+-";

	if (*name && *name != '-' && name[strspn(name, letters)] == '\0' &&
	    strlen(name) <= NAME_LONGEST)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\" is no name of a host: must be [USER@]HOST"
			      "[:PROCS]", name);
}

int ssh_host_parse(struct ssh_host *host, const char *text,
		   struct bigm_error *err)
{
	size_t len = name_length(text);
	char *open, *close;

	host->name = xstrndup(text, len);
	/* ssh itself wants addresses without brackets. */
	open = strchr(host->name, '[');
	close = strchr(host->name, ']');
	if (open && close && close > open && !close[1]) {
		*close = '\0';
		memmove(open, open + 1, strlen(open));
	}
	if (check_name(host->name, err) < 0)
		return BIGM_EINVALID;
	return text[len] ? parse_procs(text + len + 1, &host->procs, err) : 0;
}

/* ------------------------------------------------------------------ */
/* Several                                                             */

static struct ssh_host *add(struct ssh_hosts *hosts, struct bigm_error *err)
{
	if (hosts->n == SSH_HOSTS_MOST) {
		bigm_error_set(err, BIGM_EINVALID, "must be %d hosts at most",
			       SSH_HOSTS_MOST);
		return NULL;
	}
	hosts->all = xrealloc(hosts->all,
			      (hosts->n + 1) * sizeof(*hosts->all));
	hosts->all[hosts->n] = (struct ssh_host){ 0 };
	return &hosts->all[hosts->n++];
}

static int set_address(struct ssh_host *host, const char *text,
		       struct bigm_error *err)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, bytes) != 1 &&
	    inet_pton(AF_INET6, text, bytes) != 1)
		return bigm_error_set(err, BIGM_EINVALID,
				      "address=%s: is no address", text);
	free(host->address);
	host->address = xstrdup(text);
	return 0;
}

static int parse_word(struct ssh_host *host, const char *word,
		      struct bigm_error *err)
{
	if (strncmp(word, "slots=", 6) == 0)
		return parse_procs(word + 6, &host->procs, err);
	if (strncmp(word, "address=", 8) == 0)
		return set_address(host, word + 8, err);
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\": behind a host stands slots=N or "
			      "address=ADDRESS", word);
}

/* Changes it. */
static int parse_line(struct ssh_hosts *hosts, char *line,
		      struct bigm_error *err)
{
	char *rest = NULL, *word;
	struct ssh_host *host;
	int r;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANKS, &rest);
	if (!word)
		return 0;
	host = add(hosts, err);
	r = host ? ssh_host_parse(host, word, err) : BIGM_EINVALID;
	while (r == 0 && (word = strtok_r(NULL, BLANKS, &rest)))
		r = parse_word(host, word, err);
	return r;
}

static int read_file(struct ssh_hosts *hosts, const char *path,
		     struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char line[LINE_LONGEST];
	int r = 0;

	if (!file)
		return error_set_errno(err, errno, "the hosts in %s", path);
	for (int n = 1; r == 0 && fgets(line, sizeof(line), file); n++) {
		r = strlen(line) + 1 < sizeof(line)
			    ? parse_line(hosts, line, err)
			    : bigm_error_set(err, BIGM_EINVALID,
					     "the line is too long");
		if (r < 0)
			error_prefix(err, "%s:%d", path, n);
	}
	if (r == 0 && ferror(file))
		r = error_set_errno(err, errno, "the hosts in %s", path);
	if (r == 0 && hosts->n == 0)
		r = bigm_error_set(err, BIGM_EINVALID, "%s names no host",
				   path);
	return r;
}

static void count_names(struct ssh_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		for (size_t k = 0; k < i; k++)
			hosts->all[i].nth += strcmp(hosts->all[i].name,
						    hosts->all[k].name) == 0;
}

int ssh_hosts_load(struct ssh_hosts *hosts, const struct ssh_settings *settings,
		   struct bigm_error *err)
{
	struct ssh_host *host;
	int r = 0;

	*hosts = (struct ssh_hosts){ 0 };
	if (settings->file)
		r = read_file(hosts, settings->file, err);
	for (char **text = settings->hosts; r == 0 && *text; text++) {
		host = add(hosts, err);
		r = host ? ssh_host_parse(host, *text, err) : BIGM_EINVALID;
	}
	if (r == 0 && hosts->n == 0)
		r = bigm_error_set(err, BIGM_EINVALID,
				   "the system ssh needs hosts: --host a,b or "
				   "--hosts FILE, see bigm-ssh(5)");
	count_names(hosts);
	return r;
}

void ssh_hosts_release(struct ssh_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++)
		ssh_host_release(&hosts->all[i]);
	free(hosts->all);
	*hosts = (struct ssh_hosts){ 0 };
}

struct ssh_host *ssh_hosts_take(struct ssh_hosts *hosts)
{
	struct ssh_host *best = NULL;

	for (size_t i = 0; i < hosts->n; i++)
		if (!hosts->all[i].taken &&
		    (!best || hosts->all[i].failures < best->failures))
			best = &hosts->all[i];
	if (best)
		best->taken = true;
	return best;
}
