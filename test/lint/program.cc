// A user's program in C++17: three machines, each asked once.  Nothing of libstdc++'s, so that any compiler will do.
#include <bigm.h>
#include <bigm_test.h>
#include <cstdio>
#include <cstdlib>

namespace {

struct tally {
	int64_t calls;
};

int add(bigm_request *req, const cJSON *arg, cJSON **reply, bigm_error *err)
{
	auto *t = static_cast<tally *>(bigm_request_state(req));
	int64_t n;

	if (bigm_json_get_int64(arg, "n", &n, err) < 0)
		return err->code;
	t->calls++;
	*reply = bigm_json("{\"sum\": %lld}", static_cast<long long>(n + t->calls));
	return 0;
}

int init(bigm *, const cJSON *, void **state, bigm_error *)
{
	*state = calloc(1, sizeof(tally));
	return 0;
}

const bigm_method methods[] = { { "Add", add, 0 }, {} };
const bigm_service_type type = { sizeof(type), "Tally", methods, init, free };
const bigm_service_type *const types[] = { &type, nullptr };

} // namespace

int main(int argc, char **argv)
{
	bigm_error err = BIGM_ERROR_INIT;
	bigm *b = bigm_init(&argc, &argv, types, &err);
	const bigm_service services[] = { { "Tally", nullptr, nullptr }, {} };
	bigm_machine **m = nullptr;
	bigm_call_options options{};
	int64_t sum, total = 0;

	options.size = sizeof(options);
	options.timeout_ms = 60000;
	int n = b ? bigm_start(b, 3, services, nullptr, &m, &err) : -1;
	for (int i = 0; i < n && err.code == BIGM_OK; i++) {
		cJSON *arg = bigm_json("{\"n\": %d}", i);
		auto *call = bigm_call_start(m[i], "Tally.Add", arg, &options);

		bigm_call_wait(call, &err);
		cJSON *reply = bigm_call_take_reply(call);
		if (bigm_json_get_int64(reply, "sum", &sum, &err) == 0)
			total += sum;
		bigm_json_free(reply);
		bigm_json_free(arg);
		bigm_call_free(call);
	}
	bigm_free(b);
	free(m);
	if (err.code != BIGM_OK) {
		std::fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	std::printf("%lld\n", static_cast<long long>(total));
	return 0;
}
