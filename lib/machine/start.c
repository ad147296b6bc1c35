/*
 * start: bigm_start(), from what the program wants to what the keeper is told.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/beside.h"
#include "base/error.h"
#include "base/nearest.h"
#include "machine/handle_private.h"

/* ------------------------------------------------------------------ */
/* The cluster                                                         */

/* Under `bigm run` the cluster is there, and bigm prints its output. */
static int make_cluster(struct bigm *b, struct cluster **cluster,
			struct bigm_error *err)
{
	const struct settings *s = &b->settings;
	const struct cluster_printing printing = {
		.show = s->debug ? OUTPUT_SHOW_ALL : OUTPUT_SHOW_USUAL,
		.fd = STDERR_FILENO,
	};
	const struct cluster_options options = {
		.name = s->cluster,
		.system = s->system,
		.log_dir = s->log_dir,
		.http = s->http,
		.http_prefix = s->http_prefix,
		.no_http = s->no_http,
		.http_any_user = s->http_any_user,
		.events = s->events,
		.ship = s->ship,
		.set = s->set,
		.keepalive = s->keepalive,
		.debug = s->debug,
	};

	*cluster = s->control ? cluster_attach(b->loop, s->control, err)
			      : cluster_spawn(b->loop, &options, err);
	if (!*cluster)
		return err->code;
	cluster_on_report(*cluster, handle_report, b);
	if (s->control && s->use)
		cluster_borrow(*cluster, s->use);
	cluster_on_notice(*cluster, b->on_notice, b->on_notice_data);
	if (s->control || s->quiet ||
	    cluster_print_start(*cluster, &printing, err) == 0)
		return 0;
	cluster_free(*cluster);
	return err->code;
}

/* The callbacks on the loop, which is needed for this, may take the lock. */
static int begin_cluster(struct bigm *b, struct cluster **cluster,
			 struct bigm_error *err)
{
	int r = 0;

	pthread_mutex_lock(&b->begin_lock);
	*cluster = handle_cluster(b);
	if (!*cluster && (r = handle_begin_loop(b, err)) == 0 &&
	    (r = make_cluster(b, cluster, err)) == 0) {
		pthread_mutex_lock(&b->lock);
		b->cluster = *cluster;
		pthread_mutex_unlock(&b->lock);
		event_queue_attend(&b->events, b->loop, event_send, b);
	}
	pthread_mutex_unlock(&b->begin_lock);
	return r;
}

/* ------------------------------------------------------------------ */
/* Services                                                            */

struct service_list {
	struct bigm_service *items; /* ends with a NULL name */
	size_t n;
};

static void add_service(struct service_list *list,
			const struct bigm_service *service)
{
	size_t i = 0;

	while (i < list->n && strcmp(list->items[i].name, service->name) != 0)
		i++;
	if (i == list->n) {
		list->items = xrealloc(list->items,
				       (list->n + 2) * sizeof(*list->items));
		list->items[++list->n] = (struct bigm_service){ 0 };
	}
	list->items[i] = *service;
}

