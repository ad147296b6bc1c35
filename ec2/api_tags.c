#include "config.h"

#include "ec2/api_tags.h"

static int check_count(const char *action, size_t n, struct ec2_failure *f)
{
	if (n >= 1 && n <= EC2_TAG_RESOURCES)
		return 0;
	return ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
			       "%s: 1 to %d resources, not %zu", action,
			       EC2_TAG_RESOURCES, n);
}

int ec2_create_tags(struct ec2_client *c, const char *const *ids, size_t n,
		    const struct ec2_tag *tags, size_t ntags,
		    struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	if (check_count("CreateTags", n, f) < 0)
		return f->error.code;
	params_init(&p, "CreateTags");
	params_strings(&p, "ResourceId", ids, n);
	for (size_t i = 0; i < ntags; i++) {
		params_item(&p, "Tag");
		params_string(&p, "Key", tags[i].key);
		params_string(&p, "Value", tags[i].value);
		params_end(&p);
	}
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return ret;
}

int ec2_delete_tags(struct ec2_client *c, const char *const *ids, size_t n,
		    const char *const *keys, size_t nkeys,
		    struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	if (check_count("DeleteTags", n, f) < 0)
		return f->error.code;
	params_init(&p, "DeleteTags");
	params_strings(&p, "ResourceId", ids, n);
	for (size_t i = 0; i < nkeys; i++) {
		params_item(&p, "Tag");
		params_string(&p, "Key", keys[i]);
		params_end(&p);
	}
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return ret == 0 || f->kind == EC2_NOT_FOUND ? 0 : ret;
}
