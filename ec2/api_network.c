#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/api_network.h"

#define PAGE 1000 /* EC2's most for all of these */

/* The describing calls of this file are the same but for these. */
static int describe(struct ec2_client *c, const char *action,
		    const struct ec2_filter *filters, size_t n,
		    struct ec2_pages *pages, struct ec2_failure *f)
{
	struct params p;
	int ret;

	params_init(&p, action);
	params_filters(&p, filters, n);
	params_int(&p, "MaxResults", PAGE);
	ret = ec2_call_pages(c, &p, pages, f);
	params_release(&p);
	return ret;
}

/* The first element of the list in a page. */
static const struct xml_node *first(const struct ec2_pages *pages, size_t page,
				    const char *list)
{
	return xml_first(xml_find(xml_root(pages->pages[page]), list));
}

int ec2_describe_subnets(struct ec2_client *c,
			 const struct ec2_filter *filters, size_t n,
			 struct ec2_subnets *list, struct ec2_failure *f)
{
	const struct xml_node *s;

	*list = (struct ec2_subnets)EC2_SUBNETS_INIT;
	if (describe(c, "DescribeSubnets", filters, n, &list->answer, f) < 0)
		return f->error.code;
	for (size_t i = 0; i < list->answer.count; i++)
		for (s = first(&list->answer, i, "subnetSet"); s;
		     s = xml_next(s)) {
			list->items = ec2_grow(list->items, list->count,
					       sizeof(*list->items));
			list->items[list->count++] = (struct ec2_subnet){
				.id = xml_get(s, "subnetId"),
				.vpc = xml_get(s, "vpcId"),
				.zone = xml_get(s, "availabilityZone"),
				.zone_default = xml_get_bool(s, "defaultForAz"),
				.public_ip = xml_get_bool(
					s, "mapPublicIpOnLaunch"),
				.free_addresses = (int)xml_get_int(
					s, "availableIpAddressCount", 0),
			};
		}
	return 0;
}

void ec2_subnets_release(struct ec2_subnets *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_subnets)EC2_SUBNETS_INIT;
}

int ec2_default_vpc(struct ec2_client *c, char **id, struct ec2_failure *f)
{
	static const char *const yes = "true";
	const struct ec2_filter filter = { "is-default", &yes, 1 };
	struct ec2_pages pages;
	const char *vpc = "";

	*id = NULL;
	if (describe(c, "DescribeVpcs", &filter, 1, &pages, f) < 0)
		return f->error.code;
	if (pages.count > 0)
		vpc = xml_get(first(&pages, 0, "vpcSet"), "vpcId");
	if (*vpc)
		*id = xstrdup(vpc);
	else
		ec2_failure_set(f, EC2_NOT_FOUND, BIGM_ENOTFOUND,
				"%s: the account has no default VPC; "
				"`aws ec2 create-default-vpc` makes one, or "
				"name a subnet",
				ec2_client_region(c));
	ec2_pages_release(&pages);
	return *id ? 0 : f->error.code;
}

int ec2_describe_groups(struct ec2_client *c,
			const struct ec2_filter *filters, size_t n,
			struct ec2_groups *list, struct ec2_failure *f)
{
	const struct xml_node *g;

	*list = (struct ec2_groups)EC2_GROUPS_INIT;
	if (describe(c, "DescribeSecurityGroups", filters, n, &list->answer,
		     f) < 0)
		return f->error.code;
	for (size_t i = 0; i < list->answer.count; i++)
		for (g = first(&list->answer, i, "securityGroupInfo"); g;
		     g = xml_next(g)) {
			list->items = ec2_grow(list->items, list->count,
					       sizeof(*list->items));
			list->items[list->count++] = (struct ec2_group){
				.id = xml_get(g, "groupId"),
				.name = xml_get(g, "groupName"),
				.vpc = xml_get(g, "vpcId"),
				.tags = xml_find(g, "tagSet"),
			};
		}
	return 0;
}

void ec2_groups_release(struct ec2_groups *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_groups)EC2_GROUPS_INIT;
}

