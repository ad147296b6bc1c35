#include "config.h"

#include "ec2/user_keys.h"

#include <errno.h>
#include <glob.h>
#include <libssh2.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/wait.h"
#include "cloudconfig/check.h"

#define FILE_MOST 16384 /* bytes of one that are read */
/* Nobody waits longer for an agent. */
#define AGENT_MS 2000

/* ------------------------------------------------------------------ */
/* A list                                                              */

struct keys {
	char **lines; /* NULL-terminated */
	size_t n, bytes, left_out;
};

/* The key itself, without what is written behind it. */
static size_t key_len(const char *line)
{
	size_t type = strcspn(line, " \t");
	size_t blanks = strspn(line + type, " \t");

	return type + blanks + strcspn(line + type + blanks, " \t");
}

static bool is_there(const struct keys *k, const char *line)
{
	size_t len = key_len(line);

	for (size_t i = 0; i < k->n; i++)
		if (key_len(k->lines[i]) == len &&
		    strncmp(k->lines[i], line, len) == 0)
			return true;
	return false;
}

/* sshd takes no certificate for a key, and what is none is not ours to judge. */
static void add(struct keys *k, const char *line)
{
	size_t len = strlen(line);

	if (*line == '#' || strstr(line, "-cert-v01@") ||
	    check_ssh_key(line, NULL) < 0 || is_there(k, line))
		return;
	if (k->bytes + len > USER_KEYS_BYTES) {
		k->left_out++;
		return;
	}
	k->lines = xrealloc(k->lines, (k->n + 2) * sizeof(*k->lines));
	k->lines[k->n++] = xstrdup(line);
	k->lines[k->n] = NULL;
	k->bytes += len;
}

/* ------------------------------------------------------------------ */
/* Files                                                               */

static void add_file(struct keys *k, const char *path)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	AUTO_FREE char *text = xcalloc(1, FILE_MOST + 1);
	char *rest = text;

	if (!file || fread(text, 1, FILE_MOST, file) == 0)
		return;
	for (char *line; (line = strtok_r(rest, "\r\n", &rest));)
		add(k, line);
}

static void add_files(struct keys *k, const char *home)
{
	AUTO_FREE char *pattern = xasprintf("%s/.ssh/*.pub", home);
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_file(k, found.gl_pathv[i]);
	globfree(&found);
}

/* ------------------------------------------------------------------ */
/* The agent                                                           */

/* It is asked on a thread of its own, which is left behind when the agent does
 * not answer: who leaves last frees this. */
struct inquiry {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over, alone;
	LIBSSH2_SESSION *session;
	char *socket;
	struct keys keys;
	const char *trouble; /* NULL: none */
};

static void inquiry_free(struct inquiry *q)
{
	if (q->session)
		libssh2_session_free(q->session);
	strings_free(q->keys.lines);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q->socket);
	free(q);
}

static void add_identity(struct keys *k,
			 const struct libssh2_agent_publickey *identity)
{
	size_t len = identity->blob_len, type;
	const unsigned char *blob = identity->blob;

	/* A blob begins with the length and the name of its type. */
	if (len < 4 || len > FILE_MOST)
		return;
	type = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 |
	       (size_t)blob[2] << 8 | blob[3];
	if (type > len - 4)
		return;
	AUTO_FREE char *base64 = xcalloc(1, len / 3 * 4 + 5);
	EVP_EncodeBlock((unsigned char *)base64, blob, (int)len);
	AUTO_FREE char *line = xasprintf(
		"%.*s %s %s", (int)type, (const char *)blob + 4, base64,
		identity->comment ? identity->comment : "");
	text_clean(line);
	add(k, line);
}

