#include "cmd/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/files.h"
#include "base/folder.h"
#include "base/wait.h"
#include "keeper/place.h"
#include "keeper/record.h"
#include "loop/loop.h"

/* No cluster has a '.' in its name. */
#define SUFFIX ".job"
#define FACTS_MAX (4u << 20) /* bytes; execve() takes no longer words */
#define LOOK_US 10000
/* How often a name is tried that somebody is removing, or that is taken. */
#define TRIES 50

static int init(struct detached *d, const char *name, bool create,
		struct bigm_error *err)
{
	AUTO_FREE char *state = NULL;
	int code;

	*d = (struct detached){ .lock_fd = -1 };
	code = record_check_name(name, err);
	if (code != 0)
		return code;
	state = place_state(create, err);
	if (state == NULL)
		return err != NULL ? err->code : BIGM_EFAILED;
	d->name = xstrdup(name);
	d->dir = xasprintf("%s/%s" SUFFIX, state, name);
	return 0;
}

void detached_release(struct detached *d)
{
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d->name);
	free(d->dir);
	*d = (struct detached){ .lock_fd = -1 };
}

char *detached_path(const struct detached *d, const char *file)
{
	return xasprintf("%s/%s", d->dir, file);
}

/* ------------------------------------------------------------------ */
/* The lock                                                            */

/* As file_lock_take(). */
static int take_lock(struct detached *d, int flags)
{
	AUTO_FREE char *path = detached_path(d, "lock");

	return file_lock_take(path, flags, &d->lock_fd);
}

bool detached_runs(const struct detached *d)
{
	AUTO_FREE char *path = detached_path(d, "lock");

	return file_lock_is_held(path);
}

int detached_wait(const struct detached *d, int64_t timeout_ms,
		  struct bigm_error *err)
{
	int64_t deadline = wait_deadline(timeout_ms);

	/* Locks have no time-out. */
	while (detached_runs(d)) {
		if ((int64_t)loop_now_ns() >= deadline)
			return bigm_error_set(err, BIGM_EDEADLINE,
					      "job %s goes on", d->name);
		usleep(LOOK_US);
	}
	return 0;
}

static cJSON *read_json(const char *path, struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buffer text = BUFFER_INIT(FACTS_MAX);
	cJSON *facts = NULL;
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0) {
		uint8_t *room = buffer_reserve(&text, 4096, err);

		n = room == NULL ? 0 : read(fd, room, 4096);
		if (n > 0)
			buffer_commit(&text, (size_t)n);
	}
	if (n < 0)
		error_set_errno(err, errno, "%s", path);
	else
		facts = json_parse(buffer_data(&text), text.len, err);
	buffer_release(&text);
	return facts;
}

static cJSON *read_facts(const struct detached *d, struct bigm_error *err)
{
	AUTO_FREE char *path = detached_path(d, "job.json");

	return read_json(path, err);
}

/* ------------------------------------------------------------------ */
/* Making and removing                                                 */

static int claim(struct detached *d, struct bigm_error *err)
{
	int rc = -1;

	for (int tries = 0; tries < TRIES; tries++) {
		if (mkdir(d->dir, 0700) != 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot create %s",
					       d->dir);
		rc = take_lock(d, O_CREAT);
		if (rc == 0)
			return place_check(d->dir, err);
		if (rc < 0 && errno != ENOENT)
			return error_set_errno(err, errno, "cannot lock %s/lock",
					       d->dir);
		usleep(LOOK_US);
	}
	return rc == 1 ? bigm_error_set(err, BIGM_EEXIST,
					"job %s: is running already", d->name)
		       : bigm_error_set(err, BIGM_EIO, "cannot create %s: "
					"something keeps removing it", d->dir);
}

/* Nobody else has that name, nor has had it. */
static bool is_fresh(const struct detached *d)
{
	size_t len = strlen(d->dir) - strlen(SUFFIX);
	AUTO_FREE char *cluster = xstrndup(d->dir, len);

	return access(d->dir, F_OK) != 0 && access(cluster, F_OK) != 0;
}

int detached_create(struct detached *d, const char *name, struct bigm_error *err)
{
	AUTO_FREE char *made_up = NULL;

	for (int tries = 0; name == NULL && tries < TRIES; tries++) {
		free(made_up);
		made_up = record_make_up_name();
		if (init(d, made_up, true, err) != 0)
			return err->code;
		if (is_fresh(d))
			name = made_up;
		detached_release(d);
	}
	if (init(d, name != NULL ? name : made_up, true, err) != 0 ||
	    claim(d, err) != 0)
		return err->code;
	return folder_empty(d->dir, "lock", err);
}

int detached_find(struct detached *d, const char *name, struct bigm_error *err)
{
	AUTO_FREE char *facts = NULL;

	if (init(d, name, false, err) != 0)
		return err->code;
	facts = detached_path(d, "job.json");
	return access(facts, F_OK) == 0
		       ? 0 : bigm_error_set(err, BIGM_ENOTFOUND,
					    "there is no job %s", name);
}

static bool is_of(const cJSON *facts, const struct record *record)
{
	AUTO_FREE char *path = xasprintf("%s/info.json", record->dir);
	AUTO_JSON cJSON *info = read_json(path, NULL);
	const char *ours, *theirs;

	return bigm_json_get_string(facts, "cluster_id", &ours, NULL) == 0 &&
	       bigm_json_get_string(info, "id", &theirs, NULL) == 0 &&
	       strcmp(ours, theirs) == 0;
}

/* There is a cluster of its name that is not its own, which may outlive it by a
 * moment. */
