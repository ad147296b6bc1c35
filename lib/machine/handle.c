#include "machine/handle.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/nearest.h"
#include "machine/cluster.h"
#include "machine/machine.h"
#include "machine/settings.h"
#include "supervisor/supervisor.h"

#define PRINT_MS 2000 /* for the last lines of the machines to come out */

struct bigm {
	const struct bigm_service_type *const *types;
	int argc;
	char **argv;
	struct settings settings;

	pthread_mutex_t lock; /* for what follows; held while a cluster begins */
	struct loop *loop;
	bool own_loop;
	struct cluster *cluster; /* a driver's, from the first start on */
	struct tls_context *tls; /* a machine's */
	char *id;		 /* of a machine's cluster */
	char *address;		 /* a machine's own */
	void *test;		 /* of bigm_test_new() */
	void (*test_free)(void *test);
	struct bigm_machine **dialled;
	size_t ndialled;
};

static struct bigm *handle_new(int argc, char **argv)
{
	struct bigm *b = xcalloc(1, sizeof(*b));

	/* A copy: getopt() and its like may reorder the program's own. */
	b->argc = argc;
	b->argv = xcalloc((size_t)argc + 1, sizeof(*b->argv));
	for (int i = 0; i < argc; i++)
		b->argv[i] = xstrdup(argv[i]);
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

struct bigm *handle_new_machine(struct loop *loop, struct tls_context *tls,
				const char *cluster, const char *address,
				int argc, char **argv)
{
	struct bigm *b = handle_new(argc, argv);

	b->loop = loop;
	b->tls = tls;
	b->id = xstrdup(cluster);
	b->address = xstrdup(address);
	return b;
}

static int begin_loop(struct bigm *b, struct bigm_error *err);

struct bigm *handle_new_test(const struct bigm_service_type *const *types,
			     int fd, void (*test_free)(void *test), void *test,
			     struct bigm_error *err)
{
	struct bigm *b = handle_new(0, NULL);

