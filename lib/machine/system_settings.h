/*
 * system_settings: what a user can set for one system, from a table.
 *
 * A setting NAME of the system ec2 stands in the section [ec2] of the
 * configuration files (type = m5.large), in the environment
 * (BIGM_EC2_TYPE=m5.large), among the options of the program
 * (-bigm.ec2-type=m5.large) or of bigm (--ec2-type m5.large); the later of
 * these wins.  What a setting that may stand several times has from one of
 * these, replaces what it had from those before; within one it is collected.
 * An empty value is as if nothing had been said so far.
 *
 * The values are fields of the system's own structure, at the offset that its
 * table says.  Not thread-safe.
 */
#ifndef MACHINE_SYSTEM_SETTINGS_H
#define MACHINE_SYSTEM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

enum system_setting_kind {
	SETTING_SWITCH,	  /* bool */
	SETTING_TEXT,	  /* char *; NULL: nobody has said anything */
	SETTING_LIST,	  /* char **, NULL-terminated: words between commas */
	SETTING_ITEMS,	  /* the same, one each time */
	SETTING_NUMBER,	  /* int64_t */
	SETTING_MONEY,	  /* double: USD */
	SETTING_DURATION, /* uint64_t: milliseconds */
};

struct system_setting {
	const char *name;
	enum system_setting_kind kind;
	size_t offset;
	double least, most; /* NUMBER, MONEY, DURATION */
	/* Text that stands for itself, or, between parentheses, words for what
	 * happens without. */
	const char *fallback;
	const char *value, *help; /* what to write for one; NULL: a switch */
};

/* All of one system; constant. */
struct system_settings {
	const char *system; /* "ec2" */
	const struct system_setting *rows;
	size_t n;
	/* Of the structure: char *[n]; who said it: "FILE:LINE",
	 * "BIGM_EC2_TYPE", "ec2-type"; NULL: nobody. */
	size_t origins;
	/* One value of the setting `name`; of a list, one item.  BIGM_EINVALID
	 * says what would be right, without the name and the value. */
	int (*check)(const char *name, const char *value,
		     struct bigm_error *err);
	/* After each change: some can be written in more than one way.  May be
	 * NULL. */
	void (*settle)(void *values);
};

/* The defaults, in a structure of zeroes. */
void system_settings_init(const struct system_settings *all, void *values);
/* Leaves defaults of nothing; also after an error. */
void system_settings_release(const struct system_settings *all, void *values);

/* From one source each; BIGM_EINVALID names it, and what would be right. */
int system_settings_read_files(const struct system_settings *all, void *values,
			       struct bigm_error *err);
/* env: "K=V", NULL-terminated. */
int system_settings_read_env(const struct system_settings *all, void *values,
			     char *const *env, struct bigm_error *err);
/* set: "ec2-NAME=VALUE", or "ec2-NAME" of a switch, NULL-terminated (NULL:
 * nothing); names of other systems are passed over. */
int system_settings_take(const struct system_settings *all, void *values,
			 const char *const *set, struct bigm_error *err);

/* One setting as it stands. */
struct system_setting_facts {
	const char *name;   /* "type" */
	const char *value;  /* what to write for one: "TYPE"; NULL: a switch */
	const char *help;
	const char *origin; /* NULL: nobody has set it */
	char *text;	    /* malloc'ed; what holds, in words where nothing is
			     * said and there is no default */
	bool plain;	    /* text is a value, not words */
};

/* The i-th of all, from 0 on; false behind the last. */
bool system_settings_get(const struct system_settings *all, const void *values,
			 size_t i, struct system_setting_facts *facts);

#endif
