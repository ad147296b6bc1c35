#include "ec2/credentials_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "loop/process.h"

#define OUTPUT_MAX 65536 /* of JSON; the rest is an error */
#define WORDS_MAX 400	 /* of its standard error that are quoted */
#define TIME_MS 60000

struct program {
	pid_t pid;
	int out, err;	/* pipes, read ends; -1 at their ends */
	char *output;	/* OUTPUT_MAX + 1 bytes */
	size_t output_len;
	char words[WORDS_MAX + 1];
	size_t words_len;
	int64_t deadline;
};

static int start(struct program *p, const char *command, struct bigm_error *err)
{
	/* By a shell, as Go's and Java's SDK do: it knows quotes. */
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	int out[2] = { -1, -1 }, errors[2] = { -1, -1 };
	int r = 0;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0)
		r = error_set_errno(err, errno, "pipe");
	if (r == 0) {
		const struct process_fd fds[] = { { out[1], 1 },
						  { errors[1], 2 } };
		const struct process_options options = {
			.program = "/bin/sh", .argv = argv,
			.fds = fds, .nfds = 2, .group = true,
		};

		p->pid = process_spawn(&options, err);
		r = p->pid < 0 ? (int)p->pid : 0;
	}
	p->out = out[0];
	p->err = errors[0];
	if (out[1] >= 0)
		close(out[1]);
	if (errors[1] >= 0)
		close(errors[1]);
	return r;
}

/* Takes what has come; of what is too much, that there was more. */
static void take(int *fd, char *text, size_t *len, size_t max)
{
	char waste[4096];
	bool full = *len == max;
	ssize_t n = full ? read(*fd, waste, sizeof(waste))
			 : read(*fd, text + *len, max - *len);

	if (n > 0 && !full)
		*len += (size_t)n;
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		close(*fd);
		*fd = -1;
	}
	OPENSSL_cleanse(waste, sizeof(waste));
}

static int left_ms(const struct program *p)
{
	int64_t left = (p->deadline - wait_deadline(0)) / 1000000;

	return left < 0 ? 0 : (int)left + 1;
}

static int read_output(struct program *p, const struct cancel *cancel,
		       struct bigm_error *err)
{
	while (p->out >= 0 || p->err >= 0) {
		struct pollfd fds[] = { { p->out, POLLIN, 0 },
					{ p->err, POLLIN, 0 },
					{ cancel_fd(cancel), POLLIN, 0 } };
		int n = poll(fds, 3, left_ms(p));

		if (cancel_is_set(cancel))
			return cancel_error(err);
		if (n == 0)
			return bigm_error_set(err, BIGM_EDEADLINE,
					      "it has not ended in %d s",
					      TIME_MS / 1000);
		if (n > 0 && fds[0].revents)
			take(&p->out, p->output, &p->output_len,
			     OUTPUT_MAX);
		if (n > 0 && fds[1].revents)
			take(&p->err, p->words, &p->words_len, WORDS_MAX);
		if (p->output_len == OUTPUT_MAX)
			return bigm_error_set(err, BIGM_EEXHAUSTED,
					      "it writes %d bytes or more",
					      OUTPUT_MAX);
	}
	return 0;
}

/* Ends what of it still runs; status -1 when somebody else has reaped it. */
static int finish(struct program *p, int r, const struct cancel *cancel,
		  int *status, struct bigm_error *err)
{
	*status = -1;
	while (r == 0 && waitpid(p->pid, status, WNOHANG) == 0)
		if (cancel_sleep(cancel, 5))
			r = cancel_error(err);
		else if (left_ms(p) == 0)
			r = bigm_error_set(err, BIGM_EDEADLINE,
					   "it has not ended in %d s",
					   TIME_MS / 1000);
	if (r < 0) {
		kill(-p->pid, SIGKILL);
		while (waitpid(p->pid, status, 0) < 0 && errno == EINTR)
			;
	}
	return r;
}

static int run(struct program *p, const char *command,
	       const struct cancel *cancel, struct bigm_error *err)
{
	char how[64];
	int status, r = start(p, command, err);

	if (r < 0)
		return r;
	r = read_output(p, cancel, err);
	r = finish(p, r, cancel, &status, err);
	if (r < 0 || status == 0 || status == -1)
		return r;
	return bigm_error_set(err, BIGM_EPERMISSION, "%s: %s",
			      process_describe_status(status, how, sizeof(how)),
			      p->words_len > 0 ? p->words
					       : "it has not said why");
}

static int read_json(const struct program *p, struct aws_credentials *c,
		     struct bigm_error *err)
{
	static const struct credentials_names names = {
		"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
		.token_needed = false,
	};
	AUTO_SECRET_JSON cJSON *json =
		secret_json_parse(p->output, p->output_len, err);
	int64_t version;

	if (!json)
		return error_prefix(err, "its output");
	if (bigm_json_get_int64(json, "Version", &version, NULL) < 0 ||
	    version != 1)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "its output must have \"Version\": 1");
	return credentials_from_json(json, &names, c, err);
}

int source_process(struct aws_search *s, const char *profile,
		   struct aws_credentials *c, struct bigm_error *why)
{
	const char *command = profile_get(s, profile, "credential_process");
	struct program p = { .pid = -1, .out = -1, .err = -1 };
	int r;

	if (!command)
		return 0;
	p.output = xcalloc(1, OUTPUT_MAX + 1);
	p.deadline = wait_deadline(TIME_MS);
	r = run(&p, command, s->cancel, why);
	if (r == 0)
		r = read_json(&p, c, why);
	if (p.out >= 0)
		close(p.out);
	if (p.err >= 0)
		close(p.err);
	OPENSSL_cleanse(p.output, p.output_len);
	free(p.output);
	if (r < 0)
		return error_prefix(why, "credential_process");
	c->source = xasprintf("profile %s (credential_process)", profile);
	return 1;
}
