/*
 * cargo: a bundle as what the keeper ships.
 */
#ifndef BUNDLE_CARGO_H
#define BUNDLE_CARGO_H

#include "keeper/cargo.h"

cargo_find_fn bundle_find_cargo;

#endif
