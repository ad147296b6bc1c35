#include "config.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "ssh/advice.h"
#include "ssh/begin_text.h"
#include "ssh/system.h"
#include "ssh/system_private.h"

/* From the first packet to a shell there; some look a user up for long. */
#define CONNECT_MS 90000
/* A slow line has half an hour for 9 MB at 5 kB/s; one that is dead is noticed
 * by ssh. */
#define SEND_MS (30 * 60 * 1000)
#define START_MS 60000
/* What is left there is killed and removed meanwhile; then the connection is
 * cut, and it goes on without us. */
#define END_MS 3000
/* KiB that a folder has to have besides ec2boot. */
#define ROOM_KB (16 << 10)
#define DIRS "\"$TMPDIR\" /tmp /var/tmp \"$HOME\""

/* What each is about, for people, and in errors. */
static const struct {
	const char *phase, *step;
	uint64_t ms; /* for all of it; 0: no limit */
} steps[] = {
	[LAUNCH_WAITING] = { "waiting", "waiting", 0 },
	[LAUNCH_CONNECTING] = { "connecting", "logging in", CONNECT_MS },
	[LAUNCH_SENDING] = { "sending", "sending ec2boot", SEND_MS },
	[LAUNCH_STARTING] = { "starting", "starting ec2boot", START_MS },
	[LAUNCH_ANNOUNCED] = { "certifying", "the connection", 0 },
	[LAUNCH_GONE] = { "", "", 0 },
};

/* ------------------------------------------------------------------ */
/* Its end                                                             */

void launch_maybe_free(struct system_launch *l)
{
	struct system *s = l->system;

	if (!l->released || l->login || l->give_up.queued)
		return;
	loop_timer_stop(s->keeper.loop, &l->timer);
	TAILQ_REMOVE(&s->launches, l, entry);
	buffer_release(&l->lines);
	free(l->address);
	free(l->name);
	free(l);
}

static void gone(struct system_launch *l, const struct bigm_error *why)
{
	l->step = LAUNCH_GONE;
	l->host->taken = false;
	l->host->failures += why->code != 0;
	ssh_system_wake(l->system);
	l->events.gone(l->data, why);
}

/* How it ended that was a machine already. */
static void describe_end(const struct system_launch *l, int status,
			 const char *words, struct bigm_error *why)
{
	const char *host = l->host->name;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;

	if (code == 0)
		return;
	if (code == 255)
		bigm_error_set(why, BIGM_EUNAVAILABLE,
			       "%s: the SSH connection is lost%s%s", host,
			       *words ? ": " : "", words);
	else if (code > 128)
		bigm_error_set(why, BIGM_EUNAVAILABLE,
			       "%s: killed by signal %d (%s)%s%s", host,
			       code - 128, strsignal(code - 128),
			       *words ? ": " : "", words);
	else
		bigm_error_set(why, BIGM_EUNAVAILABLE,
			       "%s: exited with status %d%s%s", host, code,
			       *words ? ": " : "", words);
}

/* Which step it was that failed, of which the host has told nothing yet. */
static const char *step_of_end(const struct system_launch *l, int status)
{
	bool logged_in = WIFEXITED(status) && WEXITSTATUS(status) != 255;

	return l->step == LAUNCH_CONNECTING && logged_in
		       ? "preparing a folder" : steps[l->step].step;
}

static void on_ended(void *data, int status)
{
	struct system_launch *l = data;
	AUTO_FREE char *words = ssh_login_words(l->login);
	struct bigm_error why = BIGM_ERROR_INIT;

	loop_timer_stop(l->system->keeper.loop, &l->timer);
	ssh_login_free(l->login);
	l->login = NULL;
	if (l->why.code)
		error_copy(&why, &l->why);
	else if (l->killed)
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s: was ended",
			       l->host->name);
	else if (l->step < LAUNCH_ANNOUNCED)
		ssh_advise(&why, l->host->name, step_of_end(l, status), words);
	else
		describe_end(l, status, words, &why);
	if (!l->output_over) {
		l->output_over = true;
		l->events.output(l->data, NULL, 0);
	}
	gone(l, &why);
}

