#include "config.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/api_instances.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE 500 /* instances; EC2 allows 5 to 1000 */

static const char *const states[] = {
	[EC2_STATE_NONE] = "",		[EC2_PENDING] = "pending",
	[EC2_RUNNING] = "running",	[EC2_SHUTTING_DOWN] = "shutting-down",
	[EC2_TERMINATED] = "terminated", [EC2_STOPPING] = "stopping",
	[EC2_STOPPED] = "stopped",
};

enum ec2_state ec2_state_of(const char *name)
{
	for (size_t i = 0; i < COUNT(states); i++)
		if (!strcmp(states[i], name))
			return (enum ec2_state)i;
	return EC2_STATE_NONE;
}

const char *ec2_state_name(enum ec2_state state)
{
	return (size_t)state < COUNT(states) ? states[state] : "";
}

bool ec2_state_ends(enum ec2_state state)
{
	return state >= EC2_SHUTTING_DOWN;
}

void ec2_instances_release(struct ec2_instances *list)
{
	for (size_t i = 0; i < list->nanswers; i++)
		ec2_pages_release(&list->answers[i]);
	free(list->answers);
	free(list->items);
	*list = (struct ec2_instances)EC2_INSTANCES_INIT;
}

const struct ec2_instance *ec2_instances_find(const struct ec2_instances *list,
					      const char *id)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].id, id))
			return &list->items[i];
	return NULL;
}

static struct ec2_instance read_instance(const struct xml_node *n)
{
	return (struct ec2_instance){
		.id = xml_get(n, "instanceId"),
		.type = xml_get(n, "instanceType"),
		.image = xml_get(n, "imageId"),
		.architecture = xml_get(n, "architecture"),
		.state = ec2_state_of(xml_get(n, "instanceState/name")),
		.reason_code = xml_get(n, "stateReason/code"),
		.reason = xml_get(n, "stateReason/message"),
		.zone = xml_get(n, "placement/availabilityZone"),
		.subnet = xml_get(n, "subnetId"),
		.vpc = xml_get(n, "vpcId"),
		.public_dns = xml_get(n, "dnsName"),
		.public_ip = xml_get(n, "ipAddress"),
		.private_dns = xml_get(n, "privateDnsName"),
		.private_ip = xml_get(n, "privateIpAddress"),
		.ipv6 = xml_get(n, "ipv6Address"),
		.spot = !strcmp(xml_get(n, "instanceLifecycle"), "spot"),
		.spot_request = xml_get(n, "spotInstanceRequestId"),
		.client_token = xml_get(n, "clientToken"),
		.launched = ec2_time(xml_get(n, "launchTime")),
		.tags = xml_find(n, "tagSet"),
	};
}

/* The instances of one reservation, which is what RunInstances answers. */
static void add_reservation(struct ec2_instances *list,
			    const struct xml_node *reservation)
{
	const struct xml_node *n = xml_first(xml_find(reservation,
						      "instancesSet"));

	for (; n; n = xml_next(n)) {
		list->items = ec2_grow(list->items, list->count,
				       sizeof(*list->items));
		list->items[list->count++] = read_instance(n);
	}
}

/* Keeps the answers, whose strings the instances have. */
static void add_answers(struct ec2_instances *list,
			const struct ec2_pages *pages)
{
	if (pages->count == 0)
		return;
	list->answers = ec2_grow(list->answers, list->nanswers,
				 sizeof(*list->answers));
	list->answers[list->nanswers++] = *pages;
	for (size_t i = 0; i < pages->count; i++) {
		const struct xml_node *root = xml_root(pages->pages[i]);
		const struct xml_node *n = xml_find(root, "reservationSet");

		if (!n)
			add_reservation(list, root);
		for (n = xml_first(n); n; n = xml_next(n))
			add_reservation(list, n);
	}
}

int ec2_run_instances(struct ec2_client *c, const struct ec2_run_order *order,
		      struct ec2_instances *list, struct ec2_failure *f)
{
	const struct ec2_launch_spec *spec = order->spec;
	char token[EC2_TOKEN_SIZE];
	struct ec2_pages pages;
	struct params p;
	int ret;

