#include "machine/keepalive.h"

#include "base/duration.h"

void keepalive_fill(struct keepalive *k, const struct keepalive *from)
{
	const struct {
		uint64_t *to;
		uint64_t value;
	} all[] = {
		{ &k->period_ms, from->period_ms },
		{ &k->timeout_ms, from->timeout_ms },
		{ &k->call_ms, from->call_ms },
		{ &k->lease_ms, from->lease_ms },
		{ &k->first_ms, from->first_ms },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (*all[i].to == 0)
			*all[i].to = all[i].value;
}

static int check_lease(const char *name, uint64_t ms, struct bigm_error *err)
{
	char text[DURATION_TEXT];

	if (ms >= KEEPALIVE_LEAST_MS && ms <= KEEPALIVE_MOST_MS)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "a %s of %s: it has to be from 100ms to 1d", name,
			      duration_text(ms, text));
}

int keepalive_check(const struct keepalive *k, struct bigm_error *err)
{
	char a[DURATION_TEXT], b[DURATION_TEXT];

	if (check_lease("lease", k->lease_ms, err) < 0 ||
	    check_lease("lease-first", k->first_ms, err) < 0)
		return BIGM_EINVALID;
	if (k->lease_ms <= k->period_ms / 2)
		return bigm_error_set(err, BIGM_EINVALID,
				      "a lease of %s ends before it is renewed, "
				      "after half of the keepalive-period of %s",
				      duration_text(k->lease_ms, a),
				      duration_text(k->period_ms, b));
	if (k->call_ms > k->timeout_ms)
		return bigm_error_set(err, BIGM_EINVALID,
				      "a keepalive-call of %s is longer than the "
				      "keepalive-timeout of %s",
				      duration_text(k->call_ms, a),
				      duration_text(k->timeout_ms, b));
	return 0;
}
