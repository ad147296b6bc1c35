/*
 * pprof_list: what profiles there are, of each machine and of all.
 */
#ifndef CMD_PPROF_LIST_H
#define CMD_PPROF_LIST_H

#include <stdbool.h>
#include <stdio.h>

#include "base/json.h"

/* Adds to gather_list()'s list an object for all machines, "all".  False when
 * no machine has given any. */
bool pprof_list_total(cJSON *list);

/* A row for each machine, a column for each profile. */
void pprof_list_print(const cJSON *list, size_t width, FILE *out);

#endif
