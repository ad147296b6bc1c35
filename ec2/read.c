/*
 * read: files of instances, by SSH: a connection of its own for each, since the
 * worker may hang, and its journal be followed by the other one.  It is there
 * as long as the instance is, also when its machine is long gone.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "ec2/system_private.h"

#define CONNECT_MS 10000
#define LOGIN_MS 20000
#define WORDS_MOST 400 /* bytes of what is said there of a failure */

/* Only a regular file has an end for sure. */
static const char script[] =
	"[ -f \"$1\" ] || { ls -d -- \"$1\" >/dev/null && "
	"echo it is no regular file >&2; exit 1; }; exec head -c \"$2\" -- \"$1\"";

struct system_reading {
	struct system *system;
	TAILQ_ENTRY(system_reading) entry;
	struct loop_task refuse;
	struct ssh *ssh;
	char *machine, *path;
	size_t limit;
	struct buffer bytes, words;
	struct bigm_error why;
	system_read_fn *done;
	void *data;
};

void instance_note_host(const struct system_launch *l)
{
	struct system *s = l->system;

	s->hosts = xrealloc(s->hosts, (s->nhosts + 1) * sizeof(*s->hosts));
	s->hosts[s->nhosts++] = (struct system_host){
		.machine = xstrdup(l->name),
		.address = xstrdup(l->host),
	};
}

/* Takes it apart, and tells what came of it. */
static void finish(struct system_reading *r)
{
	system_read_fn *done = r->done;
	struct bigm_error why = r->why;
	struct buffer bytes = r->bytes;
	void *data = r->data;

	if (why.code)
		error_prefix(&why, "%s: %s", r->machine, r->path);
	TAILQ_REMOVE(&r->system->readings, r, entry);
	ssh_free(r->ssh);
	buffer_release(&r->words);
	free(r->machine);
	free(r->path);
	free(r);
	done(data, buffer_data(&bytes), why.code ? 0 : bytes.len,
	     why.code ? &why : NULL);
	buffer_release(&bytes);
}

static void on_refuse(struct loop_task *task)
{
	finish(loop_container(task, struct system_reading, refuse));
}

static void on_output(void *data, int stream, const void *bytes, size_t len)
{
	struct system_reading *r = data;
	struct buffer *to = stream == 1 ? &r->bytes : &r->words;
	size_t most = stream == 1 ? r->limit + 1 : WORDS_MOST;

	if (len > most - to->len)
		len = most - to->len;
	buffer_append(to, bytes, len, NULL);
}

static void on_done(void *data, int status, const struct bigm_error *why)
{
	struct system_reading *r = data;

	if (why->code)
		r->why = *why;
	else if (status != 0)
		bigm_error_set(&r->why, BIGM_ENOTFOUND,
			       "cannot be read there: %s",
			       r->words.len ? buffer_string(&r->words)
					    : "nothing is said of why");
	else if (r->bytes.len > r->limit)
		bigm_error_set(&r->why, BIGM_EEXHAUSTED,
			       "has more than %zu bytes", r->limit);
	finish(r);
}

static void on_closed(void *data, const struct bigm_error *why)
{
}

static int begin(struct system_reading *r, const char *address)
{
	static const struct ssh_run_events run = {
		.output = on_output,
		.done = on_done,
	};
	static const struct ssh_events events = { .closed = on_closed };
	struct system *s = r->system;
	const struct ssh_target target = {
		.host = address,
		.port = SSH_PORT,
		.user = ec2_settings_login(&s->asker.settings),
		.key = &s->login_key,
		.host_key = s->host_key.public_text,
		.connect_ms = CONNECT_MS,
		.timeout_ms = LOGIN_MS,
	};
	AUTO_FREE char *path = text_shell_word(r->path);
	AUTO_FREE char *command =
		xasprintf("exec sudo -n sh -c '%s' sh %s %zu", script, path,
			  r->limit + 1);

	r->ssh = ssh_open(s->keeper.loop, &target, &events, r, &r->why);
	if (!r->ssh)
		return r->why.code;
	ssh_run(r->ssh, command, -1, &run, r);
	return 0;
}

void system_read_file(struct system *s, const char *machine, const char *path,
		      size_t limit, system_read_fn *done, void *data)
{
	static const struct bigm_error none = BIGM_ERROR_INIT;
	struct system_reading *r = xcalloc(1, sizeof(*r));
	const char *address = NULL;

	for (size_t i = 0; i < s->nhosts; i++)
		if (strcmp(s->hosts[i].machine, machine) == 0)
			address = s->hosts[i].address;
	r->system = s;
	r->machine = xstrdup(machine);
	r->path = xstrdup(path);
	r->limit = limit;
	r->why = none;
	r->done = done;
	r->data = data;
	buffer_init(&r->bytes, limit + 1);
	buffer_init(&r->words, WORDS_MOST + 1);
	TAILQ_INSERT_TAIL(&s->readings, r, entry);
	if (!address)
		bigm_error_set(&r->why, BIGM_EUNAVAILABLE,
			       "its instance has no address yet");
	if (address && begin(r, address) == 0)
		return;
	r->refuse.fn = on_refuse;
	loop_defer(s->keeper.loop, &r->refuse);
}

void system_readings_end(struct system *s)
{
	struct system_reading *r;

	while ((r = TAILQ_FIRST(&s->readings))) {
		bigm_error_set(&r->why, BIGM_ECANCELED, "the cluster ends");
		finish(r);
	}
	for (size_t i = 0; i < s->nhosts; i++) {
		free(s->hosts[i].machine);
		free(s->hosts[i].address);
	}
	free(s->hosts);
}
