/*
 * Settings of the systems ec2 and ssh, as options and as environment: what is
 * refused says why, and what is taken can be shown.  Also what stands in some of
 * them: addresses that may come in, files, units and tags.
 *
 * The first byte chooses; texts have a NUL behind each.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/allow.h"
#include "ec2/settings.h"
#include "ec2/specs.h"
#include "ssh/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 64

static void must_say(int rc, const struct bigm_error *err)
{
	if (rc < 0 && (err->code == 0 || err->text[0] == '\0'))
		abort();
}

static void show(const struct system_settings *all, const void *values)
{
	struct system_setting_facts facts;

	for (size_t i = 0; system_settings_get(all, values, i, &facts); i++) {
		if (!facts.name || !facts.text)
			abort();
		free(facts.text);
	}
}

static void read_ec2(char **texts, bool env)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ec2_settings s = { 0 };
	int rc;

	ec2_settings_init(&s);
	rc = env ? system_settings_read_env(&ec2_settings_all, &s, texts, &err)
		 : ec2_settings_take(&s, (const char *const *)texts, &err);
	must_say(rc, &err);
	if (rc == 0)
		must_say(ec2_settings_check(&s, &err), &err);
	if (s.flavor < 0 || !ec2_settings_login(&s) || !s.types)
		abort();
	free(ec2_settings_groups(&s));
	show(&ec2_settings_all, &s);
	ec2_settings_release(&s);
}

static void read_ssh(char **texts, bool env)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ssh_settings s = { 0 };
	int rc;

	system_settings_init(&ssh_settings_all, &s);
	rc = env ? system_settings_read_env(&ssh_settings_all, &s, texts, &err)
		 : system_settings_take(&ssh_settings_all, &s,
					(const char *const *)texts, &err);
	must_say(rc, &err);
	show(&ssh_settings_all, &s);
	ssh_settings_release(&s);
}

/* What stands in a setting. */
static void read_one(const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct allow allow, again;
	struct ec2_file_spec file = { 0 };
	struct ec2_unit_spec unit = { 0 };
	struct ec2_tag_spec tag = { 0 };
	int rc = allow_parse(text, &allow, &err);

	must_say(rc, &err);
	if (rc == 0 && (allow_parse(allow.cidr, &again, &err) < 0 ||
			strcmp(allow.cidr, again.cidr) != 0))
		abort();
	err = (struct bigm_error)BIGM_ERROR_INIT;
	rc = ec2_file_spec_parse(&file, text, &err);
	must_say(rc, &err);
	if (rc == 0 && (file.path[0] != '/' || file.mode > 07777))
		abort();
	err = (struct bigm_error)BIGM_ERROR_INIT;
	must_say(ec2_unit_spec_parse(&unit, text, &err), &err);
	err = (struct bigm_error)BIGM_ERROR_INIT;
	must_say(ec2_tag_spec_parse(&tag, text, &err), &err);
	ec2_file_spec_release(&file);
	ec2_unit_spec_release(&unit);
	ec2_tag_spec_release(&tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *texts[MOST + 1];
	int n = 0;

	if (size == 0)
		return 0;
	AUTO_FREE char *copy = xmalloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	for (char *at = copy; n < MOST && at < copy + size - 1;
	     at += strlen(at) + 1)
		texts[n++] = at;
	texts[n] = NULL;
	switch (data[0] % 5) {
	case 0:
	case 1:
		read_ec2(texts, data[0] % 5);
		break;
	case 2:
	case 3:
		read_ssh(texts, data[0] % 5 == 3);
		break;
	default:
		read_one(copy);
	}
	return 0;
}
