/*
 * settings: what a user can set for every bigm program without its knowing.
 *
 * The same names stand in the configuration files (n = 8), in the environment
 * (BIGM_N=8) and on the program's command line (-bigm.n=8); the later of these
 * wins.  Variables that are no settings, such as BIGM_RANK of a job, are known
 * as such; any other BIGM_ variable, like any other name elsewhere, is an
 * error that tells the nearest one that there is.
 *
 * Settings of a system (type in the section [ec2], BIGM_EC2_TYPE,
 * -bigm.ec2-type) are not for programs, which do not know them: options are
 * collected for the keeper, and files and variables are left for it to read.
 */
#ifndef MACHINE_SETTINGS_H
#define MACHINE_SETTINGS_H

#include "machine/keepalive.h"

#define SETTINGS_MAX 32

struct settings {
	int64_t n;     /* machines; 0: the program's default */
	int64_t procs; /* processors a machine; 0: the system's default */
	char *system;  /* NULL: the keeper's default */
	char *cluster; /* name of a new cluster; NULL: made up */
	char *log_dir; /* where logs shall stay; NULL: nowhere */
	char *http;    /* where debug pages are, "127.0.0.1:3333"; NULL: there, or at
			* the next port that is free */
	char *http_prefix; /* the path that they are below; NULL: none */
	bool no_http;  /* there are none */
	bool http_any_user; /* every user of this host may read them */
	char *events;  /* file that is told what happens; NULL: none */
	char *bundle;  /* what machines run instead of the program; NULL: it */
	struct keepalive keepalive; /* 0: the system's default */
	char *control; /* socket of the keeper to use; NULL: spawn one */
	char *use;     /* the token by which that one lends us machines; NULL: it
			* makes them */
	char *fixed;   /* "n,procs": settled by bigm's own options, which the
			* program's do not change */
	char *given;   /* "K,L": variables that bigm's -e has set */
	bool ship;     /* machines begin as the bare worker */
	/* For bigm start: */
	bool replace;  /* machines that die are replaced */
	uint64_t idle_timeout_ms; /* a cluster that nobody uses for so long ends;
				   * 0: it does not */
	char **set;    /* of systems, as they were said: "ec2-type=m5.large", or
			* "ec2-on-demand"; NULL-terminated; NULL: none */
	size_t nset;
	bool quiet;    /* the machines' output is not printed */
	bool debug;    /* debug lines in the log */
	/* Who set it: "FILE:LINE", "BIGM_N", "-bigm.n"; NULL: nobody.  In the
	 * order of settings_get(). */
	char *origins[SETTINGS_MAX];
};

void settings_release(struct settings *s);

/* Sets one by its name, from text; `origin` ("-bigm.n") stands in errors. */
int settings_set(struct settings *s, const char *name, const char *value,
		 const char *origin, struct bigm_error *err);

/* What people write for a switch: 1, yes, off, …; false for anything else. */
bool settings_parse_switch(const char *value, bool *on);

/* One setting as it stands. */
struct setting_facts {
	const char *name;
	const char *origin;   /* NULL: nobody has set it */
	const char *fallback; /* what holds then, in words */
	const char *text;     /* the value, of one kind: */
	const int64_t *number;
	const uint64_t *ms;
	const bool *on;
};

/* The i-th of all settings, from 0 on; false behind the last.  What facts
 * point to is the settings'. */
bool settings_get(const struct settings *s, size_t i,
		  struct setting_facts *facts);

/* From /etc/bigm.conf and $XDG_CONFIG_HOME/bigm/config (~/.config/…), each if
 * there is one. */
int settings_read_files(struct settings *s, struct bigm_error *err);

/* From a list of "K=V". */
int settings_read_env(struct settings *s, char *const *env,
		      struct bigm_error *err);

/* Takes every -bigm.NAME=VALUE and --bigm.NAME=VALUE before a "--" out of
 * argv; a bare -bigm.NAME sets a switch. */
int settings_take_options(struct settings *s, int *argc, char **argv,
			  struct bigm_error *err);

/*
 * The environment for a machine, malloc'ed, to be freed by strings_free():
 * `env` and then `more` (may be NULL), the later of one name winning, with
 * BIGM_* as set here, and without what is for the driver alone.
 */
char **settings_env(const struct settings *s, char *const *env,
		    const char *const *more);

/* What of that somebody wants a machine to have, wherever it is: the rest is how
 * this host is. */
char **settings_wanted_env(const struct settings *s, char *const *env,
			   const char *const *more);

#endif
