#include "config.h"

#include "keeper/pprof.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/companion.h"
#include "keeper/core.h"
#include "loop/process.h"

#define PROGRAM "bigm-pprof"
#define ARGS_MAX 16

struct pprof_run {
	struct pprof_run *next;
	struct pprof_list *list;
	pid_t pid;
	struct process_watch *watch;
	void (*ended)(int wait_status, void *data);
	void *data;
};

struct pprof_dump {
	struct pprof_dump *next;
	struct keeper *keeper;
	const char *what;
	char *whose; /* an option */
	char *path;
};

static void unlink_run(struct pprof_run *run)
{
	struct pprof_run **at = &run->list->runs;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	process_watch_free(run->watch);
	free(run);
}

static void on_end(pid_t pid, int wait_status, void *data)
{
	struct pprof_run *run = data;

	if (run->ended)
		run->ended(wait_status, run->data);
	unlink_run(run);
}

static pid_t spawn(struct keeper *k, const char *const *args, int out_fd,
		   int err_fd, struct bigm_error *err)
{
	AUTO_FREE char *program = k->bigm_path ?
					  companion_find(k->bigm_path, PROGRAM,
							 err) :
					  NULL;
	AUTO_FREE char *cluster = xasprintf("--cluster=%s", k->record->name);
	char *argv[ARGS_MAX + 4] = { (char *)"pprof", cluster,
				     (char *)"--quiet" };
	struct process_fd fds[2];
	struct process_options options = {
		.program = program,
		.argv = argv,
		.fds = fds,
		.session = true,
		.death_signal = SIGKILL,
	};

	if (!k->bigm_path)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "this keeper has no %s", PROGRAM);
	if (!program)
		return err->code;
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[3 + i] = (char *)args[i];
	if (out_fd >= 0)
		fds[options.nfds++] = (struct process_fd){ out_fd, 1 };
	if (err_fd >= 0)
		fds[options.nfds++] = (struct process_fd){ err_fd, 2 };
	return process_spawn(&options, err);
}

pid_t pprof_start(struct keeper *k, const char *const *args, int out_fd,
		  int err_fd, void (*ended)(int wait_status, void *data),
		  void *data, struct bigm_error *err)
{
	pid_t pid = spawn(k, args, out_fd, err_fd, err);
	struct pprof_run *run;

	if (pid < 0)
		return pid;
	run = xcalloc(1, sizeof(*run));
	*run = (struct pprof_run){ k->pprof.runs, &k->pprof, pid, NULL,
				   ended, data };
	k->pprof.runs = run;
	run->watch = process_watch(k->loop, pid, on_end, run, err);
	if (run->watch)
		return pid;
	kill(pid, SIGKILL);
	unlink_run(run);
	return BIGM_EIO;
}

bool pprof_is_run(const struct pprof_list *list, pid_t pid)
{
	for (const struct pprof_run *run = list->runs; run; run = run->next)
		if (run->pid == pid)
			return true;
	return false;
}

static void dump_free(struct pprof_dump *dump)
{
	free(dump->whose);
	free(dump->path);
	free(dump);
}

void pprof_release(struct pprof_list *list)
{
	while (list->runs) {
		struct pprof_run *run = list->runs;

		if (run->ended)
			run->ended(-1, run->data);
		unlink_run(run);
	}
	while (list->dumps) {
		struct pprof_dump *dump = list->dumps;

		list->dumps = dump->next;
		dump_free(dump);
	}
}

/* ------------------------------------------------------------------ */
/* Dumps                                                               */

static void dump_next(struct keeper *k);

static void on_dumped(int wait_status, void *data)
{
	struct pprof_dump *dump = data;
	struct keeper *k = dump->keeper;

	if (wait_status == 0)
		log_info("a profile is in %s", dump->path);
	else if (wait_status > 0)
		log_warn("%s could not be written; bigm pprof says why",
			 dump->path);
	dump_free(dump);
	k->pprof.dumping = false;
	if (wait_status >= 0) /* else it is the keeper's end */
		dump_next(k);
}

static void dump_next(struct keeper *k)
{
	struct pprof_list *list = &k->pprof;

	while (!list->dumping && list->dumps) {
		struct pprof_dump *dump = list->dumps;
		const char *const args[] = { dump->what, dump->whose, "-o",
					     dump->path, NULL };
		struct bigm_error why = BIGM_ERROR_INIT;

		list->dumps = dump->next;
		list->dumping = pprof_start(k, args, -1, -1, on_dumped, dump,
					    &why) >= 0;
		if (list->dumping)
			return;
		log_warn("no profile in %s: %s", dump->path, why.text);
		dump_free(dump);
	}
}

static void add_dump(struct keeper *k, const char *machine, const char *stamp,
		     const char *what)
{
	struct pprof_dump *dump = xcalloc(1, sizeof(*dump)), **at;

	dump->keeper = k;
	dump->what = what;
	dump->whose = xasprintf("--machine=%s", machine);
	dump->path = xasprintf("%s/%s-%s.%s" PPROF_DUMP_SUFFIX, k->record->dir,
			       machine, stamp, what);
	for (at = &k->pprof.dumps; *at; at = &(*at)->next)
		;
	*at = dump;
}

void pprof_dump(struct keeper *k, const char *machine, const char *stamp)
{
	const char *whose = machine ? machine : "all";

	add_dump(k, whose, stamp, "heap");
	add_dump(k, whose, stamp, "threads");
	if (!machine)
		add_dump(k, whose, stamp, "mutex");
	dump_next(k);
}
