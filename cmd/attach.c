#include "cmd/attach.h"

#include "base/nearest.h"

/* Somebody who mistyped a cluster's name wants to know how it is written. */
static void add_nearest(const char *name, struct bigm_error *err)
{
	char **names = record_list(NULL);
	const char *close = NULL;

	if (names != NULL)
		close = nearest(name, (const char *const *)names);
	if (close != NULL)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "there is no cluster %s; did you mean %s?", name,
			       close);
	json_strings_free(names);
}

int attach(struct attachment *a, const char *name, struct bigm_error *err)
{
	*a = (struct attachment){ .record = record_find(name, err) };
	if (a->record == NULL) {
		if (name != NULL && err->code == BIGM_ENOTFOUND)
			add_nearest(name, err);
		return err->code;
	}
	a->loop = loop_new(err);
	if (a->loop == NULL ||
	    loop_start_thread(a->loop, "bigm-loop", err) != 0)
		return err->code;
	a->cluster = cluster_attach(a->loop, a->record->socket_path, err);
	return a->cluster == NULL ? err->code : 0;
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