	b->types = types;
	b->own_loop = true;
	b->test = test;
	b->test_free = test_free;
	if (begin_loop(b, err) == 0)
		b->cluster = cluster_adopt(b->loop, fd, err);
	else
		close(fd);
	if (b->cluster)
		return b;
	bigm_free(b);
	return NULL;
}

void *handle_test(const struct bigm *b)
{
	return b->test;
}

struct cluster *handle_cluster(const struct bigm *b)
{
	return b->cluster;
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
	b = handle_new(*argc, *argv);
	b->types = types;
	b->settings = settings;
	b->own_loop = true;
	if (settings.debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return b;
}

int bigm_shutdown(struct bigm *b, struct bigm_error *err)
{
	struct cluster *cluster;
	int r, printed;

	pthread_mutex_lock(&b->lock);
	cluster = b->cluster;
	pthread_mutex_unlock(&b->lock);
	if (!cluster)
		return 0;
	r = cluster_shutdown(cluster, false, err);
	printed = cluster_print_wait(cluster, PRINT_MS, r < 0 ? NULL : err);
	return r < 0 ? r : printed;
}

void bigm_free(struct bigm *b)
{
	if (!b)
		return;
	bigm_shutdown(b, NULL);
	cluster_free(b->cluster);
	for (size_t i = 0; i < b->ndialled; i++)
		machine_free(b->dialled[i]);
	free(b->dialled);
	if (b->own_loop)
		loop_free(b->loop);
	if (b->test_free)
		b->test_free(b->test);
	settings_release(&b->settings);
	json_strings_free(b->argv);
	pthread_mutex_destroy(&b->lock);
	free(b->address);
	free(b->id);
	free(b);
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

/* ------------------------------------------------------------------ */
/* Starting                                                            */

static int begin_loop(struct bigm *b, struct bigm_error *err)
{
	int r;

	if (b->loop)
		return 0;
	b->loop = loop_new(err);
	if (!b->loop)
		return BIGM_EIO;
	if ((r = loop_start_thread(b->loop, "bigm", err)) < 0) {
		loop_free(b->loop);
		b->loop = NULL;
	}
	return r;
}

/* Under `bigm run` the cluster is there, and bigm prints its output. */
static int begin_cluster(struct bigm *b, struct bigm_error *err)
{
	const struct settings *s = &b->settings;
	const struct cluster_options options = {
		.name = s->cluster,
		.system = s->system,
		.log_dir = s->log_dir,
		.keepalive = s->keepalive,
		.debug = s->debug,
	};
	int r;

	if (b->cluster)
		return 0;
	if ((r = begin_loop(b, err)) < 0)
		return r;
	b->cluster = s->control ? cluster_attach(b->loop, s->control, err)
				: cluster_spawn(b->loop, &options, err);
	if (!b->cluster)
		return err->code;
	if (s->control && s->use)
		cluster_borrow(b->cluster, s->use);
	if (s->control || s->quiet)
		return 0;
	return cluster_print_start(b->cluster, STDERR_FILENO, err);
}

static const struct bigm_service_type *
find_type(const struct bigm *b, const char *name, struct bigm_error *err)
{
	const char *names[64] = { NULL };
	size_t n = 0;

	for (size_t i = 0; b->types && b->types[i]; i++) {
		if (strcmp(b->types[i]->name, name) == 0)
			return b->types[i];
		if (n < sizeof(names) / sizeof(*names) - 1)
			names[n++] = b->types[i]->name;
	}
	const char *meant = nearest(name, names);
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "this program has no service type %s%s%s%s", name,
		       meant ? "; did you mean " : "", meant ? meant : "",
		       meant ? "?" : "");
	return NULL;
}

static int check_services(const struct bigm *b,
			  const struct bigm_service *services,
			  struct bigm_error *err)
{
	if (!services || !services->name)
		return bigm_error_set(err, BIGM_EINVALID,
				      "machines without any service: name at "
				      "least one");
	for (; services->name; services++)
		if (!find_type(b, services->type ? services->type
						 : services->name, err))
			return BIGM_ENOTFOUND;
	return 0;
}

/*
 * What the machines shall run: the program's path.  Where its file has been
 * removed or replaced meanwhile, the kernel still knows it by our process.
 */
static char *own_program(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len > 0) {
		path[len] = '\0';
		if (access(path, X_OK) == 0)
			return xstrdup(path);
	}
	return xasprintf("/proc/%d/exe", (int)getpid());
}

/* What the machines shall have besides, or instead: the bundle that was named,
 * or the one beside the program, for machines that cannot run it. */
static int find_bundle(const struct bigm *b, const char *program, char **path,
		       struct bigm_error *err)
{
	AUTO_FREE char *beside = xasprintf("%s.bigm", program);
	const char *named = b->settings.bundle;

	*path = realpath(named ? named : beside, NULL);
	if (*path || !named)
		return 0;
	return error_set_errno(err, errno, "the bundle %s", named);
}

static int resolve_n(const struct bigm *b, int n,
		     const struct bigm_start_options *options)
{
	if (n > 0)
		return n;
	if (b->settings.n > 0)
		return (int)b->settings.n;
	return options->default_n > 0 ? options->default_n : 1;
}

static int start(struct bigm *b, int n, const struct bigm_service *services,
		 const struct bigm_start_options *options,
		 struct bigm_machine ***machines, struct bigm_error *err)
{
	AUTO_FREE char *program = own_program(), *bundle = NULL;
	int r = find_bundle(b, program, &bundle, err);
	struct cluster_order order = {
		.n = resolve_n(b, n, options),
		.program = b->settings.bundle ? NULL : program,
		.bundle = bundle,
		.argv = b->argv,
		.procs = options->procs > 0 ? options->procs
					    : (int)b->settings.procs,
		.services = services,
		.label = options->label,
	};
	struct cluster *cluster;

