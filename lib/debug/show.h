/*
 * show: what is known of machines, as the pages that bigm-debug(7) describes.
 *
 * Everything but names and facts may come from a hostile machine: what is not
 * what it should be is left out.
 */
#ifndef DEBUG_SHOW_H
#define DEBUG_SHOW_H

#include "base/json.h"

/* One machine, or the driver. */
struct shown {
	const char *name;
	const cJSON *facts; /* as Keeper.Status has it; NULL: none */
	const cJSON *vars;  /* as Supervisor.Expvars; NULL: none, */
	const char *note;   /* and why */
};

/* /debug/vars: {NAME: what Expvars says, with "vars" as plain values, or
 * {"error": NOTE}…}. */
int show_vars(struct buffer *out, const struct shown *all, size_t n,
	      struct bigm_error *err);

/* /metrics: the text format of Prometheus, version 0.0.4. */
#define SHOW_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
int show_metrics(struct buffer *out, const struct shown *all, size_t n,
		 struct bigm_error *err);

/* /debug/bigmachine/status: for people. */
int show_status(struct buffer *out, const struct shown *all, size_t n,
		struct bigm_error *err);

/* Whether all of it has fitted. */
int show_end(const struct buffer *out, struct bigm_error *err);

/* The first member of an object, from which ->next leads to the others; NULL
 * for anything else: the things of a list have no names. */
const cJSON *show_members(const cJSON *json);

/* A number, or a decimal string; false for anything else. */
bool show_number(const cJSON *json, double *value);

/* For people: "3.4 ms". */
const char *show_time(double s, char buf[24]);

#endif
