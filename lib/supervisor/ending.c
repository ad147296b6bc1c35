#include "config.h"

#include <sys/wait.h>

#include "base/alloc.h"
#include "base/error.h"
#include "supervisor/ending.h"

void ending_describe(cJSON *json, int wait_status,
		     const struct bigm_error *failure)
{
	if (failure->code == 0 && WIFSIGNALED(wait_status))
		json_add_uint64(json, "signal", (uint64_t)WTERMSIG(wait_status));
	else if (failure->code == 0)
		json_add_uint64(json, "status",
				(uint64_t)WEXITSTATUS(wait_status));
	else if (!cJSON_AddStringToObject(json, "failed", failure->text) ||
		 !cJSON_AddStringToObject(json, "code",
					  bigm_code_name(failure->code)))
		alloc_failed();
}

int ending_status(int code)
{
	if (code == BIGM_ENOTFOUND)
		return ENDING_NOT_FOUND;
	return code == BIGM_EPERMISSION ? ENDING_NOT_EXECUTABLE
					: ENDING_UNRUNNABLE;
}

int ending_read(struct ending *ending, const cJSON *json,
		struct bigm_error *err)
{
	int64_t status = 0, signal = 0;
	const char *code = "FAILED";

	*ending = (struct ending){ .status = 0 };
	if (json_opt_int64(json, "status", &status, err) != 0 ||
	    json_opt_int64(json, "signal", &signal, err) != 0 ||
	    json_opt_string(json, "failed", &ending->failed, err) != 0 ||
	    json_opt_string(json, "code", &code, err) != 0)
		return err->code;
	ending->signal = (int)(signal & 127);
	ending->status = ending->signal != 0 ? ENDING_SIGNAL + ending->signal
					     : (int)(status & 255);
	if (ending->failed) {
		ending->code = error_code_from_name(code);
		ending->status = ending_status(ending->code);
	}
	return 0;
}
