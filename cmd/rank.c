#include "cmd/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/rank_input.h"
#include "cmd/terminal.h"
#include "rpc/client.h"
#include "supervisor/ending.h"
#include "supervisor/run.h"

/* The user's word comes after what his terminal says, and who we are comes last
 * and wins. */
static cJSON *environment(const struct rank *rank)
{
	const char *terminal = getenv("TERM");
	AUTO_FREE char *type = xasprintf("TERM=%s", terminal ? terminal : "");
	AUTO_FREE char *number = xasprintf("BIGM_RANK=%d", rank->number);
	AUTO_FREE char *size = xasprintf("BIGM_SIZE=%d", rank->size);
	AUTO_FREE char *machine = xasprintf("BIGM_MACHINE=%s",
					    bigm_machine_name(rank->machine));
	AUTO_FREE char *peers = rank->peers == NULL ? xstrdup("BIGM_PEERS")
				: xasprintf("BIGM_PEERS=%s", rank->peers);
	const char *const own[] = { number, size, machine, peers };
	char *const *wanted = rank->order->env;
	cJSON *env = cJSON_CreateArray();

	if (rank->order->terminal != NULL && terminal != NULL)
		cJSON_AddItemToArray(env, cJSON_CreateString(type));
	for (; wanted != NULL && *wanted != NULL; wanted++)
		cJSON_AddItemToArray(env, cJSON_CreateString(*wanted));
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		cJSON_AddItemToArray(env, cJSON_CreateString(own[i]));
	return env;
}

/* What Supervisor.Run wants to know first. */
static int append_spec(const struct rank *rank, struct buffer *out,
		       struct bigm_error *err)
{
	const struct rank_order *order = rank->order;
	AUTO_JSON cJSON *spec = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	cJSON_AddItemToObject(spec, "argv",
			      json_strings(order->argv));
	cJSON_AddItemToObject(spec, "env", environment(rank));
	if (order->dir != NULL)
		cJSON_AddStringToObject(spec, "dir", order->dir);
	if (order->binary)
		cJSON_AddBoolToObject(spec, "binary", true);
	cJSON_AddBoolToObject(spec, "stdin", rank->input_fd >= 0);
	if (order->terminal != NULL)
		cJSON_AddItemToObject(spec, "terminal", terminal_size());
	text = json_print(spec);
	return run_frame_append(out, 's', text, strlen(text), err);
}

/* How it ended, as a shell says it. */
static int read_end(struct rank *rank, const void *bytes, size_t len,
		    struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(bytes, len, err);
	struct ending ending;

	if (json == NULL || ending_read(&ending, json, err) != 0)
		return err->code;
	if (ending.code != 0)
		return bigm_error_set(err, ending.code, "%s", ending.failed);
	rank->status = ending.status;
	return 0;
}

/* The machine has taken input, and has room for as much again. */
static int read_grant(struct rank *rank, const void *bytes, size_t len,
		      struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(bytes, len, err);
	uint64_t n;

	if (json == NULL || bigm_json_get_uint64(json, NULL, &n, err) != 0)
		return err->code;
	return rank->input == NULL ? 0 : rank_input_grant(rank->input, n, err);
}

/* Writes one piece of output; 1 at the end. */
static int take_frame(struct rank *rank, char kind, const void *bytes,
		      size_t len, struct bigm_error *err)
{
	int errnum = 0;

	switch (kind) {
	case 'o':
		errnum = lines_write(&rank->out, bytes, len);
		break;
	case 'e':
		errnum = lines_write(&rank->err, bytes, len);
		break;
	case 'w':
		return read_grant(rank, bytes, len, err);
	case 'x':
		return read_end(rank, bytes, len, err) == 0 ? 1 : err->code;
	default:
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the machine sent a frame of kind %d, "
				      "which is none", kind);
	}
	rank->output_errnum = errnum;
	return errnum == 0 ? 0 : bigm_error_set(err, BIGM_ECANCELED, "stopped");
}

int rank_run(struct rank *rank, struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(RUN_MAX_PAYLOAD + 2 * RPC_PIECE);
	int code = 0;

	while (code == 0) {
		const uint8_t *payload;
		size_t len, frame_len;
		char kind;

		code = run_frame_next(&in, &kind, &payload, &len, &frame_len, err);
		if (code == 1) {
			code = take_frame(rank, kind, payload, len, err);
			buffer_consume(&in, frame_len);
			continue;
		}
		if (code < 0)
			break;
		ssize_t n = rpc_call_read_more(rank->call, &in, err);

		if (n <= 0)
			code = n < 0 ? (int)n
				: bigm_error_set(err, BIGM_EPROTOCOL,
						 "its output ended before it did");
	}
	buffer_release(&in);
	return code < 0 ? code : 0;
}

int rank_begin(struct rank *rank, struct bigm_error *err)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = true,
		.stream_reply = true,
	};
	struct buffer spec = BUFFER_INIT(RUN_MAX_PAYLOAD + RUN_HEADER);
	int code = append_spec(rank, &spec, err);

	if (code == 0) {
		rank->call = bigm_call_start(rank->machine, "Supervisor.Run",
					     NULL, &options);
		code = bigm_call_write(rank->call, buffer_data(&spec), spec.len,
				       err);
	}
	buffer_release(&spec);
	if (code != 0 || rank->input_fd < 0)
		return code;
	rank->input = rank_input_start(rank, err);
	return rank->input != NULL ? 0 : err->code;
}

void rank_end(struct rank *rank)
{
	if (rank->input != NULL) {
		bigm_call_cancel(rank->call);
		rank_input_signal(rank->input, 0);
	} else if (rank->call != NULL) {
		bigm_call_free(rank->call);
	}
	rank->call = NULL;
}

void rank_signal(struct rank *rank, int signal)
{
	struct buffer frame = BUFFER_INIT(64);
	char text[16];

	if (rank->input != NULL) {
		rank_input_signal(rank->input, signal);
		return;
	}
	snprintf(text, sizeof(text), "%d", signal);
	if (run_frame_append(&frame, 'k', text, strlen(text), NULL) == 0)
		bigm_call_write(rank->call, buffer_data(&frame), frame.len, NULL);
	buffer_release(&frame);
}

void rank_resize(struct rank *rank)
{
	if (rank->input != NULL)
		rank_input_resize(rank->input);
}

void rank_cancel(struct rank *rank)
{
	bigm_call_cancel(rank->call);
}

bool rank_release(struct rank *rank)
{
	if (rank->input != NULL && !rank_input_free(rank->input))
		return false;
	rank->input = NULL;
	return true;
}
