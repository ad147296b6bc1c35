/*
 * instance: one machine of the EC2 system, from its launch to its end.
 *
 *	requested → pending → booting → reachable → (sending →) announced
 *
 * It is reachable when sshd lets us in.  Where the instance does not fetch
 * ec2boot itself it is sent then.  From there on the way by SSH serves to
 * follow the journal, and is built again when it breaks.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "ec2/notice.h"
#include "ec2/system_private.h"
#include "ec2/userdata.h"

#define SSH_MS 20000
/* How long it may take to connect, and how long to wait until the next try, as
 * parts of the time since the launch: so that what is known late is so by a part
 * of what it took, and what is slow is not tried all the time. */
#define CONNECT_PART 4
#define CONNECT_MS 500
#define CONNECT_MOST_MS 10000
#define RETRY_PART 20
#define RETRY_MS 100
#define RETRY_MOST_MS 5000
/* How long the last lines may take to come, when systemd says that the worker
 * is gone, and when the instance is. */
#define EXIT_DRAIN_MS 300
#define LOST_DRAIN_MS 1500
/* EC2 does not know instances for a while after their launch. */
#define UNKNOWN_NS (300 * 1000000000ull)

static void connect_by_ssh(struct system_launch *l);

static void on_retry(struct loop_timer *timer)
{
	connect_by_ssh(loop_container(timer, struct system_launch, timer));
}

void instance_set_phase(struct system_launch *l, const char *phase)
{
	l->phase = phase;
	if (!l->gone && l->events.phase)
		l->events.phase(l->data, phase);
}

void instance_bill(const struct system_launch *l, struct bill *bill)
{
	if (l->is.id && !l->billed)
		bill_add(bill, l->is.usd, loop_now_ns() - l->launched_ns,
			 !l->gone);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

void instance_maybe_free(struct system_launch *l)
{
	struct system *s = l->system;

	if (!l->released || l->launching || l->checking)
		return;
	TAILQ_REMOVE(&s->launches, l, entry);
	s->nlaunches--;
	loop_timer_stop(s->keeper.loop, &l->deadline);
	loop_timer_stop(s->keeper.loop, &l->timer);
	ssh_free(l->ssh);
	journald_reader_release(&l->journal);
	buffer_release(&l->tail);
	launched_release(&l->is);
	strings_free(l->argv);
	free(l->program);
	free(l->name);
	free(l->marker);
	free(l->host);
	free(l);
}

static void end_output(struct system_launch *l)
{
	if (l->output_over)
		return;
	l->output_over = true;
	loop_timer_stop(l->system->keeper.loop, &l->timer);
	ssh_free(l->ssh);
	l->ssh = NULL;
	l->events.output(l->data, NULL, 0);
}

static void on_drained(struct loop_timer *timer)
{
	end_output(loop_container(timer, struct system_launch, timer));
}

void instance_end(struct system_launch *l, const struct bigm_error *why,
		  uint64_t drain_ms)
{
	struct system *s = l->system;

	if (l->gone)
		return;
	l->gone = true;
	instance_bill(l, &s->bill);
	l->billed = true;
	loop_timer_stop(s->keeper.loop, &l->deadline);
	if (l->is.id)
		errands_terminate(s, l->is.id);
	if (!l->ssh || drain_ms == 0)
		end_output(l);
	else
		loop_timer_start(s->keeper.loop, &l->timer, drain_ms,
				 on_drained);
	l->events.gone(l->data, why);
}

/* ------------------------------------------------------------------ */
/* Its journal                                                         */

/* The machine's last line: it has ended in good order. */
static bool is_marker(const struct system_launch *l)
{
	size_t len = strlen(l->marker);

	return l->tail.len == len &&
	       memcmp(buffer_data(&l->tail), l->marker, len) == 0;
}

/* Keeps the beginning of a line as long as it may be the marker. */
static bool look_for_marker(struct system_launch *l, const char *bytes,
			    size_t len)
{
	bool seen = false;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n') {
			buffer_append(&l->tail, bytes + i, 1, NULL);
			continue;
		}
		seen = seen || is_marker(l);
		buffer_consume(&l->tail, l->tail.len);
	}
	return seen;
}

