/*
 * failing: the services that the tests of failures call.  `bigm start failing` serves all
 * of them; nothing here is an example of anything.
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct bigm_request request;
typedef struct bigm_error error;

static int echo(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int print_text(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	const char *text;

	if (bigm_json_get_string(arg, NULL, &text, err) < 0)
		return err->code;
	puts(text);
	fflush(stdout);
	return 0;
}

/* A reply of just that text. */
static int raw(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	const char *text;

	if (bigm_json_get_string(arg, NULL, &text, err) < 0)
		return err->code;
	*reply = cJSON_CreateRaw(text);
	return 0;
}

/* ---- peers ---- */

/* {"address", "method", "arg"}: calls it there and passes the reply on. */
static int call_peer(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	const char *address, *method;
	struct bigm_machine *peer;

	if (bigm_json_get_string(arg, "address", &address, err) < 0 ||
	    bigm_json_get_string(arg, "method", &method, err) < 0)
		return err->code;
	peer = bigm_dial(bigm_request_bigm(req), address, err);
	if (!peer)
		return err->code;
	return bigm_call(peer, method, cJSON_GetObjectItem(arg, "arg"), reply, err);
}

static int stream_peer(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	struct bigm_call_options options = { .size = sizeof(options) };
	const char *address, *method;
	struct bigm_machine *peer;
	struct bigm_call *call;
	char piece[4096];
	double total = 0;
	ssize_t n;

	if (bigm_json_get_string(arg, "address", &address, err) < 0 ||
	    bigm_json_get_string(arg, "method", &method, err) < 0 ||
	    bigm_json_get_bool(arg, "in", &options.stream_arg, err) < 0 ||
	    bigm_json_get_bool(arg, "out", &options.stream_reply, err) < 0)
		return err->code;
	peer = bigm_dial(bigm_request_bigm(req), address, err);
	if (!peer)
		return err->code;
	call = bigm_call_start(peer, method, NULL, &options);
	if (options.stream_arg)
		bigm_call_end(call, NULL);
	while (options.stream_reply && (n = bigm_call_read(call, piece, sizeof(piece), NULL)) > 0)
		total += n;
	*reply = bigm_json("%.0f", total);
	int r = bigm_call_wait(call, err);
	bigm_call_free(call);
	return r;
}

static int address(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	*reply = cJSON_CreateString(bigm_address(bigm_request_bigm(req)));
	return 0;
}

/* "https://…/" of a peer: which then calls us, by the address that we give it. */
static int call_me(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	struct bigm *b = bigm_request_bigm(req);
	struct bigm_machine *peer;
	const char *there;
	cJSON *order;

	if (bigm_json_get_string(arg, NULL, &there, err) < 0)
		return err->code;
	peer = bigm_dial(b, there, err);
	if (!peer)
		return err->code;
	order = bigm_json("{\"address\": \"%s\", \"method\": \"Peer.Address\"}", bigm_address(b));
	int r = bigm_call(peer, "Peer.Call", order, reply, err);
	bigm_json_free(order);
	return r;
}

static const struct bigm_method peer_methods[] = {
	{ "Call", call_peer, 0 },
	{ "Stream", stream_peer, 0 },
	{ "Address", address, 0 },
	{ "CallMe", call_me, 0 },
	{ 0 },
};
static const struct bigm_service_type peer_type = { sizeof(peer_type), "Peer", peer_methods, NULL, NULL };

/* ---- ends ---- */

/* All of them write a line first, and part of one. */
static void say(void)
{
	for (int i = 0; i < 1000; i++)
		printf("line %d\n", i);
	printf("last words");
	fflush(stdout);
}

static int segv(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	static int *volatile nowhere = (int *)8;

	say();
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's */
	*nowhere = 1;
	return 0;
}

static int end(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	say();
	exit(0);
}

/* Never returns, whatever happens. */
static int hang(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	say();
	while (pause() < 0)
		;
	return 0;
}

/* ---- what there is no more of ---- */

/* Descriptors: takes all there are, to the last; Release gives them back. */
static int take_descriptors(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	const struct rlimit few = { 100, 100 };
	int fd = 0, n = 0;

	setrlimit(RLIMIT_NOFILE, &few);
	while ((fd = open("/dev/null", O_WRONLY | O_CLOEXEC)) >= 0)
		n++;
	*reply = bigm_json("%d", errno == EMFILE ? n : -1);
	return 0;
}

static int release_descriptors(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	char path[64], target[64];

	for (int fd = 3; fd < 100; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n > 0 && strncmp(target, "/dev/null", (size_t)n) == 0)
			close(fd);
	}
	return 0;
}

/* The address space ends here, but for some MB. */
static int take_memory(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	struct rlimit limit;
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		return bigm_error_set(err, BIGM_EIO, "statm: %m");
	fclose(f);
	limit.rlim_cur = limit.rlim_max = (pages << 12) + (8 << 20);
	setrlimit(RLIMIT_AS, &limit);
	return 0;
}

static int rss(request *req, const cJSON *arg, cJSON **reply, error *err)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		return bigm_error_set(err, BIGM_EIO, "statm: %m");
	fclose(f);
	*reply = bigm_json("%lu", pages << 12);
	return 0;
}

static const struct bigm_method fail_methods[] = {
	{ "Echo", echo, 0 },
	{ "Raw", raw, 0 },
	{ "Print", print_text, 0 },
	{ "Segv", segv, 0 },
	{ "Exit", end, 0 },
	{ "Hang", hang, 0 },
	{ "TakeDescriptors", take_descriptors, 0 },
	{ "ReleaseDescriptors", release_descriptors, 0 },
	{ "TakeMemory", take_memory, 0 },
	{ "Rss", rss, 0 },
	{ 0 },
};
static const struct bigm_service_type fail_type = { sizeof(fail_type), "Fail", fail_methods, NULL, NULL };

static const struct bigm_service_type *const types[] = { &peer_type, &fail_type, NULL };

/* As a driver: calls one method of m0 (argv[1], with argv[2]) and tells the error's code, and then m1's Echo. */
int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "Peer", NULL, NULL }, { "Fail", NULL, NULL }, { 0 } };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	struct bigm_machine **m = NULL;
	cJSON *arg, *reply = NULL;

	if (!b || argc < 2 || bigm_start(b, 2, services, NULL, &m, &err) < 0) {
		fprintf(stderr, "failing: %s\n", err.text);
		return 2;
	}
	arg = argc > 2 ? cJSON_Parse(argv[2]) : NULL;
	int r = bigm_call(m[0], argv[1], arg, &reply, &err);
	printf("%s %s\n", r < 0 ? bigm_code_name(r) : "OK", r < 0 ? err.text : "");
	bigm_json_free(reply);
	bigm_json_free(arg);
	r = bigm_call(m[1], "Fail.Echo", NULL, NULL, &err);
	printf("%s\n", r < 0 ? err.text : "m1 answers");
	bigm_free(b);
	free(m);
	return 0;
}
