/*
 * plan: what `bigm start --dry-run` shows instead of starting anything.
 */
#ifndef CMD_PLAN_H
#define CMD_PLAN_H

#include "cmd/run.h"

/* Prints it, as text or as JSON; returns the exit status, which is 1 also where
 * a permission is missing. */
int plan_show(const struct run_order *order, const char *bundle, bool json);

#endif
