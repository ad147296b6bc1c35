#include "cmd/terminal.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"

int terminal_init(struct terminal *t, struct bigm_error *err)
{
	sigset_t changes;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &t->own) != 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "--terminal: standard input and output are "
				      "no terminal: leave it out");
	sigemptyset(&changes);
	sigaddset(&changes, SIGWINCH);
	pthread_sigmask(SIG_BLOCK, &changes, NULL);
	t->fd = signalfd(-1, &changes, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->fd < 0)
		return error_set_errno(err, errno,
				       "cannot watch the terminal's size");
	pthread_mutex_init(&t->lock, NULL);
	t->lent = false;
	return 0;
}

void terminal_lend(struct terminal *t)
{
	struct termios raw = t->own;

	cfmakeraw(&raw);
	pthread_mutex_lock(&t->lock);
	t->lent = t->lent || tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	pthread_mutex_unlock(&t->lock);
}

void terminal_take_back(struct terminal *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->lent)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &t->own);
	t->lent = false;
	pthread_mutex_unlock(&t->lock);
}

void terminal_release(struct terminal *t)
{
	terminal_take_back(t);
	close(t->fd);
	pthread_mutex_destroy(&t->lock);
}

void terminal_take_event(struct terminal *t)
{
	struct signalfd_siginfo info;

	while (read(t->fd, &info, sizeof(info)) > 0)
		;
}

cJSON *terminal_size(void)
{
	struct winsize size = { .ws_row = 0 };
	cJSON *json = cJSON_CreateObject();

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	cJSON_AddNumberToObject(json, "rows", size.ws_row);
	cJSON_AddNumberToObject(json, "columns", size.ws_col);
	return json;
}

bool terminal_in_background(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group > 0 && group != getpgrp();
}
