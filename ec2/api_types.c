#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "ec2/api_types.h"

#define TYPES_PAGE 100	/* EC2's most */
#define PRICES_PAGE 1000
#define NAMES_MAX 100

static int check_count(const char *action, size_t n, struct ec2_failure *f)
{
	if (n >= 1 && n <= NAMES_MAX)
		return 0;
	return ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
			       "%s: 1 to %d types at once, not %zu", action,
			       NAMES_MAX, n);
}

static bool has(const struct xml_node *list, const char *text)
{
	for (list = xml_first(list); list; list = xml_next(list))
		if (!strcmp(xml_text(list), text))
			return true;
	return false;
}

/* Old types also do i386, which nobody wants. */
static const char *choose_architecture(const struct xml_node *list)
{
	if (has(list, "x86_64"))
		return "x86_64";
	return has(list, "arm64") ? "arm64" : xml_text(xml_first(list));
}

static struct ec2_type read_type(const struct xml_node *n)
{
	const struct xml_node *disks = xml_find(n, "instanceStorageInfo/disks");
	int count = 0;

	for (disks = xml_first(disks); disks; disks = xml_next(disks))
		count += (int)xml_get_int(disks, "count", 0);
	return (struct ec2_type){
		.name = xml_get(n, "instanceType"),
		.architecture = choose_architecture(
			xml_find(n, "processorInfo/supportedArchitectures")),
		.vcpus = (int)xml_get_int(n, "vCpuInfo/defaultVCpus", 0),
		.memory_mib = xml_get_int(n, "memoryInfo/sizeInMiB", 0),
		.local_gb = xml_get_int(n, "instanceStorageInfo/totalSizeInGB",
					0),
		.local_disks = count,
		.local_nvme = !strcmp(
			xml_get(n, "instanceStorageInfo/nvmeSupport"),
			"required"),
		.ebs_nvme = !strcmp(xml_get(n, "ebsInfo/nvmeSupport"),
				    "required"),
		.spot = has(xml_find(n, "supportedUsageClasses"), "spot"),
		.bare_metal = xml_get_bool(n, "bareMetal"),
	};
}

int ec2_describe_types(struct ec2_client *c, const char *const *names,
		       size_t n, struct ec2_types *list,
		       struct ec2_failure *f)
{
	/* A filter, since a name that is not known would be an error instead
	 * of the others' answer. */
	const struct ec2_filter filter = { "instance-type", names, n };
	struct params p;
	int ret;

	*list = (struct ec2_types)EC2_TYPES_INIT;
	if (check_count("DescribeInstanceTypes", n, f) < 0)
		return f->error.code;
	params_init(&p, "DescribeInstanceTypes");
	params_filters(&p, &filter, 1);
	params_int(&p, "MaxResults", TYPES_PAGE);
	ret = ec2_call_pages(c, &p, &list->answer, f);
	params_release(&p);
	for (size_t i = 0; !ret && i < list->answer.count; i++) {
		const struct xml_node *node = xml_first(xml_find(
			xml_root(list->answer.pages[i]), "instanceTypeSet"));

		for (; node; node = xml_next(node)) {
			list->items = ec2_grow(list->items, list->count,
					       sizeof(*list->items));
			list->items[list->count++] = read_type(node);
		}
	}
	return ret;
}

void ec2_types_release(struct ec2_types *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_types)EC2_TYPES_INIT;
}

const struct ec2_type *ec2_types_find(const struct ec2_types *list,
				      const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			return &list->items[i];
	return NULL;
}

static bool has_price(const struct ec2_spot_prices *list, const char *type,
		      const char *zone)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].type, type) &&
		    !strcmp(list->items[i].zone, zone))
			return true;
	return false;
}

/* The newest come first, which is the one in force. */
static void read_price(struct ec2_spot_prices *list, const struct xml_node *n)
{
	const char *type = xml_get(n, "instanceType");
	const char *zone = xml_get(n, "availabilityZone");
	double usd = strtod(xml_get(n, "spotPrice"), NULL);

	if (!(usd > 0) || has_price(list, type, zone))
		return;
	list->items = ec2_grow(list->items, list->count, sizeof(*list->items));
	list->items[list->count++] = (struct ec2_spot_price){ type, zone, usd };
}

int ec2_describe_spot_prices(struct ec2_client *c, const char *const *types,
			     size_t n, struct ec2_spot_prices *list,
			     struct ec2_failure *f)
{
	static const char *const linux_only[] = { "Linux/UNIX" };
	const time_t now = time(NULL);
	struct params p;
	struct tm tm;
	char start[32];
	int ret;

	*list = (struct ec2_spot_prices)EC2_SPOT_PRICES_INIT;
	if (check_count("DescribeSpotPriceHistory", n, f) < 0)
		return f->error.code;
	/* From now on: of a history that begins now, the last price before. */
	gmtime_r(&now, &tm);
	strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ", &tm);
	params_init(&p, "DescribeSpotPriceHistory");
	params_strings(&p, "InstanceType", types, n);
	params_strings(&p, "ProductDescription", linux_only, 1);
	params_string(&p, "StartTime", start);
	params_int(&p, "MaxResults", PRICES_PAGE);
	ret = ec2_call_pages(c, &p, &list->answer, f);
	params_release(&p);
	for (size_t i = 0; !ret && i < list->answer.count; i++) {
		const struct xml_node *node = xml_first(
			xml_find(xml_root(list->answer.pages[i]),
				 "spotPriceHistorySet"));

		for (; node; node = xml_next(node))
			read_price(list, node);
	}
	return ret;
}

void ec2_spot_prices_release(struct ec2_spot_prices *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_spot_prices)EC2_SPOT_PRICES_INIT;
}

int ec2_describe_regions(struct ec2_client *c, struct ec2_regions *list,
			 struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	const struct xml_node *n;
	struct params p;
	int ret;

	*list = (struct ec2_regions){ NULL, 0 };
	params_init(&p, "DescribeRegions");
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	if (ret < 0 || !answer)
		return ret;
	n = xml_first(xml_find(xml_root(answer), "regionInfo"));
	for (; n; n = xml_next(n)) {
		list->names = ec2_grow(list->names, list->count,
				       sizeof(*list->names));
		list->names[list->count++] = xstrdup(xml_get(n, "regionName"));
	}
	return 0;
}

void ec2_regions_release(struct ec2_regions *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct ec2_regions){ NULL, 0 };
}
