#include "cmd/screen.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "cmd/terminal.h"

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

/* ------------------------------------------------------------------ */
/* The terminal                                                        */

bool screen_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL && *term != '\0' &&
	       strcmp(term, "dumb") != 0;
}

static void put(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

static void listen_to_keys(struct screen *s, int how)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(s->fd, how, STDIN_FILENO, &event);
}

static void set_modes(const struct screen *s)
{
	struct termios modes = s->before;

	modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	modes.c_cc[VMIN] = 1;
	modes.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

/* False in the background, where it is somebody else's. */
static bool take_terminal(struct screen *s)
{
	if (s->taken)
		return true;
	if (terminal_in_background(STDOUT_FILENO))
		return false;
	s->keyboard = isatty(STDIN_FILENO) &&
		      tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (s->keyboard) {
		set_modes(s);
		listen_to_keys(s, EPOLL_CTL_ADD);
	}
	s->taken = true;
	put(ENTER);
	return true;
}

static void let_go_of_keyboard(struct screen *s)
{
	if (s->keyboard)
		listen_to_keys(s, EPOLL_CTL_DEL);
	s->keyboard = false;
	s->nkeys = 0;
}

static void give_terminal(struct screen *s)
{
	if (!s->taken)
		return;
	s->taken = false;
	put(LEAVE);
	if (s->keyboard)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
	let_go_of_keyboard(s);
}

/* Somebody else has stopped us, and a shell may have changed the terminal
 * since; it had what was before in its modes. */
static void take_again(struct screen *s)
{
	if (terminal_in_background(STDOUT_FILENO)) {
		s->taken = false;
		let_go_of_keyboard(s);
		return;
	}
	if (s->keyboard)
		set_modes(s);
	put(ENTER);
}

int screen_init(struct screen *s, struct bigm_error *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	sigset_t set;

	*s = (struct screen){ .fd = -1, .signals = -1 };
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->signals < 0 || s->fd < 0 ||
	    epoll_ctl(s->fd, EPOLL_CTL_ADD, s->signals, &event) < 0) {
		error_set_errno(err, errno, "cannot wait for a terminal");
		screen_release(s);
		return err->code;
	}
	take_terminal(s);
	return 0;
}

void screen_release(struct screen *s)
{
	give_terminal(s);
	if (s->signals >= 0)
		close(s->signals);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = s->signals = -1;
}

/* ------------------------------------------------------------------ */
/* What the user does                                                  */

/* What terminals send, in both of their modes. */
static const struct {
	const char *text;
	int key;
} sequences[] = {
	{ "\033[A", SCREEN_UP },	{ "\033OA", SCREEN_UP },
	{ "\033[B", SCREEN_DOWN },	{ "\033OB", SCREEN_DOWN },
	{ "\033[C", SCREEN_RIGHT },	{ "\033OC", SCREEN_RIGHT },
	{ "\033[D", SCREEN_LEFT },	{ "\033OD", SCREEN_LEFT },
	{ "\033[5~", SCREEN_PAGE_UP },	{ "\033[6~", SCREEN_PAGE_DOWN },
	{ "\033[H", SCREEN_HOME },	{ "\033OH", SCREEN_HOME },
	{ "\033[1~", SCREEN_HOME },	{ "\033[F", SCREEN_END },
	{ "\033OF", SCREEN_END },	{ "\033[4~", SCREEN_END },
};

static void drop(struct screen *s, size_t n)
{
	s->nkeys -= n;
	memmove(s->keys, s->keys + n, s->nkeys);
}

/* The first of what was typed; SCREEN_NOTHING: its rest has to come yet. */
static int understand(struct screen *s)
{
	unsigned char first = (unsigned char)s->keys[0];
	bool begun = false;

	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		size_t len = strlen(sequences[i].text);
		size_t n = s->nkeys < len ? s->nkeys : len;

		if (memcmp(s->keys, sequences[i].text, n) != 0)
			continue;
		begun = true;
		if (n < len)
			continue;
		drop(s, len);
		return sequences[i].key;
	}
	if (begun)
		return SCREEN_NOTHING;
	drop(s, 1);
	return first < 128 ? first : SCREEN_NOTHING;
}

static void read_keys(struct screen *s)
{
	struct pollfd typed = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (!s->keyboard || s->nkeys == sizeof(s->keys) ||
	    poll(&typed, 1, 0) <= 0)
		return;
	n = read(STDIN_FILENO, s->keys + s->nkeys, sizeof(s->keys) - s->nkeys);
	if (n > 0) {
		s->nkeys += (size_t)n;
	} else if (n == 0 || errno != EINTR) {
		/* It has gone; SIGHUP tells the command. */
		let_go_of_keyboard(s);
	}
}

static bool take_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGTSTP) {
		give_terminal(s);
		raise(SIGSTOP);
	} else if (info.ssi_signo == SIGCONT && s->taken) {
		take_again(s);
	}
	return true;
}

int screen_take(struct screen *s)
{
	int key = SCREEN_NOTHING;

	if (take_signal(s))
		return SCREEN_REDRAW;
	read_keys(s);
	while (s->nkeys > 0 && key == SCREEN_NOTHING) {
		size_t before = s->nkeys;

		key = understand(s);
		if (s->nkeys == before)
			break;
	}
	return key;
}

/* ------------------------------------------------------------------ */
/* Drawing                                                             */

void screen_size(size_t *columns, size_t *rows)
{
	struct winsize size = { .ws_row = 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col;
	*rows = size.ws_row;
}

/* Nothing is cleared behind the last character of a line: it may be the
 * screen's last column. */
void screen_draw(struct screen *s, const char *text, const char *last)
{
	size_t columns, rows, row = 1;

	if (!take_terminal(s))
		return;
	screen_size(&columns, &rows);
	if (rows < 3)
		last = NULL;
	fputs(HOME, stdout);
	for (; *text != '\0' && (rows == 0 || row < rows); row++) {
		size_t len = strcspn(text, "\n");

		fputs(CLEAR_LINE, stdout);
		fwrite(text, 1, len, stdout);
		text += text[len] == '\n' ? len + 1 : len;
		fputs("\r\n", stdout);
	}
	fputs(CLEAR_REST, stdout);
	if (last != NULL && rows > 0)
		printf("\033[%zuH%s", rows, last);
	else if (*text != '\0')
		fwrite(text, 1, strcspn(text, "\n"), stdout);
	fflush(stdout);
}