static void on_journal_output(void *data, const void *bytes, size_t len)
{
	static const struct bigm_error none = BIGM_ERROR_INIT;
	struct system_launch *l = data;

	if (l->output_over)
		return;
	l->events.output(l->data, bytes, len);
	if (look_for_marker(l, bytes, len))
		instance_end(l, &none, 0);
}

/* Why it ends, where that was known before: the kernel has killed the worker,
 * or AWS takes the instance back.  NULL: it was not. */
static const struct bigm_error *known_cause(const struct system_launch *l)
{
	if (l->doom.code)
		return &l->doom;
	return l->interruption.code ? &l->interruption : NULL;
}

static void on_journal_exit(void *data, const char *how)
{
	struct system_launch *l = data;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (known_cause(l))
		error_copy(&why, known_cause(l));
	else
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s: %s: %s", l->is.id,
			       EC2_WORKER_UNIT, how);
	instance_end(l, &why, EXIT_DRAIN_MS);
}

static void on_journal_notice(void *data, const char *text)
{
	struct system_launch *l = data;

	struct bigm_notice notice;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (ec2_notice_read(text, l->is.id, &notice, &err) < 0) {
		log_warn("%s: %s: %s", l->name, l->is.id, err.text);
		return;
	}
	if (notice.kind == BIGM_NOTICE_INTERRUPTION)
		bigm_error_set(&l->interruption, BIGM_EUNAVAILABLE,
			       "ended as announced: %s", notice.text);
	if (!l->gone && l->events.notice)
		l->events.notice(l->data, &notice);
}

static void on_journal_killed(void *data, const char *line)
{
	struct system_launch *l = data;

	log_warn("%s: %s: %s", l->name, l->is.id, line);
	bigm_error_set(&l->doom, BIGM_EEXHAUSTED,
		       "out of memory: the kernel killed it: %s", line);
}

static void on_follow_output(void *data, int stream, const void *bytes,
			     size_t len)
{
	struct system_launch *l = data;

	if (stream == 1)
		journald_reader_take(&l->journal, bytes, len);
	else
		log_debug("%s: journalctl: %.*s", l->name, (int)len,
			  (const char *)bytes);
}

/* The connection is built anew, by which it goes on; not at once, as it may end
 * in the same way. */
static void on_follow_done(void *data, int status,
			   const struct bigm_error *why)
{
	struct system_launch *l = data;

	if (why->code != 0 || l->output_over)
		return;
	log_warn("%s: the journal of %s ended with status %d", l->name,
		 l->is.id, status);
	ssh_free(l->ssh);
	l->ssh = NULL;
	if (!l->gone)
		loop_timer_start(l->system->keeper.loop, &l->timer,
				 backoff_next(&l->retry), on_retry);
}

static void follow(struct system_launch *l)
{
	static const struct ssh_run_events events = {
		.output = on_follow_output,
		.done = on_follow_done,
	};
	AUTO_FREE char *command = journald_reader_command(&l->journal);

	ssh_run(l->ssh, command, -1, &events, l);
}

/* ------------------------------------------------------------------ */
/* The way to it                                                       */

static void announce(struct system_launch *l)
{
	AUTO_FREE char *address = xasprintf(
		strchr(l->host, ':') ? "https://[%s]/" : "https://%s/",
		l->host);

	l->announced = true;
	loop_timer_stop(l->system->keeper.loop, &l->deadline);
	l->events.address(l->data, address, l->procs, 0);
}

static void on_pushed(void *data, int status, const struct bigm_error *why)
{
	struct system_launch *l = data;
	struct bigm_error how = BIGM_ERROR_INIT;

	if (l->gone || why->code)
		return; /* on_ssh_closed() tries again */
	if (status == 0) {
		l->pushed = true;
		announce(l);
		return;
	}
	bigm_error_set(&how, BIGM_EFAILED,
		       "%s: cannot send ec2boot: the command there ended with "
		       "status %d%s%s", l->is.id, status,
		       l->said.code ? ": " : "", l->said.text);
	instance_end(l, &how, 0);
}