	if (r < 0)
		return r;
	pthread_mutex_lock(&b->lock);
	r = begin_cluster(b, err);
	cluster = b->cluster;
	pthread_mutex_unlock(&b->lock);
	if (r < 0)
		return r;
	char **env = settings_env(&b->settings, environ, options->env);
	order.env = env;
	r = cluster_start(cluster, &order, machines, err);
	json_strings_free(env);
	return r;
}

/* A structure of the caller's, which may be older and shorter than ours. */
static int take_options(struct bigm_start_options *to,
			const struct bigm_start_options *from,
			struct bigm_error *err)
{
	*to = (struct bigm_start_options){ .size = sizeof(*to) };
	if (!from)
		return 0;
	if (from->size < sizeof(from->size) || from->size > sizeof(*to))
		return bigm_error_set(err, BIGM_EINVALID,
				      "bigm_start: options.size is %zu, it must "
				      "be sizeof(options), %zu", from->size,
				      sizeof(*to));
	memcpy(to, from, from->size);
	return 0;
}

bool handle_on_loop_thread(struct bigm *b)
{
	pthread_mutex_lock(&b->lock);
	bool on = b->loop && loop_on_thread(b->loop);
	pthread_mutex_unlock(&b->lock);
	return on;
}

int bigm_start(struct bigm *b, int n, const struct bigm_service *services,
	       const struct bigm_start_options *options,
	       struct bigm_machine ***machines, struct bigm_error *err)
{
	struct bigm_error local = BIGM_ERROR_INIT;
	struct bigm_start_options o;
	int r;

	err = err ? err : &local;
	*machines = NULL;
	if (!b->own_loop)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "a machine cannot start machines");
	if (handle_on_loop_thread(b))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "starting machines on the I/O thread "
				      "would block it");
	if (n < 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "cannot start %d machines", n);
	if ((r = take_options(&o, options, err)) < 0 ||
	    (r = check_services(b, services, err)) < 0)
		return r;
	return start(b, n, services, &o, machines, err);
}

/* ------------------------------------------------------------------ */
/* Peers                                                               */

/* Locked. */
static struct bigm_machine *dialled_before(struct bigm *b, const char *address)
{
	struct bigm_machine **all;
	struct bigm_machine *found = NULL;
	size_t n = b->cluster ? cluster_machines(b->cluster, &all) : 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(bigm_machine_address(all[i]), address) == 0)
			found = all[i];
	if (b->cluster)
		free(all);
	for (size_t i = 0; i < b->ndialled && !found; i++)
		if (strcmp(bigm_machine_address(b->dialled[i]), address) == 0)
			found = b->dialled[i];
	return found;
}

/* Locked. */
static struct bigm_machine *dial_new(struct bigm *b, const char *address,
				     struct bigm_error *err)
{
	struct machine_facts facts = { .state = BIGM_RUNNING,
				       .address = address,
				       .reason = BIGM_ERROR_INIT };
	struct tls_context *tls = b->tls;
	const char *id = b->id;
	struct bigm_machine *m;

	if (b->cluster) {
		tls = cluster_tls(b->cluster);
		id = cluster_info(b->cluster)->id;
	}
	if (!tls) {
		bigm_error_set(err, BIGM_EINVALID,
			       "cannot dial %s before bigm_start()", address);
		return NULL;
	}
	m = machine_new(b->loop, address, MACHINE_DIALLED);
	machine_update(m, &facts, tls, id);
	if (bigm_machine_error(m, err) < 0) {
		machine_free(m);
		return NULL;
	}
	b->dialled = xrealloc(b->dialled,
			      (b->ndialled + 1) * sizeof(*b->dialled));
	b->dialled[b->ndialled++] = m;
	return m;
}

struct bigm_machine *bigm_dial(struct bigm *b, const char *address,
			       struct bigm_error *err)
{
	pthread_mutex_lock(&b->lock);
	struct bigm_machine *m = dialled_before(b, address);
	if (!m)
		m = dial_new(b, address, err);
	pthread_mutex_unlock(&b->lock);
	return m;
}
