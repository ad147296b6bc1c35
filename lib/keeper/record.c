#include "config.h"

#include "keeper/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/files.h"
#include "base/folder.h"
#include "base/log.h"
#include "keeper/health.h"
#include "keeper/pprof.h"
#include "keeper/place.h"
#include "supervisor/half.h"

#define NAME_MAX_LEN 41

int record_check_name(const char *name, struct bigm_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN || name[0] == '-' ||
	    strspn(name, allowed) != len)
		return bigm_error_set(err, BIGM_EINVALID,
				      "cluster name \"%s\": must be 1 to %d "
				      "lower-case letters, digits and '-', and "
				      "not begin with '-'",
				      name, NAME_MAX_LEN);
	return 0;
}

char *record_make_up_name(void)
{
	static const char *const adjectives[] = {
		"able", "brave", "brisk", "calm", "clear", "crisp", "deft",
		"eager", "fair", "fast", "fine", "fond", "glad", "grand",
		"keen", "kind", "light", "lucid", "merry", "mild", "neat",
		"noble", "plain", "proud", "quick", "quiet", "rapid", "sharp",
		"sunny", "swift", "warm", "wise",
	};
	static const char *const nouns[] = {
		"alder", "aspen", "badger", "beech", "birch", "cedar", "crane",
		"elm", "falcon", "finch", "fir", "fox", "hare", "hawk",
		"hazel", "heron", "ibex", "lark", "linden", "lynx", "maple",
		"marten", "oak", "otter", "owl", "pine", "raven", "robin",
		"rowan", "stork", "swan", "wren",
	};
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint32_t)getpid();
	return xasprintf("%s-%s-%02x", adjectives[r % 32], nouns[r / 32 % 32],
			 r >> 24);
}

static struct record *record_new(const char *name, char *dir)
{
	struct record *r = xcalloc(1, sizeof(*r));

	r->name = xstrdup(name);
	r->dir = dir;
	r->lock_fd = -1;
	r->listen_fd = -1;
	return r;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	if (r->listen_fd >= 0)
		close(r->listen_fd);
	free(r->name);
	free(r->dir);
	free(r->socket_path);
	free(r);
}

/* ------------------------------------------------------------------ */
/* The lock                                                            */

static char *lock_path(const struct record *r)
{
	return xasprintf("%s/lock", r->dir);
}

/* As file_lock_take(). */
static int take_lock(struct record *r, int flags)
{
	AUTO_FREE char *path = lock_path(r);

	return file_lock_take(path, flags, &r->lock_fd);
}

/* ------------------------------------------------------------------ */
/* Removing                                                            */

/* Where the record's link says that the socket is; NULL when there is none. */
static char *read_socket_link(const struct record *r)
{
	AUTO_FREE char *path = xasprintf("%s/socket", r->dir);
	char target[PLACE_SOCKET_MAX + 1];
	ssize_t len = readlink(path, target, sizeof(target));

	if (len <= 0 || len >= (ssize_t)sizeof(target))
		return NULL;
	return xstrndup(target, (size_t)len);
}

static void remove_socket(const struct record *r)
{
	AUTO_FREE char *path = read_socket_link(r);
	struct stat st;

	if (path && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_uid == getuid())
		unlink(path);
}

bool record_is_there(const struct record *r)
{
	AUTO_FREE char *path = lock_path(r);

	return r->lock_fd >= 0 && file_lock_is_current(r->lock_fd, path);
}

/* What machines that were killed have half copied elsewhere. */
static void sweep_machines(const struct record *r)
{
	DIR *dir = opendir(r->dir);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("%s/%s", r->dir, e->d_name);

		if (e->d_name[0] != '.')
			half_sweep(path);
	}
	if (dir)
		closedir(dir);
}

static int remove_all(struct record *r, struct bigm_error *err)
{
	int rc;

	remove_socket(r);
	sweep_machines(r);
	/* The lock goes last: until then nobody takes the name. */
	rc = folder_empty(r->dir, "lock", err);
	if (rc == 0)
		rc = folder_empty(r->dir, NULL, err);
	if (rc == 0 && rmdir(r->dir) < 0 && errno != ENOTEMPTY &&
	    errno != ENOENT)
		rc = error_set_errno(err, errno, "cannot remove %s", r->dir);
	return rc;
}

int record_remove(struct record *r, struct bigm_error *err)
{
	int rc = record_is_there(r) ? remove_all(r, err) : 0;

	if (r->lock_fd >= 0)
		close(r->lock_fd);
	r->lock_fd = -1;
	return rc;
}

