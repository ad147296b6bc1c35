#include "config.h"

#include "ec2/notice.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "ec2/api.h"

/* Nanoseconds since 1970; 0: not said, or no time that can be meant. */
static uint64_t read_time(const char *text)
{
	int64_t seconds = text ? ec2_time(text) : 0;

	return seconds > 0 && seconds <= INT64_MAX / 1000000000
		       ? (uint64_t)seconds * 1000000000u : 0;
}

static int read_interruption(const cJSON *json, const char *instance,
			     struct bigm_notice *notice,
			     struct bigm_error *err)
{
	const char *action, *time = NULL;
	int r;

	if ((r = bigm_json_get_string(json, "action", &action, err)) < 0 ||
	    (r = json_opt_string(json, "time", &time, err)) < 0)
		return r;
	notice->kind = BIGM_NOTICE_INTERRUPTION;
	notice->at_ns = read_time(time);
	text_format(notice->text, sizeof(notice->text),
		    "AWS takes %s back (spot interruption: %s%s%s)", instance,
		    action, time ? " at " : "", time ? time : "");
	return 0;
}

static int read_rebalance(const cJSON *json, const char *instance,
			  struct bigm_notice *notice, struct bigm_error *err)
{
	const char *time = NULL;
	int r = json_opt_string(json, "noticeTime", &time, err);

	if (r < 0)
		return r;
	notice->kind = BIGM_NOTICE_REBALANCE;
	notice->at_ns = read_time(time);
	text_format(notice->text, sizeof(notice->text),
		    "AWS may take %s back soon (rebalance recommendation%s%s)",
		    instance, time ? " of " : "", time ? time : "");
	return 0;
}

static const struct {
	const char *prefix;
	int (*read)(const cJSON *json, const char *instance,
		    struct bigm_notice *notice, struct bigm_error *err);
} kinds[] = {
	{ "bigm-notice spot-interruption ", read_interruption },
	{ "bigm-notice rebalance ", read_rebalance },
};

int ec2_notice_read(const char *line, const char *instance,
		    struct bigm_notice *notice, struct bigm_error *err)
{
	*notice = (struct bigm_notice){ .size = sizeof(*notice) };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(line, kinds[i].prefix, len) != 0)
			continue;
		AUTO_JSON cJSON *json = json_parse(line + len,
						   strlen(line + len), err);
		if (!json)
			return BIGM_EPROTOCOL;
		return kinds[i].read(json, instance, notice, err);
	}
	return bigm_error_set(err, BIGM_EPROTOCOL, "\"%s\" is no notice",
			      line);
}