static void on_push_output(void *data, int stream, const void *bytes,
			   size_t len)
{
	struct system_launch *l = data;

	bigm_error_set(&l->said, BIGM_EFAILED, "%.*s",
		       len > 400 ? 400 : (int)len, (const char *)bytes);
}

static void push(struct system_launch *l)
{
	static const struct ssh_run_events events = {
		.output = on_push_output,
		.done = on_pushed,
	};
	struct system *s = l->system;
	AUTO_FREE char *command = ec2_push_command(s->worker_digest);
	struct bigm_error how = BIGM_ERROR_INIT;
	int fd = open(s->worker, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		error_set_errno(&how, errno, "%s: cannot send ec2boot: %s",
				l->is.id, s->worker);
		instance_end(l, &how, 0);
		return;
	}
	instance_set_phase(l, "sending");
	error_clear(&l->said);
	ssh_run(l->ssh, command, fd, &events, l);
}

static void go_on(struct system_launch *l)
{
	instance_set_phase(l, "reachable");
	if (l->system->asker.settings.binary_url || l->pushed)
		announce(l);
	else
		push(l);
}

static void on_ssh_ready(void *data)
{
	struct system_launch *l = data;

	backoff_reset(&l->retry);
	if (!l->announced)
		go_on(l);
	if (l->ssh) /* what was told may have ended it */
		follow(l);
}

static uint64_t between(uint64_t least, uint64_t n, uint64_t most)
{
	return n < least ? least : n > most ? most : n;
}

static uint64_t age_ms(const struct system_launch *l)
{
	return (loop_now_ns() - l->launched_ns) / 1000000;
}

/* The more there are, the less often each is tried. */
static uint64_t retry_ms(struct system_launch *l)
{
	if (l->announced)
		return backoff_next(&l->retry);
	return between(RETRY_MS + 4 * l->system->nlaunches,
		       age_ms(l) / RETRY_PART, RETRY_MOST_MS);
}

static void on_ssh_closed(void *data, const struct bigm_error *why)
{
	struct system_launch *l = data;

	ssh_free(l->ssh);
	l->ssh = NULL;
	if (l->gone) {
		end_output(l);
		return;
	}
	log_debug("%s: %s: %s", l->name, l->is.id, why->text);
	error_copy(&l->refusal, why);
	l->suspect = l->suspect || l->announced;
	errands_wake(l->system);
	loop_timer_start(l->system->keeper.loop, &l->timer,
			 retry_ms(l), on_retry);
}

static void connect_by_ssh(struct system_launch *l)
{
	static const struct ssh_events events = {
		.ready = on_ssh_ready,
		.closed = on_ssh_closed,
	};
	struct system *s = l->system;
	const struct ssh_target target = {
		.host = l->host,
		.port = SSH_PORT,
		.user = ec2_settings_login(&s->asker.settings),
		.key = &s->login_key,
		.host_key = s->host_key.public_text,
		.connect_ms = l->announced ? SSH_MS
					   : between(CONNECT_MS,
						     age_ms(l) / CONNECT_PART,
						     CONNECT_MOST_MS),
		.timeout_ms = SSH_MS,
	};
	struct bigm_error why = BIGM_ERROR_INIT;

	if (l->gone)
		return;
	l->ssh = ssh_open(s->keeper.loop, &target, &events, l, &why);
	if (!l->ssh)
		instance_end(l, &why, 0);
}

/* ------------------------------------------------------------------ */
/* As EC2 sees it                                                      */

/* What to try for one that stays in a phase. */
static const char *advice(const char *phase)
{
	static const struct {
		const char *phase, *text;
	} table[] = {
		{ "pending", "EC2 does not get it to run: another --ec2-type "
			     "or --ec2-subnet may" },
		{ "booting", "did its user data fail, is the image of the "
			     "--ec2-flavor, does --allow let this host in on "
			     "ports 22 and 443, is there a way to the subnet?" },
		{ "reachable", "its journal may say more: log in, --ec2-ssh-key"
			       " and --ec2-immortal" },
		{ "sending", "the way there is slow: with --ec2-binary-url "
			     "instances fetch ec2boot themselves" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i].phase, phase) == 0)
			return table[i].text;
	return "try again";
}

