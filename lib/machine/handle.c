#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "debug/vars.h"
#include "machine/handle_private.h"
#include "rpc/crypto.h"
#include "supervisor/supervisor.h"

#define PRINT_MS 2000 /* for the last lines of the machines to come out */

static struct bigm *handle_new(int argc, char **argv)
{
	struct bigm *b = xcalloc(1, sizeof(*b));

	/* A copy: getopt() and its like may reorder the program's own. */
	b->argc = argc;
	b->argv = xcalloc((size_t)argc + 1, sizeof(*b->argv));
	for (int i = 0; i < argc; i++)
		b->argv[i] = xstrdup(argv[i]);
	b->vars = vars_new();
	b->started_ns = loop_now_ns();
	event_queue_init(&b->events);
	pthread_mutex_init(&b->begin_lock, NULL);
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

struct bigm *handle_new_machine(const struct handle_machine *machine)
{
	struct bigm *b = handle_new(machine->argc, machine->argv);

	b->loop = machine->loop;
	b->tls = machine->tls;
	b->binaries = machine->binaries;
	b->incarnation = machine->incarnation;
	b->id = xstrdup(machine->cluster);
	b->address = xstrdup(machine->address);
	return b;
}

static struct bigm *handle_new_driver(const struct bigm_service_type *const *types,
				      int argc, char **argv)
{
	struct bigm *b = handle_new(argc, argv);

	b->types = types;
	b->own_loop = true;
	binary_store_init(&b->own_binaries, "", NULL, NULL);
	b->binaries = &b->own_binaries;
	return b;
}

int handle_begin_loop(struct bigm *b, struct bigm_error *err)
{
	struct loop *loop;
	int r;

	if (b->loop)
		return 0;
	loop = loop_new(err);
	if (!loop)
		return BIGM_EIO;
	if ((r = loop_start_thread(loop, "bigm", err)) < 0) {
		loop_free(loop);
		return r;
	}
	pthread_mutex_lock(&b->lock);
	b->loop = loop;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

struct bigm *handle_new_test(const struct bigm_service_type *const *types,
			     int fd, void (*test_free)(void *test), void *test,
			     struct bigm_error *err)
{
	struct bigm *b = handle_new_driver(types, 0, NULL);

	b->test = test;
	b->test_free = test_free;
	if (handle_begin_loop(b, err) == 0)
		b->cluster = cluster_adopt(b->loop, fd, err);
	else
		close(fd);
	if (!b->cluster) {
		bigm_free(b);
		return NULL;
	}
	cluster_on_report(b->cluster, handle_report, b);
	event_queue_attend(&b->events, b->loop, event_send, b);
	return b;
}

struct event_queue *handle_events(struct bigm *b)
{
	return &b->events;
}

void *handle_test(const struct bigm *b)
{
	return b->test;
}

struct cluster *handle_cluster(struct bigm *b)
{
	struct cluster *cluster;

	pthread_mutex_lock(&b->lock);
	cluster = b->cluster;
	pthread_mutex_unlock(&b->lock);
	return cluster;
}

/* ------------------------------------------------------------------ */
/* Beginning and end                                                   */

/* The process is a machine; it must not go on as anything else. */
static _Noreturn void be_machine(int argc, char **argv,
				 const struct bigm_service_type *const *types)
{
	struct boot *boot = boot_receive(NULL);

	if (boot)
		worker_main(boot, argc, argv, types, NULL);
	_exit(EXIT_FAILURE);
}

struct bigm *bigm_init(int *argc, char ***argv,
		       const struct bigm_service_type *const *types,
		       struct bigm_error *err)
{
	struct settings settings = { 0 };
	struct bigm *b;

	if (boot_wanted())
		be_machine(*argc, *argv, types);
	if (settings_read_files(&settings, err) < 0 ||
	    settings_read_env(&settings, environ, err) < 0 ||
	    settings_take_options(&settings, argc, *argv, err) < 0) {
		settings_release(&settings);
		return NULL;
	}
	/* One cluster is one handle's: another one of this process makes its
	 * own. */
	if (settings.control)
		unsetenv("BIGM_CONTROL");
	b = handle_new_driver(types, *argc, *argv);
	b->settings = settings;
	if (settings.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return b;
}

bool handle_on_loop_thread(struct bigm *b)
{
	pthread_mutex_lock(&b->lock);
	bool on = b->loop && loop_on_thread(b->loop);
	pthread_mutex_unlock(&b->lock);
	return on;
}

/* The next bigm_start() begins another one: on its own, for the keeper that
 * `bigm run` made for us has ended.  One that has lent us machines says that
 * this is over.  A test has but one. */
static void retire(struct bigm *b, struct cluster *cluster, bool printed)
{
	pthread_mutex_lock(&b->lock);
	if (b->cluster == cluster && !b->test) {
		peers_stop(b);
		b->past = xrealloc(b->past,
				   (b->npast + 1) * sizeof(*b->past));
		b->past[b->npast++] = cluster;
		b->cluster = NULL;
		if (!b->settings.use) {
			free(b->settings.control);
			b->settings.control = NULL;
		}
		if (printed)
			cluster_print_end(cluster);
	}
	pthread_mutex_unlock(&b->lock);
}

int bigm_shutdown(struct bigm *b, struct bigm_error *err)
{
	struct cluster *cluster;
	int r, printed;

	if (handle_on_loop_thread(b))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "a shutdown on the I/O thread would wait "
				      "for itself");
	cluster = handle_cluster(b);
	if (!cluster)
		return 0;
	event_send_rest(b);
	r = cluster_shutdown(cluster, false, err);
	printed = cluster_print_wait(cluster, PRINT_MS, r < 0 ? NULL : err);
	if (r < 0)
		return r;
	retire(b, cluster, printed == 0);
	return printed;
}

/* What ends with the cluster, such as a call with events, finds it no more. */
static struct cluster *take_cluster(struct bigm *b)
{
	struct cluster *cluster;

	pthread_mutex_lock(&b->lock);
	cluster = b->cluster;
	b->cluster = NULL;
	pthread_mutex_unlock(&b->lock);
	return cluster;
}

void bigm_free(struct bigm *b)
{
	if (!b)
		return;
	bigm_shutdown(b, NULL);
	event_queue_attend(&b->events, NULL, NULL, NULL);
	peers_release(b);
	cluster_free(take_cluster(b));
	for (size_t i = 0; i < b->npast; i++)
		cluster_free(b->past[i]);
	free(b->past);
	if (b->own_loop) {
		loop_free(b->loop);
		binary_store_release(&b->own_binaries);
	}
	if (b->test_free)
		b->test_free(b->test);
	vars_free(b->vars);
	settings_release(&b->settings);
	strings_free(b->argv);
	event_queue_release(&b->events);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->begin_lock);
	free(b->address);
	free(b->id);
	free(b);
}

int bigm_on_notice(struct bigm *b, bigm_notice_fn *fn, void *data,
		   struct bigm_error *err)
{
	struct cluster *cluster;

	if (!b->own_loop)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "a machine starts none, and so has no "
				      "notices of any");
	if (handle_on_loop_thread(b))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "what is to be run for notices cannot be "
				      "changed on the I/O thread");
	pthread_mutex_lock(&b->begin_lock);
	b->on_notice = fn;
	b->on_notice_data = data;
	pthread_mutex_lock(&b->lock);
	cluster = b->cluster;
	pthread_mutex_unlock(&b->lock);
	if (cluster)
		cluster_on_notice(cluster, fn, data);
	pthread_mutex_unlock(&b->begin_lock);
	return 0;
}

bool bigm_is_driver(const struct bigm *b)
{
	return b->own_loop;
}

char *const *bigm_argv(const struct bigm *b, int *argc)
{
	if (argc)
		*argc = b->argc;
	return b->argv;
}

const char *bigm_address(const struct bigm *b)
{
	return b->address ? b->address : "";
}
