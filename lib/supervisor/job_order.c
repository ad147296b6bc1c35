#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/process.h"
#include "supervisor/env.h"
#include "supervisor/job_order.h"

void job_order_release(struct job_order *order)
{
	json_strings_free(order->argv);
	json_strings_free(order->env);
}

int job_order_read(struct job_order *order, const cJSON *json,
		   char *const *env, struct bigm_error *err)
{
	char **changes = NULL;

	order->argv = json_get_strings(json, "argv", "argv", err);
	if (!order->argv)
		return BIGM_EINVALID;
	if (!order->argv[0] || !*order->argv[0])
		return bigm_error_set(err, BIGM_EINVALID,
				      "argv names no program");
	if (json_opt_string(json, "dir", &order->dir, err) < 0 ||
	    json_opt_bool(json, "stdin", &order->wants_stdin, err) < 0)
		return BIGM_EINVALID;
	if (cJSON_GetObjectItemCaseSensitive(json, "env")) {
		changes = env_changes(json, "env", err);
		if (!changes)
			return BIGM_EINVALID;
	}
	order->env = process_env(env, changes);
	json_strings_free(changes);
	return 0;
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

static pid_t spawn(const struct job_order *order, const int *theirs,
		   struct bigm_error *err)
{
	struct process_fd fds[STREAMS];
	struct process_options options = {
		.program = order->argv[0],
		.argv = order->argv,
		.env = order->env,
		.dir = order->dir && *order->dir ? order->dir : NULL,
		.fds = fds,
		.group = true,
		.death_signal = SIGKILL,
	};

	for (int i = 0; i < STREAMS; i++)
		if (theirs[i] >= 0)
			fds[options.nfds++] = (struct process_fd){
				.parent_fd = theirs[i], .child_fd = i,
			};
	return process_spawn(&options, err);
}

pid_t job_order_spawn(const struct job_order *order, int ours[STREAMS],
		      struct bigm_error *err)
{
	int theirs[STREAMS];
	int rc = make_pipes(order->wants_stdin, ours, theirs, err);
	pid_t pid;

	if (rc < 0)
		return rc;
	pid = spawn(order, theirs, err);
	close_fds(theirs, STREAMS);
	if (pid < 0)
		close_fds(ours, STREAMS);
	return pid;
}