static void on_end_is_late(struct loop_timer *timer)
{
	ssh_login_kill(loop_container(timer, struct system_launch, timer)->login);
}

/* Ends it for *why, if for something. */
static void end(struct system_launch *l, const struct bigm_error *why)
{
	if (l->killed || !l->login)
		return;
	l->killed = true;
	if (why)
		error_copy(&l->why, why);
	if (l->step == LAUNCH_CONNECTING) {
		ssh_login_kill(l->login);
		return;
	}
	ssh_login_close_input(l->login);
	loop_timer_start(l->system->keeper.loop, &l->timer, END_MS,
			 on_end_is_late);
}

void launch_give_up(struct loop_task *task)
{
	struct system_launch *l =
		loop_container(task, struct system_launch, give_up);
	struct bigm_error why = BIGM_ERROR_INIT;

	if (l->released) {
		launch_maybe_free(l);
		return;
	}
	error_copy(&why, &l->why);
	l->events.output(l->data, NULL, 0);
	gone(l, &why);
}

void launch_kill(struct system_launch *l)
{
	if (l->step == LAUNCH_GONE || l->killed)
		return;
	if (l->login) {
		end(l, NULL);
		return;
	}
	l->killed = true;
	bigm_error_set(&l->why, BIGM_EUNAVAILABLE, "was ended");
	loop_defer(l->system->keeper.loop, &l->give_up);
}

/* ------------------------------------------------------------------ */
/* Its steps                                                           */

bool launch_is_connecting(const struct system_launch *l)
{
	return l->step == LAUNCH_CONNECTING && l->login;
}

static void on_late(struct loop_timer *timer)
{
	struct system_launch *l =
		loop_container(timer, struct system_launch, timer);
	AUTO_FREE char *words = ssh_login_words(l->login);
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE, "%s: %s takes longer than %llu s"
		       "%s%s", l->host->name, steps[l->step].step,
		       (unsigned long long)steps[l->step].ms / 1000,
		       *words ? ": " : "", words);
	end(l, &why);
}

static void enter(struct system_launch *l, enum launch_step step)
{
	l->step = step;
	if (l->events.phase)
		l->events.phase(l->data, steps[step].phase);
	loop_timer_stop(l->system->keeper.loop, &l->timer);
	if (steps[step].ms)
		loop_timer_start(l->system->keeper.loop, &l->timer,
				 steps[step].ms, on_late);
}

/* What the host said makes no sense: it is not what we have sent. */
static void refuse(struct system_launch *l, const char *line)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EPROTOCOL, "%s: %s: the host said \"%s\"",
		       l->host->name, steps[l->step].step, line);
	end(l, &why);
}

/* "ready ADDRESS PROCS" */
static void on_ready(struct system_launch *l, const char *line)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char address[INET6_ADDRSTRLEN + 1];
	int procs;

	if (sscanf(line, "ready %46s %6d", address, &procs) != 2 || procs < 1 ||
	    (inet_pton(AF_INET, address, bytes) != 1 &&
	     inet_pton(AF_INET6, address, bytes) != 1)) {
		refuse(l, line);
		return;
	}
	l->address = xstrdup(l->host->address ? l->host->address : address);
	if (l->procs == 0)
		l->procs = procs < SSH_PROCS_MOST ? procs : SSH_PROCS_MOST;
	enter(l, LAUNCH_SENDING);
	ssh_login_write(l->login, l->system->bytes, l->system->size, false);
	ssh_system_wake(l->system);
}

/* "sent" */
static void on_sent(struct system_launch *l, const char *line)
{
	const struct system_keeper *k = &l->system->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	char *identity;
	size_t len;

	if (strcmp(line, "sent") != 0) {
		refuse(l, line);
		return;
	}
	identity = k->bootstrap(k->keeper, &why);
	if (!identity) {
		end(l, &why);
		return;
	}
	len = strlen(identity);
	char *whole = xmalloc(len + 1);
	memcpy(whole, identity, len);
	whole[len] = '\n'; /* it ends the line */
	OPENSSL_cleanse(identity, len);
	free(identity);
	enter(l, LAUNCH_STARTING);
	ssh_login_write(l->login, whole, len + 1, true);
}