	*list = (struct ec2_instances)EC2_INSTANCES_INIT;
	ec2_token(token);
	params_init(&p, "RunInstances");
	params_int(&p, "MinCount", order->min);
	params_int(&p, "MaxCount", order->max);
	params_string(&p, "ClientToken",
		      order->client_token ? order->client_token : token);
	params_string(&p, "InstanceType", spec->type);
	params_string(&p, "SubnetId", spec->subnet);
	params_launch_spec(&p, spec);
	params_market(&p, spec);
	if (order->dry_run)
		params_bool(&p, "DryRun", true);
	ret = ec2_call_pages(c, &p, &pages, f);
	params_release(&p);
	if (!ret)
		add_answers(list, &pages);
	return ret;
}

/* Adds to the list; releases it on failure. */
static int describe(struct ec2_client *c, const struct ec2_filter *filters,
		    size_t n, struct ec2_instances *list,
		    struct ec2_failure *f)
{
	struct ec2_pages pages;
	struct params p;
	int ret;

	params_init(&p, "DescribeInstances");
	params_filters(&p, filters, n);
	params_int(&p, "MaxResults", PAGE);
	ret = ec2_call_pages(c, &p, &pages, f);
	params_release(&p);
	if (ret < 0)
		ec2_instances_release(list);
	else
		add_answers(list, &pages);
	return ret;
}

int ec2_describe_instances(struct ec2_client *c,
			   const struct ec2_filter *filters, size_t n,
			   struct ec2_instances *list, struct ec2_failure *f)
{
	*list = (struct ec2_instances)EC2_INSTANCES_INIT;
	return describe(c, filters, n, list, f);
}

int ec2_describe_ids(struct ec2_client *c, const char *const *ids, size_t n,
		     struct ec2_instances *list, struct ec2_failure *f)
{
	int ret = 0;

	*list = (struct ec2_instances)EC2_INSTANCES_INIT;
	ec2_failure_clear(f);
	/* A filter, since an id that is asked for by itself and is not known
	 * would be an error instead of the others' answer. */
	for (size_t i = 0; i < n && !ret; i += EC2_FILTER_VALUES) {
		const struct ec2_filter filter = {
			"instance-id", ids + i,
			n - i < EC2_FILTER_VALUES ? n - i : EC2_FILTER_VALUES
		};

		ret = describe(c, &filter, 1, list, f);
	}
	return ret;
}

static char *decode_base64(const char *text)
{
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	const size_t len = strlen(text);
	unsigned char *out = xmalloc(len / 4 * 3 + 8);
	int n = 0, rest = 0;
	size_t used = 0;

	if (!ctx)
		alloc_failed();
	EVP_DecodeInit(ctx);
	if (EVP_DecodeUpdate(ctx, out, &n, (const unsigned char *)text,
			     (int)len) < 0 ||
	    EVP_DecodeFinal(ctx, out + n, &rest) < 0) {
		EVP_ENCODE_CTX_free(ctx);
		free(out);
		return NULL;
	}
	EVP_ENCODE_CTX_free(ctx);
	for (int i = 0; i < n + rest; i++)
		if (out[i])
			out[used++] = out[i];
	out[used] = '\0';
	return (char *)out;
}

static int get_console(struct ec2_client *c, const char *id, bool latest,
		       struct xml **answer, struct ec2_failure *f)
{
	struct params p;
	int ret;

	params_init(&p, "GetConsoleOutput");
	params_string(&p, "InstanceId", id);
	if (latest)
		params_bool(&p, "Latest", true);
	ret = ec2_call(c, &p, answer, f);
	params_release(&p);
	return ret;
}

int ec2_console_output(struct ec2_client *c, const char *id, char **text,
		       struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	int ret = get_console(c, id, true, &answer, f);

	/* Not every type of instance can tell the latest. */
	if (ret < 0 && f->kind == EC2_BAD_REQUEST)
		ret = get_console(c, id, false, &answer, f);
	*text = NULL;
	if (ret < 0)
		return ret;
	*text = decode_base64(answer ? xml_get(xml_root(answer), "output") :
				       "");
	if (*text)
		return 0;
	return ec2_failure_set(f, EC2_SERVER, BIGM_EPROTOCOL,
			       "GetConsoleOutput of %s: it is no base64", id);
}

int ec2_cancel_spot_requests(struct ec2_client *c, const char *const *ids,
			     size_t n, struct ec2_failure *f)
{
	AUTO_XML struct xml *answer = NULL;
	struct params p;
	int ret;

	ec2_failure_clear(f);
	if (n == 0)
		return 0;
	params_init(&p, "CancelSpotInstanceRequests");
	params_strings(&p, "SpotInstanceRequestId", ids, n);
	ret = ec2_call(c, &p, &answer, f);
	params_release(&p);
	return f->kind == EC2_NOT_FOUND ? 0 : ret;
}
