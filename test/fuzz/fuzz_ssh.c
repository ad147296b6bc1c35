/*
 * What a host that one owns says while a machine begins there (begin.sh, and
 * ec2boot --tell), whoever says it: an identity goes only to who has said
 * everything, the address is one, what comes behind is the machine's output, byte
 * for byte, and each machine ends once, with a reason.  Also what ssh itself
 * says.
 *
 * The input is bits, ssh's exit status, and the host's output, in which 1 is the
 * mark that bigm has sent, and 3 many blanks; after 2, ssh's words.  The login is
 * ours.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ssh/advice.h"
#include "ssh/system.h"
#include "ssh/system_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (1u << 20)
#define LONG 5000
#define SECRET "an identity"

enum { PIECES = 1, KILL = 2, KILL_LATE = 4 };

struct ssh_login {
	struct ssh_login_events events;
	void *data;
	const uint8_t *words;
	size_t nwords;
	bool killed;
};

static struct {
	struct ssh_login *login;
	char mark[SSH_MARK_SIZE];
	struct buffer said;   /* by the host, so far */
	struct buffer passed; /* of it, as output */
	bool begun, trusted, announced, over, gone;
	int code;
} now;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool has_said(const char *line)
{
	AUTO_FREE char *whole = xasprintf("%s %s", now.mark, line);

	return now.said.len > 0 &&
	       memmem(buffer_data(&now.said), now.said.len, whole,
		      strlen(whole));
}

/* ------------------------------------------------------------------ */
/* In the place of login.c                                             */

struct ssh_login *ssh_login_start(struct loop *loop, const char *host,
				  const char *config, const char *command,
				  const struct ssh_login_events *events,
				  void *data, struct bigm_error *err)
{
	now.login = xcalloc(1, sizeof(*now.login));
	now.login->events = *events;
	now.login->data = data;
	return now.login;
}

void ssh_login_write(struct ssh_login *login, const void *bytes, size_t len,
		     bool own)
{
	if (!now.begun)
		must(sscanf(bytes, "mark=%32[0-9a-f] ", now.mark) == 1);
	else if (!own)
		must(has_said("ready") && !now.trusted);
	else {
		must(len == sizeof(SECRET) && memcmp(bytes, SECRET "\n", len) == 0);
		must(has_said("ready") && has_said("sent") && !now.trusted);
		now.trusted = true;
	}
	now.begun = true;
	if (own)
		free((void *)(uintptr_t)bytes);
}

void ssh_login_close_input(struct ssh_login *login)
{
}

void ssh_login_kill(struct ssh_login *login)
{
	login->killed = true;
}

char *ssh_login_words(const struct ssh_login *login)
{
	char *line = ssh_one_line(login->words, login->nwords);

	for (const char *p = line; *p; p++)
		must((unsigned char)*p >= ' ' && *p != 0x7f);
	return line;
}

void ssh_login_free(struct ssh_login *login)
{
	free(login);
}

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static char *bootstrap(void *keeper, struct bigm_error *err)
{
	return xstrdup(SECRET);
}

static char *find_ec2boot(void *keeper, const char *arch,
			  struct bigm_error *err)
{
	return xstrdup("/proc/self/exe");
}

static void on_address(void *data, const char *address, int procs, pid_t pid)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char host[64], more;
	unsigned port;

	must(!now.announced && !now.gone && now.trusted && pid == 0);
	must(procs >= 1 && procs <= SSH_PROCS_MOST);
	if (sscanf(address, "https://[%63[^]]]:%u/%c", host, &port, &more) == 2)
		must(inet_pton(AF_INET6, host, bytes) == 1);
	else
		must(sscanf(address, "https://%63[^:]:%u/%c", host, &port,
			    &more) == 2 && inet_pton(AF_INET, host, bytes) == 1);
	must(port >= 1 && port <= 65535);
	now.announced = true;
}

