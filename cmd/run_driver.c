/* bigm run DRIVER: the program runs once, here, and calls its machines. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "bundle/unpack.h"
#include "cmd/detach.h"
#include "cmd/program.h"
#include "cmd/run.h"
#include "cmd/run_unpacked.h"
#include "cmd/sentinel.h"
#include "cmd/session.h"
#include "keeper/record.h"
#include "loop/process.h"
#include "supervisor/image.h"

#define GIVEN_MAX (1u << 20) /* bytes of names; execve() takes no more */

struct driver {
	struct sentinel *sentinel; /* NULL once stopped */
	const struct run_order *order;
	char *files; /* where one from a bundle is unpacked; NULL: nowhere yet */
};

/* How many machines of a cluster that is there run, and are not draining. */
static int count_running(struct cluster *cluster, struct bigm_error *err)
{
	AUTO_JSON cJSON *status = NULL;
	const cJSON *machine;
	const char *state;
	int n = 0;

	if (cluster_call(cluster, "Status", NULL, &status, err) != 0)
		return err->code;
	cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(status,
								     "machines"))
		n += bigm_json_get_string(machine, "state", &state, NULL) == 0 &&
		     strcmp(state, bigm_state_name(BIGM_RUNNING)) == 0 &&
		     !cJSON_HasObjectItem(machine, "notice");
	return n;
}

/* 0: as the driver wants; of a cluster that is there all, unless -n says. */
static int choose_machines(const struct session *s, struct bigm_error *err)
{
	const struct driver *driver = s->data;
	const struct run_options *said = driver->order->in->options;

	if (!s->borrow)
		return driver->order->options.machines;
	return said->machines > 0 ? said->machines
				  : count_running(s->cluster, err);
}

