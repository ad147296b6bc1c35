#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/pprof.h"
#include "cmd/pprof_list.h"
#include "cmd/pprof_write.h"
#include "cmd/table.h"
#include "loop/loop.h"
#include "machine/machine.h"
#include "pprof/gather.h"
#include "pprof/sources.h"

#define MOST_MS 3600000
#define STEP_NS (200 * NS_PER_MS) /* between two lines of progress */

/* One use of the command. */
struct pprof {
	const struct invocation *in;
	const struct pprof_options *options;
	struct attachment a;
	struct bigm_machine **machines;
	size_t n;
	uint64_t began_ns, told_ns;
	bool tells;
};

/* Those that have STOPPED are no news; what is not up yet has no profile. */
static int choose(struct pprof *p, struct bigm_error *err)
{
	const char *which = p->options->machine;
	int n = attach_machines(&p->a, which, &p->machines, err);

	if (n < 0 || strcmp(which, "all") != 0) {
		p->n = n > 0 ? (size_t)n : 0;
		return n < 0 ? n : 0;
	}
	for (int i = 0; i < n; i++)
		if (bigm_machine_state(p->machines[i]) == BIGM_RUNNING)
			p->machines[p->n++] = p->machines[i];
	if (p->n == 0)
		return bigm_error_set(err, BIGM_ENOTFOUND, "none of the %d "
				      "machines is RUNNING", n);
	return 0;
}

static int list(struct pprof *p, struct bigm_error *err)
{
	AUTO_JSON cJSON *facts = gather_list(p->machines, p->n);
	AUTO_FREE char *text = NULL;
	bool total;

	total = pprof_list_total(facts);
	if (p->options->json) {
		text = json_print(facts);
		puts(text);
	} else {
		pprof_list_print(facts, table_width(), stdout);
	}
	return total ? 0 : bigm_error_set(err, BIGM_EFAILED, "no machine has "
					  "any profile");
}

/* ------------------------------------------------------------------ */

static int tell(void *data, size_t done)
{
	struct pprof *p = data;
	uint64_t now = loop_now_ns();
	double past = (double)(now - p->began_ns) / 1e9;
	double all = (double)p->options->sample_ms / 1e3;
	char line[160];

	if (!p->tells || now - p->told_ns < STEP_NS)
		return 0;
	p->told_ns = now;
	snprintf(line, sizeof(line), "\r\033[Kbigm pprof: %zu machine%s, "
		 "%.0f of %.0f s, %zu done", p->n, p->n == 1 ? "" : "s",
		 past < all ? past : all, all, done);
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		p->tells = false;
	return 0;
}

static void wipe(struct pprof *p)
{
	static const char bytes[] = "\r\033[K";

	if (p->tells && write(STDERR_FILENO, bytes, sizeof(bytes) - 1) < 0)
		p->tells = false;
}

static struct profile *take(struct pprof *p, const char *name,
			    struct bigm_error *err)
{
	bool cpu = strcmp(name, GATHER_CPU) == 0;
	const struct gather_order order = {
		.what = name,
		.sample_ms = cpu ? p->options->sample_ms : 0,
		.machines = p->machines,
		.n = p->n,
		.progress = tell,
		.data = p,
	};
	AUTO_FREE struct gather_outcome *outcomes = xcalloc(p->n,
							    sizeof(*outcomes));
	struct profile *profile;

	p->began_ns = p->told_ns = loop_now_ns();
	p->tells = cpu && !p->options->quiet && isatty(STDERR_FILENO);
	profile = gather(&order, outcomes, err);
	wipe(p);
	for (size_t i = 0; profile && i < p->n; i++)
		if (outcomes[i].error.code)
			command_fail(p->in, 0, "a machine is missing: %s",
				     outcomes[i].error.text);
	return profile;
}

static int symbolise(struct pprof *p, struct profile *profile,
		     struct bigm_error *err)
{
	AUTO_SYMBOLS struct symbols *s = symbols_new();
	const struct option_list *paths = &p->options->symbols;
	int rc;

	for (size_t i = 0; i < paths->n; i++) {
		rc = symbols_add(s, paths->items[i], err);
		if (rc < 0)
			return error_prefix(err, "--symbols");
	}
	sources_apply(p->a.cluster, s, profile);
	for (uint32_t i = 0; p->options->resolved && i < profile->n_mappings;
	     i++)
		profile->mappings[i].has_functions = true;
	return 0;
}

static int take_and_write(struct pprof *p, const char *name,
			  struct bigm_error *err)
{
	struct profile *profile = take(p, name, err);
	int rc;

	if (!profile)
		return err->code;
	rc = symbolise(p, profile, err);
	if (rc == 0)
		rc = pprof_write(p->options, profile, name, err);
	profile_free(profile);
	return rc;
}

static int check(const struct pprof *p, const char *name,
		 struct bigm_error *err)
{
	const struct pprof_options *o = p->options;

	if (o->json && name)
		return bigm_error_set(err, BIGM_EINVALID, "--json is for the "
				      "list of profiles, without a name");
	if (o->sample_ms == 0 || o->sample_ms > MOST_MS)
		return bigm_error_set(err, BIGM_EINVALID, "--seconds has to be "
				      "more than 0, and at most an hour");
	return pprof_check(o, err);
}

int pprof_run(const struct invocation *in)
{
	struct pprof p = { .in = in, .options = in->options };
	const char *name = in->words.nwords > 0 ? in->words.words[0] : NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc = check(&p, name, &err);

	if (rc < 0)
		return command_fail(in, STATUS_USAGE, "%s", err.text);
	rc = attach(&p.a, p.options->cluster, &err);
	if (rc == 0)
		rc = choose(&p, &err);
	if (rc == 0)
		rc = name ? take_and_write(&p, name, &err) : list(&p, &err);
	free(p.machines);
	attachment_release(&p.a);
	return command_finish_output(
		in, rc < 0 ? command_fail(in, STATUS_FAILED, "%s", err.text) :
			     0);
}