/* ------------------------------------------------------------------ */
/* Creating                                                            */

/* Makes the folder and takes its lock.  A remover that is at it, or takes our
 * fresh folder for a dead one's, is waited for. */
static int claim(struct record *r, struct bigm_error *err)
{
	static const struct timespec pause = { 0, 1000000 };
	int rc = -1;

	for (int tries = 0; tries < 50; tries++) {
		if (tries > 0)
			nanosleep(&pause, NULL);
		if (mkdir(r->dir, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot create %s",
					       r->dir);
		rc = take_lock(r, O_CREAT);
		if (rc == 0)
			return place_check(r->dir, err);
		if (rc < 0 && errno != ENOENT) {
			int code = error_set_errno(
				err, errno, "cannot lock %s/lock", r->dir);

			rmdir(r->dir); /* if it is empty */
			return code;
		}
	}
	if (rc == 1)
		return bigm_error_set(err, BIGM_EEXIST,
				      "cluster %s: is running already",
				      r->name);
	return bigm_error_set(err, BIGM_EIO, "cannot create %s: something "
			      "keeps removing it", r->dir);
}

static int listen_on(struct record *r, struct bigm_error *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	AUTO_FREE char *link = xasprintf("%s/socket", r->dir);

	r->socket_path = place_socket(r->name, r->dir, err);
	if (!r->socket_path)
		return err ? err->code : BIGM_EIO;
	memcpy(sun.sun_path, r->socket_path, strlen(r->socket_path));
	unlink(r->socket_path);
	r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->listen_fd < 0 ||
	    bind(r->listen_fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(r->listen_fd, SOMAXCONN) < 0)
		return error_set_errno(err, errno, "control socket %s",
				       r->socket_path);
	if (symlink(r->socket_path, link) < 0)
		return error_set_errno(err, errno, "cannot create %s", link);
	return 0;
}

static struct record *create_named(const char *state, const char *name,
				   struct bigm_error *err)
{
	struct record *r = record_new(name, xasprintf("%s/%s", state, name));

	if (claim(r, err) < 0) {
		record_free(r);
		return NULL;
	}
	/* What a dead cluster of that name left. */
	remove_socket(r);
	if (folder_empty(r->dir, "lock", err) < 0 || listen_on(r, err) < 0) {
		if (r->socket_path)
			unlink(r->socket_path);
		record_remove(r, NULL);
		record_free(r);
		return NULL;
	}
	return r;
}

struct record *record_create(const char *name, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *state = NULL;

	if (name && record_check_name(name, err) < 0)
		return NULL;
	state = place_state(true, err);
	if (!state)
		return NULL;
	if (name)
		return create_named(state, name, err);
	for (int tries = 0; tries < 100; tries++) {
		AUTO_FREE char *made_up = record_make_up_name();
		struct record *r = create_named(state, made_up, &why);

		if (r)
			return r;
		if (why.code != BIGM_EEXIST)
			break;
	}
	error_copy(err, &why);
	return NULL;
}

int record_write(const struct record *r, const char *file, const void *data,
		 size_t len, struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", r->dir, file);

	return files_replace(path, data, len, err);
}

static int copy_file(const char *from, const char *to, struct bigm_error *err)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
					  O_NOFOLLOW, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return error_set_errno(err, errno, "cannot copy %s to %s",
				       from, to);
	do
		n = sendfile(out, in, NULL, 1 << 30);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return error_set_errno(err, errno, "cannot copy %s to %s",
				       from, to);
	return 0;
}

static bool ends_in(const char *file, const char *suffix)
{
	size_t len = strlen(file), n = strlen(suffix);

	return len > n && strcmp(file + len - n, suffix) == 0;
}

static bool is_kept(const char *file)
{
	return strcmp(file, "output") == 0 || strcmp(file, "keeper.log") == 0 ||
	       ends_in(file, HEALTH_DUMP_SUFFIX) ||
	       ends_in(file, PPROF_DUMP_SUFFIX);
}

int record_keep_logs(const struct record *r, const char *dir,
		     struct bigm_error *err)
{
	AUTO_FREE char *folder = xasprintf("%s/%s", dir, r->name);
	struct dirent *entry;
	DIR *from_dir;
	int rc = 0;

	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(folder, 0700) < 0 && errno != EEXIST))
		return error_set_errno(err, errno, "cannot create %s", folder);
	/* In a folder of somebody else's the names may lead anywhere. */
	rc = place_check(folder, err);
	if (rc < 0)
		return rc;
	from_dir = opendir(r->dir);
	if (!from_dir)
		return error_set_errno(err, errno, "cannot read %s", r->dir);
	while (rc == 0 && (entry = readdir(from_dir))) {
		AUTO_FREE char *from = xasprintf("%s/%s", r->dir,
						 entry->d_name);
		AUTO_FREE char *to = xasprintf("%s/%s", folder, entry->d_name);

		if (is_kept(entry->d_name))
			rc = copy_file(from, to, err);
	}
	closedir(from_dir);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Finding                                                             */