static void ask(struct inquiry *q)
{
	struct libssh2_agent_publickey *identity = NULL;
	LIBSSH2_AGENT *agent = libssh2_agent_init(q->session);

	if (!agent) {
		q->trouble = "there is no memory to ask the SSH agent";
		return;
	}
	libssh2_agent_set_identity_path(agent, q->socket);
	if (libssh2_agent_connect(agent) < 0 ||
	    libssh2_agent_list_identities(agent) < 0)
		q->trouble = "the SSH agent of SSH_AUTH_SOCK cannot be asked";
	else
		while (libssh2_agent_get_identity(agent, &identity, identity) ==
		       0)
			add_identity(&q->keys, identity);
	libssh2_agent_disconnect(agent);
	libssh2_agent_free(agent);
}

static void *run_inquiry(void *data)
{
	struct inquiry *q = data;
	bool alone;

	ask(q);
	pthread_mutex_lock(&q->lock);
	q->over = true;
	alone = q->alone;
	pthread_cond_signal(&q->changed);
	pthread_mutex_unlock(&q->lock);
	if (alone)
		inquiry_free(q);
	return NULL;
}

static struct inquiry *inquiry_new(const char *socket)
{
	struct inquiry *q = xcalloc(1, sizeof(*q));
	pthread_t thread;

	pthread_mutex_init(&q->lock, NULL);
	wait_cond_init(&q->changed);
	q->socket = xstrdup(socket);
	q->session = libssh2_init(0) < 0 ? NULL : libssh2_session_init();
	if (q->session && thread_start(&thread, NULL, run_inquiry, q) == 0) {
		pthread_detach(thread);
		return q;
	}
	inquiry_free(q);
	return NULL;
}

/* What troubled it, or NULL. */
static const char *add_agent(struct keys *k, const struct user_keys_options *o)
{
	struct inquiry *q = inquiry_new(o->socket);
	int64_t deadline = wait_deadline((int64_t)o->agent_ms);
	const char *trouble;
	bool over;

	if (!q)
		return "the SSH agent cannot be asked";
	pthread_mutex_lock(&q->lock);
	while (!q->over &&
	       wait_cond(&q->changed, &q->lock, deadline) != ETIMEDOUT)
		;
	over = q->over;
	q->alone = !over;
	pthread_mutex_unlock(&q->lock);
	if (!over)
		return "the SSH agent of SSH_AUTH_SOCK does not answer";
	for (size_t i = 0; i < q->keys.n; i++)
		add(k, q->keys.lines[i]);
	k->left_out += q->keys.left_out;
	trouble = q->trouble;
	inquiry_free(q);
	libssh2_exit();
	return trouble;
}

/* ------------------------------------------------------------------ */

static char *note_of(const struct keys *k, const char *trouble)
{
	if (k->left_out > 0)
		return xasprintf("%zu of your SSH keys are left out, for more "
				 "than %d bytes of them do not fit: "
				 "--ec2-ssh-key says which may log in to the "
				 "instances", k->left_out, USER_KEYS_BYTES);
	if (k->n == 0)
		return xasprintf("there is no SSH key of yours in ~/.ssh/*.pub "
				 "or in the SSH agent%s%s%s, so only bigm can "
				 "log in to the instances: --ec2-ssh-key says "
				 "who may", trouble ? " (" : "",
				 trouble ? trouble : "", trouble ? ")" : "");
	return trouble ? xstrdup(trouble) : NULL;
}

char **user_keys_find(const struct user_keys_options *o, char **note)
{
	struct keys k = { .lines = xcalloc(1, sizeof(char *)) };
	const char *trouble = NULL;

	if (o->home)
		add_files(&k, o->home);
	if (o->socket && *o->socket)
		trouble = add_agent(&k, o);
	*note = note_of(&k, trouble);
	return k.lines;
}

char **user_keys_of(const struct ec2_settings *settings, char **note)
{
	const bool named = settings->ssh_keys[0] != NULL;
	const struct user_keys_options options = {
		.home = named ? NULL : getenv("HOME"),
		.socket = named ? NULL : getenv("SSH_AUTH_SOCK"),
		.agent_ms = AGENT_MS,
	};
	char **keys = user_keys_find(&options, note);

	if (named || (settings->key_name && !keys[0])) {
		free(*note);
		*note = NULL;
	}
	return keys;
}
