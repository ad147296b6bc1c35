#include "cmd/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/nearest.h"
#include "machine/machine.h"

/* Between a keeper's last call and the end of its record. */
#define GOING_MS 2000

/* Somebody who mistyped a cluster's name wants to know how it is written. */
static void add_nearest(const char *name, struct bigm_error *err)
{
	char **names = record_list(NULL);
	const char *close = NULL;

	if (names != NULL)
		close = nearest(name, names);
	if (close != NULL)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "there is no cluster %s; did you mean %s?", name,
			       close);
	strings_free(names);
}

static struct record *find(const char *name, struct bigm_error *err)
{
	struct record *record = record_find(name, err);

	if (record == NULL && name != NULL && err->code == BIGM_ENOTFOUND)
		add_nearest(name, err);
	return record;
}

static struct cluster *connect_to(struct loop *loop, const struct record *record,
				  struct bigm_error *err)
{
	struct cluster *cluster = cluster_attach(loop, record->socket_path, err);

	if (cluster == NULL)
		error_prefix(err, "cluster %s", record->name);
	return cluster;
}

struct cluster *attach_on(struct loop *loop, const char *name,
			  struct bigm_error *err)
{
	struct record *record = find(name, err);
	struct cluster *cluster = NULL;

	if (record != NULL) {
		cluster = connect_to(loop, record, err);
		record_free(record);
	}
	return cluster;
}

int attach(struct attachment *a, const char *name, struct bigm_error *err)
{
	*a = (struct attachment){ .record = find(name, err) };
	if (a->record == NULL)
		return err->code;
	a->loop = loop_new(err);
	if (a->loop == NULL ||
	    loop_start_thread(a->loop, "bigm-loop", err) != 0)
		return err->code;
	a->cluster = connect_to(a->loop, a->record, err);
	return a->cluster == NULL ? err->code : 0;
}

int attach_explain(const struct attachment *a, struct bigm_error *err)
{
	if (a->record == NULL ||
	    (err->code != BIGM_EUNAVAILABLE && err->code != BIGM_ECANCELED) ||
	    record_wait_gone(a->record, GOING_MS, NULL) != 0)
		return err->code;
	return bigm_error_set(err, BIGM_ENOTFOUND, "cluster %s: has just ended",
			      a->record->name);
}

void attachment_release(struct attachment *a)
{
	if (a->cluster != NULL)
		cluster_free(a->cluster);
	if (a->loop != NULL) {
		loop_stop(a->loop);
		loop_free(a->loop);
	}
	if (a->record != NULL)
		record_free(a->record);
}

int attach_machines(struct attachment *a, const char *which,
		    struct bigm_machine ***machines, struct bigm_error *err)
{
	return attach_choose(a->cluster, which, machines, err);
}

static bool is_past(const struct bigm_machine *m)
{
	return machine_has_left(m) ||
	       (machine_is_replaced(m) &&
		bigm_machine_state(m) == BIGM_STOPPED);
}

static size_t leave_out_past(struct bigm_machine **machines, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_past(machines[i]))
			machines[kept++] = machines[i];
	return kept;
}

int attach_choose(struct cluster *cluster, const char *which,
		  struct bigm_machine ***machines, struct bigm_error *err)
{
	struct bigm_machine *one;
	size_t n;

	*machines = NULL;
	if (cluster_watch(cluster, err) != 0)
		return err->code;
	if (strcmp(which, "all") != 0) {
		one = cluster_machine(cluster, which, err);
		if (one == NULL)
			return err->code;
		*machines = xmalloc(sizeof(one));
		**machines = one;
		return 1;
	}
	n = cluster_machines(cluster, machines);
	n = leave_out_past(*machines, n);
	if (n > 0)
		return (int)n;
	free(*machines);
	*machines = NULL;
	return bigm_error_set(err, BIGM_ENOTFOUND, "%s has no machines",
			      cluster_info(cluster)->name);
}

int attach_dir(struct cluster *cluster, const char *wanted, char **dir,
	       struct bigm_error *err)
{
	AUTO_FREE char *here = NULL;

	*dir = wanted == NULL ? NULL : xstrdup(wanted);
	if (strcmp(cluster_info(cluster)->system, "local") != 0 ||
	    (wanted != NULL && *wanted == '/'))
		return 0;
	here = get_current_dir_name();
	if (here == NULL)
		return error_set_errno(err, errno, "the working folder");
	free(*dir);
	*dir = wanted == NULL ? xstrdup(here) : xasprintf("%s/%s", here, wanted);
	return 0;
}

/* The stream begins, with a line, when the cluster is ours. */
static int read_token(struct bigm_call *call, char **token,
		      struct bigm_error *err)
{
	char line[256];
	const char *use;
	size_t len = 0;

	while (len < sizeof(line) && bigm_call_read(call, line + len, 1, err) == 1 &&
	       line[len] != '\n')
		len++;
	if (err->code != 0)
		return err->code;
	AUTO_JSON cJSON *json = json_parse(line, len, err);
	if (json == NULL || bigm_json_get_string(json, "use", &use, err) != 0)
		return error_prefix(err, "Keeper.Use");
	*token = xstrdup(use);
	return 0;
}

struct bigm_call *attach_use(struct cluster *cluster, char **token,
			     struct bigm_error *err)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_reply = true };
	struct bigm_call *call = rpc_call_start(cluster_client(cluster),
						"Keeper.Use", NULL, 0, &options);

	if (read_token(call, token, err) == 0)
		return call;
	if (err->code == BIGM_EEXIST)
		bigm_error_set(err, BIGM_EEXIST,
			       "cluster %s: another run is using it; wait for its "
			       "end, or run without --cluster",
			       cluster_info(cluster)->name);
	bigm_call_free(call);
	return NULL;
}
