#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "instances_world.h"

int instances_set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(&w->ec2, ec2_service_url(service), NULL);
	assert_int_equal(ec2_images_by_name(w->ec2.client, "075585003325",
					    "Flatcar-stable-*", "x86_64",
					    &w->images, &w->ec2.failure),
			 0);
	w->list = (struct ec2_instances)EC2_INSTANCES_INIT;
	*state = w;
	return 0;
}

int instances_tear_down(void **state)
{
	struct world *w = *state;

	ec2_instances_release(&w->list);
	ec2_images_release(&w->images);
	ec2_world_release(&w->ec2);
	free(w);
	return 0;
}

struct ec2_launch_spec spec_of(struct world *w)
{
	return (struct ec2_launch_spec){
		.image = w->images.items[0].id,
		.type = "m5.large",
		.spot = true,
	};
}

int run_spec(struct world *w, const struct ec2_launch_spec *spec,
	     int min, int max)
{
	const struct ec2_run_order order = { .spec = spec, .min = min,
					     .max = max };

	ec2_instances_release(&w->list);
	return ec2_run_instances(w->ec2.client, &order, &w->list,
				 &w->ec2.failure);
}

void launch(struct world *w, int n)
{
	const struct ec2_launch_spec spec = spec_of(w);

	if (run_spec(w, &spec, n, n) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(w->list.count, n);
}
