#include "config.h"

#include "ec2/api_tags.h"

int ec2_create_tags(struct ec2_client *c, const char *const *ids, size_t n,
		    const struct ec2_tag *tags, size_t ntags,
		    struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	if (n < 1 || n > EC2_TAG_RESOURCES)
		return ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
				       "CreateTags: 1 to %d resources, not %zu",
				       EC2_TAG_RESOURCES, n);
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