int ec2_create_group(struct ec2_client *c, const char *vpc, const char *name,
		     const char *description, const struct ec2_tag *tags,
		     size_t ntags, bool dry_run, char **id,
		     struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	*id = NULL;
	params_init(&p, "CreateSecurityGroup");
	params_string(&p, "GroupName", name);
	params_string(&p, "GroupDescription", description);
	params_string(&p, "VpcId", vpc);
	params_tags(&p, "security-group", tags, ntags);
	if (dry_run)
		params_bool(&p, "DryRun", true);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	if (!ret && answer)
		*id = xstrdup(xml_get(xml_root(answer), "groupId"));
	return ret;
}

int ec2_delete_group(struct ec2_client *c, const char *id,
		     struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	params_init(&p, "DeleteSecurityGroup");
	params_string(&p, "GroupId", id);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return f->kind == EC2_NOT_FOUND ? 0 : ret;
}

static struct ec2_rule read_rule(const struct xml_node *n)
{
	return (struct ec2_rule){
		.id = xml_get(n, "securityGroupRuleId"),
		.group = xml_get(n, "groupId"),
		.protocol = xml_get(n, "ipProtocol"),
		.from_port = (int)xml_get_int(n, "fromPort", -1),
		.to_port = (int)xml_get_int(n, "toPort", -1),
		.cidr = xml_get(n, "cidrIpv4"),
		.cidr6 = xml_get(n, "cidrIpv6"),
		.peer = xml_get(n, "referencedGroupInfo/groupId"),
		.description = xml_get(n, "description"),
		.tags = xml_find(n, "tagSet"),
	};
}

static void read_rules(struct ec2_rules *list)
{
	const struct xml_node *n;

	for (size_t i = 0; i < list->answer.count; i++)
		for (n = first(&list->answer, i, "securityGroupRuleSet"); n;
		     n = xml_next(n)) {
			if (xml_get_bool(n, "isEgress"))
				continue;
			list->items = ec2_grow(list->items, list->count,
					       sizeof(*list->items));
			list->items[list->count++] = read_rule(n);
		}
}

int ec2_describe_rules(struct ec2_client *c, const struct ec2_filter *filters,
		       size_t n, struct ec2_rules *list,
		       struct ec2_failure *f)
{
	*list = (struct ec2_rules)EC2_RULES_INIT;
	if (describe(c, "DescribeSecurityGroupRules", filters, n,
		     &list->answer, f) < 0)
		return f->error.code;
	read_rules(list);
	return 0;
}

void ec2_rules_release(struct ec2_rules *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_rules)EC2_RULES_INIT;
}

/* From where a rule lets in, which EC2 has in lists of three kinds. */
static void add_source(struct params *p, const char *list, const char *name,
		       const char *value, const char *description)
{
	if (!value)
		return;
	params_item(p, list);
	params_string(p, name, value);
	params_string(p, "Description", description);
	params_end(p);
}

int ec2_authorize(struct ec2_client *c, const char *group,
		  const struct ec2_rule *rules, size_t n,
		  const struct ec2_tag *tags, size_t ntags, bool dry_run,
		  struct ec2_rules *list, struct ec2_failure *f)
{
	struct params p;
	int ret;

	*list = (struct ec2_rules)EC2_RULES_INIT;
	params_init(&p, "AuthorizeSecurityGroupIngress");
	params_string(&p, "GroupId", group);
	for (size_t i = 0; i < n; i++) {
		const struct ec2_rule *r = &rules[i];

		params_item(&p, "IpPermissions");
		params_string(&p, "IpProtocol", r->protocol);
		params_int(&p, "FromPort", r->from_port);
		params_int(&p, "ToPort", r->to_port);
		add_source(&p, "IpRanges", "CidrIp", r->cidr, r->description);
		add_source(&p, "Ipv6Ranges", "CidrIpv6", r->cidr6,
			   r->description);
		add_source(&p, "Groups", "GroupId", r->peer, r->description);
		params_end(&p);
	}
	params_tags(&p, "security-group-rule", tags, ntags);
	if (dry_run)
		params_bool(&p, "DryRun", true);
	ret = ec2_call_pages(c, &p, &list->answer, f);
	params_release(&p);
	read_rules(list);
	return ret;
}

int ec2_revoke(struct ec2_client *c, const char *group, const char *const *ids,
	       size_t n, struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	ec2_failure_clear(f);
	if (n == 0)
		return 0;
	params_init(&p, "RevokeSecurityGroupIngress");
	params_string(&p, "GroupId", group);
	params_strings(&p, "SecurityGroupRuleId", ids, n);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return ret;
}
