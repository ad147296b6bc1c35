/*
 * userdata_units: the systemd units of ec2/userdata.h, as text.
 *
 * All are malloc'ed.
 */
#ifndef EC2_USERDATA_UNITS_H
#define EC2_USERDATA_UNITS_H

#include "ec2/userdata.h"

#define EC2_PREPARE_PATH "/opt/bigm/prepare"
#define EC2_FETCH_PATH "/opt/bigm/fetch"
#define EC2_NOTICES_PATH "/opt/bigm/notices"
#define EC2_INSTANCE_PATH "/etc/bigm/instance" /* variables of these */

#define EC2_DEADMAN "bigm-deadman"
#define EC2_POWEROFF "bigm-poweroff"

/* A timer of a service of the same name, `seconds` after `since`: OnActiveSec,
 * when it was started, or OnBootSec.  Each daemon-reload begins the former
 * anew. */
char *ec2_timer_unit(const char *name, const char *description,
		     const char *since, double seconds);
/* Powers off.  condition: a whole line of [Unit], or "". */
char *ec2_poweroff_unit(const char *description, const char *condition);
char *ec2_prepare_unit(const struct ec2_userdata *u);
char *ec2_notices_unit(void);
char *ec2_worker_unit(const struct ec2_userdata *u);

#endif