static void on_deadline(struct loop_timer *timer)
{
	struct system_launch *l =
		loop_container(timer, struct system_launch, deadline);
	struct bigm_error why = BIGM_ERROR_INIT;
	char time[DURATION_TEXT];

	bigm_error_set(&why, BIGM_EDEADLINE, "%s (%s in %s) is still %s after "
		       "%s%s%s; %s", l->is.id, l->is.type, l->is.zone, l->phase,
		       duration_text(l->system->boot_ms, time),
		       l->refusal.code ? ": " : "", l->refusal.text,
		       advice(l->phase));
	errands_console(l, &why);
}

void instance_launched(struct system_launch *l, struct launched *is)
{
	static const struct journald_events events = {
		.output = on_journal_output,
		.exit = on_journal_exit,
		.notice = on_journal_notice,
		.killed = on_journal_killed,
	};
	struct loop *loop = l->system->keeper.loop;

	l->is = *is;
	*is = (struct launched){ 0 };
	if (l->procs == 0)
		l->procs = l->is.vcpus;
	l->launched_ns = loop_now_ns();
	l->retry = (struct backoff){ .first_ms = 200, .factor = 1.3,
				     .max_ms = 5000 };
	journald_reader_init(&l->journal, &events, l);
	buffer_init(&l->tail, strlen(l->marker) + 1);
	if (l->gone) { /* it was given up meanwhile */
		bill_add(&l->system->bill, l->is.usd, 0, false);
		errands_terminate(l->system, l->is.id);
		return;
	}
	log_info("%s: %s, %s in %s, %s", l->name, l->is.id, l->is.type,
		 l->is.zone, l->is.spot ? "spot" : "on demand");
	instance_set_phase(l, "pending");
	loop_timer_start(loop, &l->deadline, l->system->boot_ms,
			 on_deadline);
}

static const char *address_of(const struct system_launch *l,
			      const struct ec2_instance *i)
{
	const bool private = l->system->asker.settings.private_first;
	const char *const all[] = {
		private ? i->private_ip : "", i->public_dns, i->public_ip,
		i->private_ip, i->ipv6,
	};

	for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
		if (*all[k])
			return all[k];
	return NULL;
}

/* It has been ended, or has ended itself, before it could be dialled. */
static void lost_early(struct system_launch *l, struct bigm_error *why)
{
	struct bigm_error how = *why;

	bigm_error_set(why, how.code, "%s, while it was %s; %s", how.text,
		       l->phase, strstr(how.text, "InstanceInitiated") ?
		       "it has powered itself off: its user data failed, or "
		       "nobody could log in in time" : "try again");
	errands_console(l, why);
}

static void lost(struct system_launch *l, const struct ec2_instance *i)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const struct bigm_error *known = known_cause(l);
	/* As a rule the text begins with it. */
	const bool named = strstr(i->reason, i->reason_code) != NULL;

	bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s is %s: %s%s%s", l->is.id,
		       ec2_state_name(i->state),
		       *i->reason ? i->reason : "EC2 does not say why",
		       named ? "" : " ", named ? "" : i->reason_code);
	if (!l->announced)
		lost_early(l, &why);
	else
		instance_end(l, known ? known : &why, LOST_DRAIN_MS);
}

void instance_seen(struct system_launch *l, const struct ec2_instance *i)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const char *host;

	if (l->gone)
		return;
	if (!i && loop_now_ns() - l->launched_ns > UNKNOWN_NS) {
		bigm_error_set(&why, BIGM_EUNAVAILABLE,
			       "EC2 does not know %s any more", l->is.id);
		instance_end(l, &why, 0);
	} else if (i && ec2_state_ends(i->state)) {
		lost(l, i);
	} else if (i && i->state == EC2_RUNNING && !l->host &&
		   (host = address_of(l, i))) {
		l->host = xstrdup(host);
		instance_note_host(l);
		if (!l->is.zone || !*l->is.zone) {
			free(l->is.zone);
			l->is.zone = xstrdup(i->zone);
		}
		instance_set_phase(l, "booting");
		connect_by_ssh(l);
	}
}
