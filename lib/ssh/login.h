/*
 * login: a command on another host, through OpenSSH's ssh.
 *
 * ssh(1) as a child: so a host is what it is for the user's own ssh, with his
 * configuration, agent, known hosts, certificates and ways over other hosts.
 * It asks nobody anything (BatchMode), takes no host whose key it does not know,
 * shares no connection and forwards nothing.  When we die, so does it, and then
 * the command's input is over.
 *
 * Loop thread only.  Callbacks come from the loop, never from within a call.
 */
#ifndef SSH_LOGIN_H
#define SSH_LOGIN_H

#include "loop/loop.h"

struct ssh_login;

struct ssh_login_events {
	/* Of the command's output; len 0: it is over. */
	void (*output)(void *data, const void *bytes, size_t len);
	/* ssh has ended, with that wait status: with the command's exit status
	 * (128 + signal, where a shell says so), or 255, ssh's own.  Comes once,
	 * last, after the end of output. */
	void (*ended)(void *data, int wait_status);
};

/* ssh's name for the host; a file instead of ~/.ssh/config, or NULL; a command
 * for the user's shell there, whichever that is.  NULL when ssh cannot be
 * started. */
struct ssh_login *ssh_login_start(struct loop *loop, const char *host,
				  const char *config, const char *command,
				  const struct ssh_login_events *events,
				  void *data, struct bigm_error *err);

/* Input for the command, in order; the bytes stay the caller's, and have to
 * stay until the end, or, with `own`, were malloc'ed and are freed and wiped. */
void ssh_login_write(struct ssh_login *login, const void *bytes, size_t len,
		     bool own);

/* The input is over, whatever has been sent of it. */
void ssh_login_close_input(struct ssh_login *login);

/* Ends ssh, whatever it does; `ended` follows. */
void ssh_login_kill(struct ssh_login *login);

/* The last of what ssh and the command have said on standard error, as one
 * line; "" for nothing.  malloc'ed. */
char *ssh_login_words(const struct ssh_login *login);

/* Once it has ended.  NULL is fine. */
void ssh_login_free(struct ssh_login *login);

#endif
