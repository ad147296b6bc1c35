/*
 * read: files of machines' hosts, through the keeper.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "machine/cluster.h"
#include "machine/handle.h"
#include "machine/machine.h"

#define MAX_FILE (16u << 20) /* what a keeper gives at most */

static struct bigm_call *begin(struct cluster *c, const char *machine,
			       const char *path)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	AUTO_JSON cJSON *arg = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	cJSON_AddStringToObject(arg, "machine", machine);
	cJSON_AddStringToObject(arg, "path", path);
	text = json_print(arg);
	return rpc_call_start(cluster_client(c), "Keeper.ReadFile", text,
			      strlen(text), &options);
}

static int check(struct bigm *b, const struct cluster *cluster,
		 const struct bigm_machine *m, const char *path,
		 struct bigm_error *err)
{
	if (handle_on_loop_thread(b))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "reading %s on the I/O thread would block "
				      "it", path);
	if (!cluster || machine_index(m) == MACHINE_DIALLED)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: files are read of the hosts of "
				      "machines that bigm_start() has started",
				      bigm_machine_name(m));
	return 0;
}

int bigm_read_file(struct bigm *b, struct bigm_machine *m, const char *path,
		   void **bytes, size_t *len, struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(MAX_FILE + RPC_PIECE);
	/* Once: a bigm_shutdown() beside us takes it away. */
	struct cluster *cluster = handle_cluster(b);
	struct bigm_call *call;
	int r;

	*bytes = NULL;
	*len = 0;
	if ((r = check(b, cluster, m, path, err)) < 0)
		return r;
	call = begin(cluster, bigm_machine_name(m), path);
	r = rpc_call_read_all(call, &in, err);
	bigm_call_free(call);
	if (r == 0) {
		char *copy = xmalloc(in.len + 1);

		if (in.len > 0)
			memcpy(copy, buffer_data(&in), in.len);
		copy[in.len] = '\0';
		*bytes = copy;
		*len = in.len;
	}
	buffer_release(&in);
	return r;
}