/* "port N" */
static void on_port(struct system_launch *l, const char *line)
{
	unsigned port;
	char more;

	if (sscanf(line, "port %5u%c", &port, &more) != 1 || port < 1 ||
	    port > 65535) {
		refuse(l, line);
		return;
	}
	AUTO_FREE char *address = xasprintf(
		strchr(l->address, ':') ? "https://[%s]:%u/" : "https://%s:%u/",
		l->address, port);

	enter(l, LAUNCH_ANNOUNCED);
	log_info("%s: on %s, %s", l->name, l->host->name, address);
	l->events.address(l->data, address, l->procs, 0);
}

static void take_line(struct system_launch *l, const char *line)
{
	static void (*const takers[])(struct system_launch *, const char *) = {
		[LAUNCH_CONNECTING] = on_ready,
		[LAUNCH_SENDING] = on_sent,
		[LAUNCH_STARTING] = on_port,
	};
	size_t len = strlen(l->mark);

	/* What else a login prints (.bashrc, …) is nobody's business. */
	if (strncmp(line, l->mark, len) == 0 && line[len] == ' ' && !l->killed)
		takers[l->step](l, line + len + 1);
}

static void pass_on(struct system_launch *l, const void *bytes, size_t len)
{
	if (len > 0 && !l->output_over)
		l->events.output(l->data, bytes, len);
}

static void on_output(void *data, const void *bytes, size_t len)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	char *line;
	size_t size;

	if (l->step == LAUNCH_ANNOUNCED || len == 0) {
		pass_on(l, bytes, len);
		return;
	}
	if (buffer_append(&l->lines, bytes, len, &why) < 0) {
		error_prefix(&why, "%s: what its shell prints", l->host->name);
		end(l, &why);
		return;
	}
	while (l->step < LAUNCH_ANNOUNCED) {
		line = buffer_line(&l->lines, &size);
		if (!line)
			return;
		line[size] = '\0';
		take_line(l, line);
		buffer_consume(&l->lines, size + 1);
	}
	if (l->step == LAUNCH_ANNOUNCED)
		pass_on(l, buffer_data(&l->lines), l->lines.len);
	buffer_release(&l->lines);
}

/* ------------------------------------------------------------------ */
/* Its beginning                                                       */

/* begin.sh, with its variables in front. */
static char *make_script(struct system_launch *l)
{
	const struct system *s = l->system;
	const int64_t port = s->settings.port;
	unsigned char bits[(SSH_MARK_SIZE - 1) / 2];

	RAND_bytes(bits, sizeof(bits));
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(l->mark + 2 * i, 3, "%02x", bits[i]);
	return xasprintf("mark=%s arch=%s size=%zu room=%zu port=%lld "
			 "within=%llus\nset -- %s\n%s",
			 l->mark, s->arch, s->size, s->size / 1024 + ROOM_KB,
			 port ? (long long)port + l->host->nth : 0LL,
			 (unsigned long long)system_ssh.keepalive.timeout_ms /
				 1000,
			 s->settings.dir ? s->settings.dir : DIRS,
			 ssh_begin_script);
}

void launch_connect(struct system_launch *l)
{
	static const struct ssh_login_events events = {
		.output = on_output,
		.ended = on_ended,
	};
	struct system *s = l->system;
	char *script = make_script(l);
	/* Of words that mean the same to any login shell, fish and csh
	 * included; the script itself is for sh. */
	AUTO_FREE char *command = xasprintf(
		"exec /bin/sh -c 'eval \"$(head -c %zu)\"'", strlen(script));

	l->login = ssh_login_start(s->keeper.loop, l->host->name,
				   s->settings.config, command, &events, l,
				   &l->why);
	if (!l->login) {
		free(script);
		loop_defer(s->keeper.loop, &l->give_up);
		return;
	}
	enter(l, LAUNCH_CONNECTING);
	ssh_login_write(l->login, script, strlen(script), true);
}
