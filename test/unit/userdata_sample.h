/* What instances of the tests are told. */
#ifndef TEST_UNIT_USERDATA_SAMPLE_H
#define TEST_UNIT_USERDATA_SAMPLE_H

#include "ec2/userdata.h"

/* With settings as of ec2_settings_take(), NULL-terminated, which the caller
 * releases. */
void userdata_sample(struct ec2_userdata *u, struct ec2_settings *s,
		     const char *const *set);
/* Its document. */
struct cloudconfig *userdata_sample_document(const char *const *set);

#endif
