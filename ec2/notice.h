/*
 * notice: a line of bigm-notices.service (ec2/instance/notices.sh) about its
 * instance, made into what the keeper is told.
 *
 *	bigm-notice spot-interruption {"action": "terminate", "time": "…Z"}
 *	bigm-notice rebalance {"noticeTime": "…Z"}
 *
 * The objects are the metadata service's: "spot/instance-action", two minutes
 * before a spot instance is stopped or terminated, and
 * "events/recommendations/rebalance"; Amazon EC2 User Guide, "Spot Instance
 * interruption notices" and "EC2 instance rebalance recommendations".
 */
#ifndef EC2_NOTICE_H
#define EC2_NOTICE_H

#include "bigm.h"

/* Returns 0, or a code for a line that is none. */
int ec2_notice_read(const char *line, const char *instance,
		    struct bigm_notice *notice, struct bigm_error *err);

#endif