/* "ec2-type=m5.large" is BIGM_EC2_TYPE=m5.large; a bare name is a switch. */
static void add_setting(char ***env, const char *setting)
{
	const char *equals = strchrnul(setting, '=');
	char *item = xasprintf("BIGM_%.*s=%s", (int)(equals - setting), setting,
			       *equals != '\0' ? equals + 1 : "1");

	for (char *p = item; *p != '='; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	strings_add(env, item);
}

/* Options that say what makes machines hold for all clusters that the driver
 * makes, not just for its first, which we have made. */
static void add_system(char ***env, const struct run_options *said)
{
	if (said->system != NULL)
		strings_add(env, xasprintf("BIGM_SYSTEM=%s", said->system));
	if (said->ship)
		add_setting(env, "ship");
	for (size_t i = 0; i < said->set.n; i++)
		add_setting(env, said->set.items[i]);
}

static int add_bundle(char ***env, struct session *s,
		      struct bigm_error *err)
{
	struct driver *driver = s->data;

	driver->files = session_place(s, "driver", err);
	if (driver->files == NULL)
		return err->code;
	strings_add(env, xasprintf("BIGM_BUNDLE=%s", driver->order->bundle.path));
	strings_add(env, xasprintf(IMAGE_FILES_ENV "=%s", driver->files));
	return 0;
}

/* The driver tells its machines of those that were asked for; before any other
 * is added. */
static void add_given(char ***env)
{
	struct buffer names = BUFFER_INIT(GIVEN_MAX);

	for (char **v = *env; *v; v++)
		buffer_appendf(&names, NULL, "%s%.*s", v > *env ? "," : "",
			       (int)strcspn(*v, "="), *v);
	strings_add(env, xasprintf("BIGM_GIVEN=%s", buffer_string(&names)));
	buffer_release(&names);
}

static int launch(struct session *s, struct bigm_error *err)
{
	struct driver *driver = s->data;
	const struct run_order *order = driver->order;
	const struct cluster_info *info = cluster_info(s->cluster);
	int machines = choose_machines(s, err), code = machines;
	char **env = run_expand_env(&order->options.env);

	add_given(&env);
	strings_add(&env, xasprintf("BIGM_CONTROL=%s", info->socket_path));
	strings_add(&env, xasprintf("BIGM_FIXED=%s", order->fixed));
	strings_add(&env, xasprintf("BIGM_USE=%s", s->borrow ? s->token : ""));
	add_system(&env, order->in->options);
	if (order->bundle.path != NULL && add_bundle(&env, s, err) != 0)
		machines = code = err->code;
	if (machines > 0)
		strings_add(&env, xasprintf("BIGM_N=%d", machines));
	if (order->options.procs > 0)
		strings_add(&env, xasprintf("BIGM_PROCS=%d", order->options.procs));
	if (machines >= 0)
		code = sentinel_start(driver->sentinel, env, err);
	strings_free(env);
	return code;
}

static int failed_status(const struct bigm_error *why)
{
	/* ENOEXEC and its kin are BIGM_EIO. */
	return why->code == BIGM_EIO ? STATUS_NOT_EXECUTABLE
				     : ending_status(why->code);
}

static void on_event(struct session *s, const struct event *event)
{
	struct driver *driver = s->data;
	struct sentinel_event news;
	char text[80];

	sentinel_next(driver->sentinel, &news);
	switch (news.kind) {
	case SENTINEL_STARTED:
		if (s->detach != NULL)
			detach_ready(s->detach, cluster_info(s->cluster)->id);
		break;
	case SENTINEL_ENDED:
		if (WIFSIGNALED(news.wait_status) && s->status < 0)
			command_fail(s->in, 0, "%s: killed by %s", driver->order->argv[0],
				     process_describe_status(news.wait_status,
							     text, sizeof(text)));
		session_finish(s, process_shell_status(news.wait_status));
		break;
	case SENTINEL_FAILED:
		command_fail(s->in, 0, "%s", news.error.text);
		session_finish(s, failed_status(&news.error));
		break;
	case SENTINEL_LOST:
		session_fail(s, "%s: its sentinel was killed, and so it was too",
			     driver->order->argv[0]);
		break;
	}
}

static void pass_on(struct session *s, int signal)
{
	struct driver *driver = s->data;

	sentinel_signal(driver->sentinel, signal);
}

static void stop(struct session *s)
{
	struct driver *driver = s->data;

	sentinel_free(driver->sentinel);
	driver->sentinel = NULL;
}

static bool idle(struct session *s)
{
	return true;
}

/* A driver from a bundle is unpacked into the cluster's record, from where it
 * goes whatever happens, by bigm itself, which then becomes it. */
static char **unpacker_argv(const struct run_order *order)
{
	size_t n = strings_count(order->argv);
	char **argv = xcalloc(n + 3, sizeof(*argv));

	argv[0] = (char *)"bigm";
	argv[1] = (char *)RUN_UNPACKED_ROLE;
	memcpy(argv + 2, order->argv, n * sizeof(*argv));
	return argv;
}

int run_driver(const struct run_order *order)
{
	static const struct session_work work = {
		.launch = launch,
		.event = on_event,
		.signal = pass_on,
		.stop = stop,
		.idle = idle,
		.outlives_cluster = true,
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct driver driver = { .order = order };
	struct session session = {
		.in = order->in,
		.options = &order->options,
		.work = &work,
		.data = &driver,
		.detach = order->detach,
		.print = true,
		.shared = true,
		.collect = {
			.patterns = &order->options.collect,
			.dir = "",
			.farewell = true,
		},
		.attach = order->options.cluster != NULL,
		.exclusive = order->options.cluster != NULL,
		.borrow = order->options.cluster != NULL,
		.ships = true,
	};
	AUTO_FREE char *self = program_self();
	AUTO_FREE char **unpacker = unpacker_argv(order);
	bool bundled = order->bundle.path != NULL;
	int status;

	driver.sentinel = sentinel_new(bundled ? self : order->path,
				       bundled ? unpacker : order->argv,
				       order->options.dir != NULL ? order->dir : NULL,
				       &err);
	if (driver.sentinel == NULL)
		return command_fail(order->in, STATUS_BIGM, "%s", err.text);
	session.fd = sentinel_fd(driver.sentinel);
	status = session_run(&session);
	stop(&session);
	process_kill_descendants(PROCESS_GONE_MS);
	/* A keeper that never told its name, and was just ending, was among
	 * them. */
	strings_free(record_list(NULL));
	if (session.borrow && driver.files != NULL)
		bundle_intake.discard(driver.files);
	free(driver.files);
	return status;
}
