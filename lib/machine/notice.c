#include "config.h"

#include "machine/notice.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char *const names[] = {
	[BIGM_NOTICE_REBALANCE] = "rebalance",
	[BIGM_NOTICE_SCALE_DOWN] = "scale-down",
	[BIGM_NOTICE_INTERRUPTION] = "spot-interruption",
};
#define NNAMES (sizeof(names) / sizeof(*names))

const char *notice_kind_name(enum bigm_notice_kind kind)
{
	return (unsigned)kind < NNAMES ? names[kind] : NULL;
}

bool notice_take(struct bigm_notice *notice, const struct bigm_notice *news)
{
	if (news->kind < notice->kind || !notice_kind_name(news->kind) ||
	    (news->kind == notice->kind && news->at_ns == notice->at_ns))
		return false;
	*notice = *news;
	notice->size = sizeof(*notice);
	return true;
}

cJSON *notice_facts(const struct bigm_notice *notice)
{
	cJSON *facts = cJSON_CreateObject();

	cJSON_AddStringToObject(facts, "kind", notice_kind_name(notice->kind));
	json_add_uint64(facts, "at_ns", notice->at_ns);
	cJSON_AddStringToObject(facts, "text", notice->text);
	return facts;
}

int notice_read(const cJSON *json, struct bigm_notice *notice,
		struct bigm_error *err)
{
	const char *kind, *text;
	unsigned i = NNAMES - 1;

	*notice = (struct bigm_notice){ .size = sizeof(*notice) };
	if (bigm_json_get_string(json, "kind", &kind, err) < 0 ||
	    bigm_json_get_uint64(json, "at_ns", &notice->at_ns, err) < 0 ||
	    bigm_json_get_string(json, "text", &text, err) < 0)
		return error_prefix(err, "notice");
	while (i > 0 && strcmp(names[i], kind) != 0)
		i--;
	notice->kind = (enum bigm_notice_kind)i;
	text_format(notice->text, sizeof(notice->text), "%s", text);
	return 0;
}
