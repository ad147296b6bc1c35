#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "ec2/api_images.h"

void ec2_images_release(struct ec2_images *list)
{
	free(list->items);
	ec2_pages_release(&list->answer);
	*list = (struct ec2_images)EC2_IMAGES_INIT;
}

static int root_size(const struct xml_node *image, const char *device)
{
	const struct xml_node *n = xml_first(xml_find(image,
						      "blockDeviceMapping"));

	while (n && strcmp(xml_get(n, "deviceName"), device) != 0)
		n = xml_next(n);
	return (int)xml_get_int(n, "ebs/volumeSize", 0);
}

static struct ec2_image read_image(const struct xml_node *n)
{
	const char *root = xml_get(n, "rootDeviceName");

	return (struct ec2_image){
		.id = xml_get(n, "imageId"),
		.name = xml_get(n, "name"),
		.owner = xml_get(n, "imageOwnerId"),
		.architecture = xml_get(n, "architecture"),
		.state = xml_get(n, "imageState"),
		.root_device = root,
		.root_gib = root_size(n, root),
		.created = ec2_time(xml_get(n, "creationDate")),
	};
}

static int newest_first(const void *a, const void *b)
{
	const struct ec2_image *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	return strcmp(y->name, x->name);
}

/* Makes the call; its parameters are released. */
static int get(struct ec2_client *c, struct params *p,
	       struct ec2_images *list, struct ec2_failure *f)
{
	int ret = ec2_call_pages(c, p, &list->answer, f);

	params_release(p);
	for (size_t i = 0; !ret && i < list->answer.count; i++) {
		const struct xml_node *n = xml_first(xml_find(
			xml_root(list->answer.pages[i]), "imagesSet"));

		for (; n; n = xml_next(n)) {
			list->items = ec2_grow(list->items, list->count,
					       sizeof(*list->items));
			list->items[list->count++] = read_image(n);
		}
	}
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items),
		      newest_first);
	return ret;
}

int ec2_images_by_name(struct ec2_client *c, const char *owner,
		       const char *name, const char *architecture,
		       struct ec2_images *list, struct ec2_failure *f)
{
	static const char *const available = "available", *const ebs = "ebs",
				 *const hvm = "hvm";
	const struct ec2_filter filters[] = {
		{ "name", &name, 1 },
		{ "architecture", &architecture, 1 },
		{ "state", &available, 1 },
		{ "root-device-type", &ebs, 1 },
		{ "virtualization-type", &hvm, 1 },
	};
	struct params p;

	*list = (struct ec2_images)EC2_IMAGES_INIT;
	params_init(&p, "DescribeImages");
	params_strings(&p, "Owner", &owner, 1);
	params_filters(&p, filters, sizeof(filters) / sizeof(filters[0]));
	return get(c, &p, list, f);
}

int ec2_image_by_id(struct ec2_client *c, const char *id,
		    struct ec2_images *list, struct ec2_failure *f)
{
	struct params p;

	*list = (struct ec2_images)EC2_IMAGES_INIT;
	params_init(&p, "DescribeImages");
	params_strings(&p, "ImageId", &id, 1);
	if (get(c, &p, list, f) < 0)
		return f->error.code;
	if (list->count > 0)
		return 0;
	ec2_images_release(list);
	return ec2_failure_set(f, EC2_NOT_FOUND, BIGM_ENOTFOUND,
			       "%s: there is no image %s",
			       ec2_client_region(c), id);
}