static void add_services(struct service_list *list,
			 const struct bigm_service *services)
{
	for (; services && services->name; services++)
		add_service(list, services);
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

/* Of another program only the machines know what it has. */
static int check_services(const struct bigm *b,
			  const struct service_list *list, bool ours,
			  struct bigm_error *err)
{
	if (list->n == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "machines without any service: name at "
				      "least one");
	for (size_t i = 0; ours && i < list->n; i++)
		if (!find_type(b, list->items[i].type ? list->items[i].type
						      : list->items[i].name,
			       err))
			return BIGM_ENOTFOUND;
	return 0;
}

/* ------------------------------------------------------------------ */
/* What the machines run                                               */

/*
 * The program's path.  Where its file has been removed or replaced meanwhile,
 * the kernel still knows it by our process.
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

static char *other_program(const char *program, struct bigm_error *err)
{
	char *path = realpath(program, NULL);
	struct stat st;

	if (!path || stat(path, &st) < 0 || access(path, X_OK) < 0)
		error_set_errno(err, errno, "the program %s", program);
	else if (!S_ISREG(st.st_mode))
		bigm_error_set(err, BIGM_EINVALID,
			       "the program %s is no file", program);
	else
		return path;
	free(path);
	return NULL;
}

/* What the machines shall have besides, or instead: the bundle that was named,
 * or the one beside the program, for machines that cannot run it. */
static int find_bundle(const char *named, const char *program, char **path,
		       struct bigm_error *err)
{
	AUTO_FREE char *beside = xasprintf("%s.bigm", program);

	*path = NULL;
	if (!named && !beside_is_ours(beside, program))
		return 0;
	*path = realpath(named ? named : beside, NULL);
	if (*path || !named)
		return 0;
	return error_set_errno(err, errno, "the bundle %s", named);
}

static int check_env(const char *const *env, struct bigm_error *err)
{
	for (; env && *env; env++)
		if (**env == '=' || !strchr(*env, '='))
			return bigm_error_set(err, BIGM_EINVALID,
					      "\"%s\" is no variable for the "
					      "machines: it reads NAME=VALUE",
					      *env);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The order                                                           */

/* A number that the user has set is meant; the program's own is a wish, of
 * which it learns how much was granted. */
static void resolve_n(const struct bigm *b, int n,
		      const struct bigm_start_options *options,
		      struct cluster_order *order)
{
	int set = (int)b->settings.n;
	int own = options->default_n > 0 ? options->default_n : 1;

	order->n = n > 0 ? n : set > 0 ? set : own;
	order->min = n == 0 && set > 0 ? set : 1;
}

static int give_order(struct bigm *b, struct cluster_order *order,
		      const struct bigm_start_options *options,
		      struct bigm_machine ***machines, struct bigm_error *err)
{
	struct cluster *cluster;
	int r = begin_cluster(b, &cluster, err);

	if (r < 0)
		return r;
	char **env = settings_env(&b->settings, environ, options->env);
	char **wanted = settings_wanted_env(&b->settings, environ,
					    options->env);
	order->env = env;
	order->wanted_env = wanted;
	r = cluster_start(cluster, order, machines, err);
	strings_free(env);
	strings_free(wanted);
	return r;
}

static int start(struct bigm *b, int n, const struct service_list *services,
		 const struct bigm_start_options *options,
		 struct bigm_machine ***machines, struct bigm_error *err)
{
	char *const own_name[] = { (char *)options->program, NULL };
	const char *named = options->program ? NULL : b->settings.bundle;
	AUTO_FREE char *program = options->program
					  ? other_program(options->program, err)
					  : own_program();
	AUTO_FREE char *bundle = NULL;
	struct cluster_order order = {
		.program = named ? NULL : program,
		.keep = options->no_exec,
		.argv = options->argv	   ? (char *const *)options->argv
			: options->program ? own_name
					   : b->argv,
		.procs = options->procs > 0 ? options->procs
					    : (int)b->settings.procs,
		.services = services->items,
		.label = options->label,
	};

	if (!program || find_bundle(named, program, &bundle, err) < 0)
		return err->code;
	order.bundle = bundle;
	resolve_n(b, n, options, &order);
	return give_order(b, &order, options, machines, err);
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
	if (to->argv && !to->argv[0])
		return bigm_error_set(err, BIGM_EINVALID,
				      "bigm_start: options.argv is empty; it "
				      "begins with the program's name");
	return check_env(to->env, err);
}

static int check_place(struct bigm *b, int n, struct bigm_error *err)
{
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
	return 0;
}

int bigm_start(struct bigm *b, int n, const struct bigm_service *services,
	       const struct bigm_start_options *options,
	       struct bigm_machine ***machines, struct bigm_error *err)
{
	struct bigm_error local = BIGM_ERROR_INIT;
	struct service_list list = { NULL, 0 };
	struct bigm_start_options o;
	int r;

	err = err ? err : &local;
	*machines = NULL;
	if ((r = check_place(b, n, err)) < 0 ||
	    (r = take_options(&o, options, err)) < 0)
		return r;
	add_services(&list, services);
	for (const struct bigm_service *const *set = o.more_services;
	     set && *set; set++)
		add_services(&list, *set);
	if ((r = check_services(b, &list, !o.program, err)) == 0)
		r = start(b, n, &list, &o, machines, err);
	free(list.items);
	return r;
}
