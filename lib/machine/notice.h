/*
 * notice: what is announced of a machine's host (struct bigm_notice), on its
 * way from the system that learns of it to the driver.
 *
 *	system → member → Keeper.Watch and Status → machine → bigm_on_notice()
 *
 * A machine has at most one, which only grows graver: a recommendation that
 * comes behind an announcement says nothing new.
 */
#ifndef MACHINE_NOTICE_H
#define MACHINE_NOTICE_H

#include "base/json.h"

/* "rebalance", "scale-down", "spot-interruption"; NULL: none of ours. */
const char *notice_kind_name(enum bigm_notice_kind kind);

/* Makes *notice (kind 0: none yet) what `news` says, if that is news.  Returns
 * whether it is. */
bool notice_take(struct bigm_notice *notice, const struct bigm_notice *news);

/* {"kind": "spot-interruption", "at_ns": "…", "text": "…"}; and back: 0, or a
 * code for what is none.  A kind that is not known is no error, but no notice
 * either (kind 0): a later bigm may have more. */
cJSON *notice_facts(const struct bigm_notice *notice);
int notice_read(const cJSON *json, struct bigm_notice *notice,
		struct bigm_error *err);

#endif
