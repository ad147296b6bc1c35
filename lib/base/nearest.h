/*
 * nearest: what somebody may have meant who mistyped a name.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/strings.h"

/* The name of the list that is nearest to `name`; NULL when
 * none is near enough to be a likely slip. */
const char *nearest(const char *name, strings_list list);

#endif