static void on_output(void *data, const void *bytes, size_t len)
{
	must(!now.over && !now.gone && (len == 0 || now.announced));
	now.over = len == 0;
	buffer_append(&now.passed, bytes, len, NULL);
}

static void on_gone(void *data, const struct bigm_error *why)
{
	must(!now.gone && now.over);
	now.gone = true;
	now.code = why->code;
	must((why->code == 0) == (why->text[0] == '\0'));
	must(why->code != 0 || now.announced);
}

static struct system *make_system(struct loop *loop)
{
	const struct system_keeper keeper = {
		.loop = loop,
		.bootstrap = bootstrap,
		.find_ec2boot = find_ec2boot,
	};
	AUTO_JSON cJSON *settings =
		cJSON_Parse("{\"set\": [\"ssh-host=host\"]}");
	struct system *s = system_ssh.new(&keeper, settings, NULL);

	must(s != NULL);
	return s;
}

/* ------------------------------------------------------------------ */

static void say(const void *bytes, size_t len)
{
	struct ssh_login *login = now.login;

	if (len == 0)
		return;
	buffer_append(&now.said, bytes, len, NULL);
	login->events.output(login->data, bytes, len);
}

static void say_all(const uint8_t *data, size_t size, size_t step)
{
	struct buffer all = BUFFER_INIT(ROOM);

	for (size_t i = 0; i < size; i++)
		if (data[i] == 1)
			buffer_append(&all, now.mark, strlen(now.mark), NULL);
		else if (data[i] == 3)
			buffer_appendf(&all, NULL, "%*s", LONG, "");
		else
			buffer_append(&all, data + i, 1, NULL);
	for (size_t at = 0; at < all.len; at += step)
		say(buffer_data(&all) + at,
		    all.len - at < step ? all.len - at : step);
	buffer_release(&all);
}

static void check_output(void)
{
	size_t n = now.passed.len;

	must(n <= now.said.len);
	if (n == 0)
		return;
	must(memcmp(buffer_data(&now.said) + now.said.len - n,
		    buffer_data(&now.passed), n) == 0);
	must(n < now.said.len &&
	     buffer_data(&now.said)[now.said.len - n - 1] == '\n');
}

static void turn(struct loop *loop)
{
	for (int i = 0; i < 3; i++)
		uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void one(struct loop *loop, struct system *s, const uint8_t *data,
		size_t size)
{
	static const struct system_events events = {
		.address = on_address, .output = on_output, .gone = on_gone,
	};
	const struct system_order order = { .name = "m0" };
	const uint8_t *words = memchr(data + 2, 2, size - 2);
	size_t said = words ? (size_t)(words - data) : size;
	struct system_launch *l = system_ssh.start(s, &order, &events, NULL,
						   NULL);

	must(l != NULL);
	turn(loop);
	must(now.begun);
	if (words) {
		now.login->words = words + 1;
		now.login->nwords = size - said - 1;
	}
	if (data[0] & KILL)
		system_ssh.kill(l);
	say_all(data + 2, said - 2, data[0] & PIECES ? 23 : ROOM);
	if (data[0] & KILL_LATE)
		system_ssh.kill(l);
	now.login->events.output(now.login->data, NULL, 0);
	now.login->events.ended(now.login->data, data[1] << 8);
	turn(loop);
	must(now.gone && (now.code != 0 || data[1] == 0));
	check_output();
	system_ssh.release(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	static struct system *s;

	if (!loop) {
		log_set_level(LOG_LEVEL_ERROR);
		loop = loop_new(NULL);
		s = make_system(loop);
	}
	if (size < 2 || size > ROOM / LONG)
		return 0;
	memset(&now, 0, sizeof(now));
	buffer_init(&now.said, ROOM);
	buffer_init(&now.passed, ROOM);
	one(loop, s, data, size);
	buffer_release(&now.said);
	buffer_release(&now.passed);
	return 0;
}