/* Under the lock, which only a dead cluster leaves free. */
static void remove_dead(struct record *r)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = take_lock(r, 0);

	if (rc == 0 && record_remove(r, &why) < 0)
		log_warn("%s", why.text);
	else if (rc < 0 && errno == ENOENT)
		rmdir(r->dir); /* its maker died before it had a lock */
}

static int may_be_record(const struct dirent *entry)
{
	return record_check_name(entry->d_name, NULL) == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* True when the record is of a living cluster that can be reached. */
static bool is_living(const char *state, const char *name)
{
	struct record *r = record_new(name, xasprintf("%s/%s", state, name));
	AUTO_FREE char *path = lock_path(r);
	bool living = file_lock_is_held(path);

	if (!living)
		remove_dead(r);
	else
		r->socket_path = read_socket_link(r);
	living = living && r->socket_path;
	record_free(r);
	return living;
}

char **record_list(struct bigm_error *err)
{
	AUTO_FREE char *state = place_state(false, err);
	struct dirent **entries = NULL;
	size_t living = 0;
	char **names;
	int n;

	if (!state)
		return NULL;
	n = scandir(state, &entries, may_be_record, compare_names);
	if (n < 0 && errno != ENOENT) {
		error_set_errno(err, errno, "cannot read %s", state);
		return NULL;
	}
	names = xcalloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*names));
	for (int i = 0; i < n; i++) {
		if (is_living(state, entries[i]->d_name))
			names[living++] = xstrdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

static int not_found(const char *name, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_ENOTFOUND,
			      "cluster %s: is not running here (`bigm status` "
			      "shows which are)", name);
}

/* The one name that there is, malloc'ed. */
static char *only_name(struct bigm_error *err)
{
	char **names = record_list(err);
	char *name = NULL;
	char list[200] = "";

	if (!names)
		return NULL;
	for (size_t i = 0, len = 0; names[i] && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
					i ? ", " : "", names[i]);
	if (!names[0])
		bigm_error_set(err, BIGM_ENOTFOUND, "no cluster is running");
	else if (names[1])
		bigm_error_set(err, BIGM_EINVALID,
			       "several clusters are running (%s): say which "
			       "with --cluster", list);
	else
		name = xstrdup(names[0]);
	strings_free(names);
	return name;
}

struct record *record_find(const char *name, struct bigm_error *err)
{
	AUTO_FREE char *only = name ? NULL : only_name(err);
	AUTO_FREE char *state = NULL;
	struct record *r;

	if (!name && !only)
		return NULL;
	if (name && record_check_name(name, err) < 0)
		return NULL;
	state = place_state(false, err);
	if (!state)
		return NULL;
	name = name ? name : only;
	if (!is_living(state, name)) {
		not_found(name, err);
		return NULL;
	}
	r = record_new(name, xasprintf("%s/%s", state, name));
	r->socket_path = read_socket_link(r);
	if (!r->socket_path) {
		not_found(name, err);
		record_free(r);
		return NULL;
	}
	return r;
}

/* Of the file that was opened once: another cluster may get the name. */
static bool is_locked(const char *path, int *fd)
{
	if (*fd < 0)
		*fd = file_lock_open(path);
	return *fd >= 0 ? file_lock_is_taken(*fd) : file_lock_is_held(path);
}

int record_wait_gone(const struct record *r, int64_t timeout_ms,
		     struct bigm_error *err)
{
	struct timespec pause = { 0, 1000000 };
	struct timespec now, begin;
	AUTO_FREE char *path = lock_path(r);
	AUTO_CLOSE int fd = -1;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	/* Locks have no time-out, so it is asked again and again; pauses grow
	 * to 16 ms. */
	while (is_locked(path, &fd)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (timeout_ms >= 0 &&
		    (now.tv_sec - begin.tv_sec) * 1000 +
			    (now.tv_nsec - begin.tv_nsec) / 1000000 >=
		    timeout_ms)
			return bigm_error_set(err, BIGM_EDEADLINE,
					      "cluster %s: is still there "
					      "after %lld ms", r->name,
					      (long long)timeout_ms);
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 16000000)
			pause.tv_nsec *= 2;
	}
	return 0;
}
