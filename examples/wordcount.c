/*
 * wordcount <TEXT: how often each word occurs, counted on many machines.
 *
 * Each word belongs to one machine, told by its hash.  The driver deals the lines of its
 * input to the machines (Words.Map).  A machine counts the words of its lines, then sends
 * the counts to the machines that own the words (Words.Add), straight from one to the
 * other.  So each ends up with the totals of its own words, which the driver gathers
 * (Words.Totals).  counts.h keeps the counts.
 */
#include <bigm.h>
#include "counts.h"

#define MOST 256 /* machines */

/* Sends each peer its share of the counts. */
static int shuffle(struct bigm *b, char *addresses, struct counts *counts, struct bigm_error *err)
{
	struct bigm_machine *peer[MOST];
	cJSON *share[MOST];
	int n = 0, r = 0;

	for (char *address; n < MOST && (address = strtok_r(NULL, " \n", &addresses)); n++)
		if (!(peer[n] = bigm_dial(b, address, err)))
			return err->code;
	counts_share(counts, share, n);
	for (int i = 0; i < n; i++) {
		r = r < 0 ? r : bigm_call(peer[i], "Words.Add", share[i], NULL, err);
		cJSON_Delete(share[i]);
	}
	return r;
}

/* For stdio. */
static ssize_t read_request(void *req, char *buf, size_t len)
{
	return bigm_request_read(req, buf, len, NULL);
}

/* Map: a line with the addresses of all machines, this one among them, then text. */
static int map(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
{
	FILE *in = fopencookie(req, "r", (cookie_io_functions_t){ .read = read_request });
	struct counts *counts = counts_new();
	char *addresses = NULL, *word;
	size_t size = 0;
	int r = BIGM_EINVALID;

	if (getline(&addresses, &size, in) > 0) {
		for (; fscanf(in, "%ms", &word) == 1; free(word))
			counts_add(counts, word, 1);
		if (!ferror(in)) /* else the driver has gone */
			r = shuffle(bigm_request_bigm(req), addresses, counts, err);
	}
	counts_free(counts);
	free(addresses);
	fclose(in);
	return r;
}

/* Add: counts, from a peer. */
static int add(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
{
	counts_add_json(bigm_request_state(req), arg);
	return 0;
}

static int totals(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
{
	counts_share(bigm_request_state(req), reply, 1);
	return 0;
}

/* The state of a machine's service: the totals of the words that it owns. */
static int init(struct bigm *b, const cJSON *params, void **state, struct bigm_error *err)
{
	*state = counts_new();
	return 0;
}

static const struct bigm_method methods[] = { { "Map", map, BIGM_STREAM_ARG },
	{ "Add", add, 0 }, { "Totals", totals, 0 }, { 0 } };
static const struct bigm_service_type words = { sizeof(words), "Words", methods, init, counts_free };
static const struct bigm_service_type *const types[] = { &words, NULL };

/* Starts Map on all machines, and deals them the lines of the input in turn. */
static int map_all(struct bigm_machine **m, int n, struct bigm_error *err)
{
	struct bigm_call_options options = { .size = sizeof(options), .stream_arg = true };
	struct bigm_call *call[MOST];
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) /* until all addresses are known */
		r = bigm_machine_wait(m[i], BIGM_RUNNING, -1, err);
	for (int i = 0; i < n; i++) {
		call[i] = bigm_call_start(m[i], "Words.Map", NULL, &options);
		for (int k = 0; k < n; k++) {
			const char *address = bigm_machine_address(m[k]);
			bigm_call_write(call[i], address, strlen(address), NULL);
			bigm_call_write(call[i], k < n - 1 ? " " : "\n", 1, NULL);
		}
	}
	for (int i = 0; r == 0 && getline(&line, &size, stdin) > 0; i = (i + 1) % n)
		r = bigm_call_write(call[i], line, strlen(line), err);
	free(line);
	for (int i = 0; i < n; i++)
		bigm_call_end(call[i], NULL);
	for (int i = 0; i < n; i++) {
		r = r < 0 ? r : bigm_call_wait(call[i], err);
		bigm_call_free(call[i]);
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "Words", NULL, NULL }, { 0 } };
	struct bigm_start_options options = { .size = sizeof(options), .default_n = 4 };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err); /* a machine stays in here */
	struct counts *counts = counts_new();
	struct bigm_machine **m = NULL;
	int n = b ? bigm_start(b, 0, services, &options, &m, &err) : -1, r = -1;

	if (n > MOST)
		bigm_error_set(&err, BIGM_EINVALID, "%d machines: at most %d", n, MOST);
	else if (n > 0)
		r = map_all(m, n, &err);
	for (int i = 0; i < n && r == 0; i++) {
		cJSON *reply = NULL;
		r = bigm_call(m[i], "Words.Totals", NULL, &reply, &err);
		counts_add_json(counts, reply);
		bigm_json_free(reply);
	}
	bigm_free(b); /* ends the machines */
	free(m);
	if (r < 0)
		return fprintf(stderr, "wordcount: %s\n", err.text), 1;
	counts_print(counts, stdout);
	counts_free(counts);
	return fflush(stdout) == 0 ? 0 : (perror("wordcount: stdout"), 1);
}
