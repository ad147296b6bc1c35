/*
 * cargo: a bundle as what the keeper ships.
 */
#ifndef BUNDLE_CARGO_H
#define BUNDLE_CARGO_H

#include "keeper/cargo.h"

cargo_find_fn bundle_find_cargo;

/* Whether that would find something for machines of other hosts, which are of
 * that architecture; makes nothing. */
int bundle_check_cargo(const char *program, const char *bundle,
		       const char *arch, struct bigm_error *err);

#endif
