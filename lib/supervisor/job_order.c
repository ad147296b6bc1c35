#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "loop/process.h"
#include "supervisor/env.h"
#include "supervisor/job_order.h"

void job_order_release(struct job_order *order)
{
	strings_free(order->argv);
	strings_free(order->env);
	free(order->dir);
	image_free(order->image);
}

static int read_argv(struct job_order *order, const cJSON *json,
		     struct bigm_error *err)
{
	order->argv = json_get_strings(json, "argv", "argv", err);
	if (!order->argv)
		return BIGM_EINVALID;
	if (!order->argv[0] || !*order->argv[0])
		return bigm_error_set(err, BIGM_EINVALID,
				      "argv names no program");
	return 0;
}

static int read_env(struct job_order *order, const cJSON *json,
		    char *const *env, struct bigm_error *err)
{
	char **changes = NULL, **amended;

	if (cJSON_GetObjectItemCaseSensitive(json, "env")) {
		changes = env_changes(json, "env", err);
		if (!changes)
			return BIGM_EINVALID;
	}
	amended = process_env(env, changes);
	strings_free(changes);
	if (!order->image || !order->image->dir) {
		order->env = amended;
		return 0;
	}
	AUTO_FREE char *files = xasprintf(IMAGE_FILES_ENV "=%s",
					  order->image->dir);
	order->env = process_env(amended, (char *const[]){ files, NULL });
	strings_free(amended);
	return 0;
}

int job_order_read_size(struct winsize *size, const cJSON *json,
			struct bigm_error *err)
{
	int64_t rows = 0, columns = 0;

	if (bigm_json_get_int64(json, "rows", &rows, err) < 0 ||
	    bigm_json_get_int64(json, "columns", &columns, err) < 0)
		return error_prefix(err, "the terminal's size");
	if (rows < 0 || rows > USHRT_MAX || columns < 0 || columns > USHRT_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "no terminal has %lld rows of %lld columns",
				      (long long)rows, (long long)columns);
	*size = (struct winsize){ .ws_row = (unsigned short)rows,
				  .ws_col = (unsigned short)columns };
	return 0;
}

static int read_terminal(struct job_order *order, const cJSON *json,
			 struct bigm_error *err)
{
	const cJSON *size = cJSON_GetObjectItemCaseSensitive(json, "terminal");

	order->terminal = size != NULL;
	return size ? job_order_read_size(&order->size, size, err) : 0;
}

char *job_order_dir(const char *wanted, const struct image *image)
{
	const char *own = image ? image->dir : NULL;

	if (!wanted || !*wanted)
		return own ? xstrdup(own) : NULL;
	if (own && *wanted != '/')
		return xasprintf("%s/%s", own, wanted);
	return xstrdup(wanted);
}

int job_order_read(struct job_order *order, const cJSON *json,
		   char *const *env, struct binary_store *binaries,
		   struct bigm_error *err)
{
	const char *dir = NULL;
	bool binary = false;

	if (read_argv(order, json, err) < 0 ||
	    json_opt_string(json, "dir", &dir, err) < 0 ||
	    json_opt_bool(json, "binary", &binary, err) < 0 ||
	    json_opt_bool(json, "stdin", &order->wants_stdin, err) < 0 ||
	    read_terminal(order, json, err) < 0)
		return BIGM_EINVALID;
	if (binary) {
		order->image = binary_uploaded(binaries, err);
		if (!order->image)
			return BIGM_ENOTFOUND;
	}
	order->dir = job_order_dir(dir, order->image);
	return read_env(order, json, env, err);
}

static void close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ours[] and theirs[]: the two ends of each stream; -1 where none is wanted. */
static int make_pipes(bool wants_stdin, int *ours, int *theirs,
		      struct bigm_error *err)
{
	for (int i = 0; i < STREAMS; i++)
		ours[i] = theirs[i] = -1;
	for (int i = wants_stdin ? IN : OUT; i < STREAMS; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0) {
			int saved = errno;

			close_fds(ours, STREAMS);
			close_fds(theirs, STREAMS);
			return error_set_errno(err, saved, "cannot make a pipe");
		}
		ours[i] = ends[i == IN];
		theirs[i] = ends[i != IN];
	}
	return 0;
}

pid_t job_order_spawn_on(const struct job_order *order,
			 const int streams[STREAMS], struct bigm_error *err)
{
	const struct image *image = order->image;
	char **argv = image ? image_argv(image, order->argv) : NULL;
	struct process_fd fds[STREAMS];
	struct process_options options = {
		.program = image ? image->path : order->argv[0],
		.argv = image ? argv : order->argv,
		.env = order->env,
		.dir = order->dir,
		.fds = fds,
		.group = true,
		.session = order->terminal,
		.terminal = order->terminal,
		.death_signal = SIGKILL,
	};
	pid_t pid;

	for (int i = 0; i < STREAMS; i++)
		if (streams[i] >= 0)
			fds[options.nfds++] = (struct process_fd){
				.parent_fd = streams[i], .child_fd = i,
			};
	pid = process_spawn(&options, err);
	strings_free(argv);
	return pid;
}

/* The same with a terminal: one descriptor for each of the two ways is ours. */
static int make_terminal(const struct winsize *size, int *ours, int *theirs,
			 struct bigm_error *err)
{
	int both[2], errnum;

	for (int i = 0; i < STREAMS; i++)
		ours[i] = theirs[i] = -1;
	if (openpty(&both[0], &both[1], NULL, NULL, size) < 0)
		return error_set_errno(err, errno, "cannot make a terminal");
	ours[IN] = fcntl(both[0], F_DUPFD_CLOEXEC, 3);
	ours[OUT] = fcntl(both[0], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < STREAMS; i++)
		theirs[i] = fcntl(both[1], F_DUPFD_CLOEXEC, 3);
	errnum = errno;
	close_fds(both, 2);
	if (ours[IN] >= 0 && ours[OUT] >= 0 && theirs[ERR] >= 0)
		return 0;
	close_fds(ours, STREAMS);
	close_fds(theirs, STREAMS);
	return error_set_errno(err, errnum, "cannot make a terminal");
}

pid_t job_order_spawn(const struct job_order *order, int ours[STREAMS],
		      struct bigm_error *err)
{
	int theirs[STREAMS];
	int rc = order->terminal
			 ? make_terminal(&order->size, ours, theirs, err)
			 : make_pipes(order->wants_stdin, ours, theirs, err);
	pid_t pid;

	if (rc < 0)
		return rc;
	pid = job_order_spawn_on(order, theirs, err);
	close_fds(theirs, STREAMS);
	if (pid < 0)
		close_fds(ours, STREAMS);
	return pid;
}