static bool has_namesake(const struct detached *d)
{
	struct record *record = record_find(d->name, NULL);
	AUTO_JSON cJSON *facts = record != NULL ? read_facts(d, NULL) : NULL;
	bool other = record != NULL && !is_of(facts, record);

	record_free(record);
	return other;
}

int detached_meant(struct detached *d, const char *name, struct bigm_error *err)
{
	struct record *only = name == NULL ? record_find(NULL, NULL) : NULL;
	int code;

	*d = (struct detached){ .lock_fd = -1 };
	if (only != NULL)
		name = only->name;
	code = name != NULL ? detached_find(d, name, err) : BIGM_ENOTFOUND;
	record_free(only);
	if (code == 0)
		return detached_runs(d) || !has_namesake(d);
	error_clear(err); /* whose name it is not */
	return code == BIGM_ENOTFOUND || code == BIGM_EINVALID ? 0 : code;
}

int detached_remove(struct detached *d, struct bigm_error *err)
{
	int rc = d->lock_fd >= 0 ? 0 : take_lock(d, 0);

	if (rc == 1)
		return bigm_error_set(err, BIGM_EEXIST, "job %s goes on", d->name);
	if (rc < 0 && errno != ENOENT)
		return error_set_errno(err, errno, "cannot lock %s/lock", d->dir);
	/* The lock goes last: until then nobody takes the name. */
	rc = folder_empty(d->dir, "lock", err);
	if (rc == 0)
		rc = folder_empty(d->dir, NULL, err);
	if (rc != 0)
		return rc;
	rmdir(d->dir); /* but if somebody has just taken it */
	return 0;
}

static int is_record(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), n = strlen(SUFFIX);

	return len > n && strcmp(entry->d_name + len - n, SUFFIX) == 0;
}

/* The names of all, as record_list(). */
static char **list_names(struct bigm_error *err)
{
	AUTO_FREE char *state = place_state(false, err);
	struct dirent **entries = NULL;
	char **names;
	int n = state == NULL ? 0 : scandir(state, &entries, is_record, alphasort);

	if (state == NULL)
		return NULL;
	if (n < 0 && errno != ENOENT) {
		error_set_errno(err, errno, "cannot read %s", state);
		return NULL;
	}
	names = xcalloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*names));
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		names[i] = xstrndup(name, strlen(name) - strlen(SUFFIX));
		free(entries[i]);
	}
	free(entries);
	return names;
}

char **detached_names(struct bigm_error *err)
{
	char **names = list_names(err);
	size_t n = 0;

	for (char **name = names; name != NULL && *name != NULL; name++) {
		struct detached d;

		if (init(&d, *name, false, NULL) == 0 && detached_runs(&d))
			names[n++] = *name;
		else
			free(*name);
		detached_release(&d);
	}
	if (names != NULL)
		names[n] = NULL;
	return names;
}

void detached_sweep(void)
{
	uint64_t now = clock_wall_ns(), ended = 0;
	char **names = list_names(NULL);

	for (char **name = names; name != NULL && *name != NULL; name++) {
		struct bigm_error err = BIGM_ERROR_INIT;
		struct detached d;
		AUTO_JSON cJSON *facts = NULL;

		if (detached_find(&d, *name, &err) == 0)
			facts = detached_facts(&d, &err);
		if (bigm_json_get_uint64(facts, "ended_ns", &ended, NULL) == 0 &&
		    ended + DETACHED_KEPT_DAYS * 86400 * 1000000000ull < now)
			detached_remove(&d, &err);
		detached_release(&d);
	}
	strings_free(names);
}

/* ------------------------------------------------------------------ */
/* Facts                                                               */

cJSON *detached_facts(const struct detached *d, struct bigm_error *err)
{
	/* In this order: one that does not go on writes no more. */
	bool runs = detached_runs(d);
	cJSON *facts = read_facts(d, err);

	if (facts == NULL)
		return NULL;
	cJSON_AddStringToObject(facts, "state",
				runs ? "running"
				: cJSON_HasObjectItem(facts, "status") ? "ended"
								       : "killed");
	return facts;
}

cJSON *detached_list(struct bigm_error *err)
{
	char **names = list_names(err);
	cJSON *list = names != NULL ? cJSON_CreateArray() : NULL;

	for (char **name = names; name != NULL && *name != NULL; name++) {
		struct bigm_error why = BIGM_ERROR_INIT;
		struct detached d;
		cJSON *facts = NULL;

		if (detached_find(&d, *name, &why) == 0)
			facts = detached_facts(&d, &why);
		if (facts != NULL)
			cJSON_AddItemToArray(list, facts);
		detached_release(&d);
	}
	strings_free(names);
	return list;
}

int detached_write(const struct detached *d, const cJSON *facts,
		   struct bigm_error *err)
{
	AUTO_FREE char *path = detached_path(d, "job.json");
	AUTO_FREE char *text = json_print(facts);

	return files_replace(path, text, strlen(text), err);
}

/* While the lock is held the pid is that of who holds it. */
int detached_signal(const struct detached *d, struct bigm_error *err)
{
	AUTO_JSON cJSON *facts = read_facts(d, err);
	AUTO_CLOSE int fd = -1;
	int64_t pid;

	if (facts == NULL || bigm_json_get_int64(facts, "pid", &pid, err) != 0)
		return err->code;
	if (pid > 0 && pid <= INT32_MAX)
		fd = pidfd_open((pid_t)pid, 0);
	if (!detached_runs(d))
		return 0;
	if (fd < 0 || pidfd_send_signal(fd, SIGTERM, NULL, 0) != 0)
		return error_set_errno(err, errno, "cannot signal job %s, "
				       "process %lld", d->name, (long long)pid);
	return 0;
}
