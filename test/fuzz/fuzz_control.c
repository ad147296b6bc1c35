/* What clients of the keeper say: each method's argument, decoded. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_start(const struct start_request *r)
{
	if (r->n < 1 || r->n > REQUEST_MAX_MACHINES || r->procs < 0 ||
	    r->procs > REQUEST_MAX_PROCS || !r->argv ||
	    (r->program && (r->program[0] != '/' || !r->argv[0])) ||
	    (r->dir && r->dir[0] != '/'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = json_parse(data, size, &err);
	struct start_request *start;
	struct read_request file;
	struct scale_request scale;
	struct tail_request tail;
	bool now;

	if (!json)
		return 0;
	start = start_request_parse(json, &err);
	if (start)
		check_start(start);
	else if (err.code >= 0 || err.text[0] == '\0')
		abort();
	start_request_free(start);
	if (tail_request_parse(json, &tail, &err) == 0 && tail.lines < -1)
		abort();
	tail_request_release(&tail);
	shutdown_request_parse(json, &now, &err);
	if (scale_request_parse(json, &scale, &err) == 0 &&
	    (scale.n < 0 || scale.n > REQUEST_MAX_MACHINES ||
	     scale.timeout_ms > REQUEST_MAX_MS))
		abort();
	if (read_request_parse(json, &file, &err) == 0 &&
	    (file.path[0] != '/' || file.limit > REQUEST_MAX_FILE))
		abort();
	return 0;
}
