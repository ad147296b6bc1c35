#include "config.h"

#include "inside/inside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "keeper/core.h"

struct inside {
	struct keeper k;
	struct keeper_options options;
	struct record record;
	struct system *system;
	struct faults *faults;
	pthread_t thread;
};

static void *keeper_thread(void *data)
{
	struct inside *in = data;

	loop_run(in->k.loop);
	keeper_dispose(&in->k);
	return NULL;
}

static int start_thread(struct inside *in, struct bigm_error *err)
{
	int r = thread_start(&in->thread, NULL, keeper_thread, in);

	return r == 0 ? 0 : error_set_errno(err, r, "a thread for the keeper");
}

/* What machines print is not the keeper's here: its journal stays empty. */
static int begin(struct inside *in, int fd, struct bigm_error *err)
{
	struct keeper *k = &in->k;
	struct system_keeper us = { .sign = keeper_sign, .keeper = k };
	int rc;

	us.loop = k->loop = loop_new(err);
	rc = k->loop ? keeper_init(k, "/dev/null", err) : BIGM_EIO;
	if (rc == 0) {
		us.cluster = authority_cluster(k->authority);
		inside_system_use(in->system, &us);
		rc = keeper_hold(k, fd, err);
	} else {
		close(fd);
	}
	if (rc == 0)
		rc = start_thread(in, err);
	if (rc < 0)
		keeper_dispose(k);
	return rc;
}

static void release(struct inside *in)
{
	inside_system_free(in->system);
	faults_free(in->faults);
	free(in);
}

struct inside *inside_new(const struct inside_options *options,
			  int *client_fd, struct bigm_error *err)
{
	struct inside *in = xcalloc(1, sizeof(*in));
	struct inside_system_options system = {
		.types = options->types,
		.seed = options->seed,
		.faults = in->faults = faults_new(),
	};
	int pair[2];

	in->options.hold_fd = in->options.status_fd = -1;
	in->record = (struct record){ .name = (char *)"test",
				      .dir = (char *)"",
				      .socket_path = (char *)"",
				      .lock_fd = -1,
				      .listen_fd = -1 };
	in->system = inside_system_new(&system);
	in->k.options = &in->options;
	in->k.record = &in->record;
	in->k.ops = &inside_system_ops;
	in->k.keepalive = options->keepalive;
	in->k.system = in->system;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		error_set_errno(err, errno, "a socket for the keeper");
		release(in);
		return NULL;
	}
	if (begin(in, pair[1], err) == 0) {
		*client_fd = pair[0];
		return in;
	}
	close(pair[0]);
	release(in);
	return NULL;
}

void inside_free(struct inside *in)
{
	pthread_join(in->thread, NULL);
	release(in);
}

struct faults *inside_faults(struct inside *in)
{
	return in->faults;
}

int inside_end(struct inside *in, const char *name, enum inside_end how,
	       char *name_out, struct bigm_error *err)
{
	return inside_system_end(in->system, name, how, name_out, err);
}

int inside_notice(struct inside *in, const char *name,
		  const struct bigm_notice *notice, struct bigm_error *err)
{
	return inside_system_notice(in->system, name, notice, err);
}
