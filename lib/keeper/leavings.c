#include "config.h"

#include "keeper/leavings.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/log.h"
#include "supervisor/half.h"

struct leaving {
	struct leavings *of;
	char *dir;
	struct bigm_error why;
	uv_work_t work;
};

static void on_pool(uv_work_t *work)
{
	struct leaving *l = loop_container(work, struct leaving, work);

	half_sweep(l->dir);
	if (folder_empty(l->dir, NULL, &l->why) == 0 && rmdir(l->dir) < 0 &&
	    errno != ENOENT)
		error_set_errno(&l->why, errno, "cannot remove %s", l->dir);
}

static void on_removed(uv_work_t *work, int status)
{
	struct leaving *l = loop_container(work, struct leaving, work);

	(void)status; /* none is canceled */
	l->of->pending--;
	if (l->why.code)
		log_warn("a folder stays: %s", l->why.text);
	free(l->dir);
	free(l);
}

void leavings_remove(struct leavings *leavings, const char *dir)
{
	struct leaving *l;

	if (access(dir, F_OK) < 0)
		return;
	l = xcalloc(1, sizeof(*l));
	l->of = leavings;
	l->dir = xstrdup(dir);
	l->why = (struct bigm_error)BIGM_ERROR_INIT;
	leavings->pending++;
	if (uv_queue_work(loop_uv(leavings->loop), &l->work, on_pool,
			  on_removed) < 0)
		alloc_failed();
}

void leavings_remove_all(struct leavings *leavings, const char *dir,
			 const char *prefix)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, e->d_name);

		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			leavings_remove(leavings, path);
	}
	if (d)
		closedir(d);
}

void leavings_finish(struct leavings *leavings)
{
	while (leavings->pending > 0)
		uv_run(loop_uv(leavings->loop), UV_RUN_ONCE);
}
