/*
 * plan: what will be launched, and what it will cost, before anything is.
 *
 * Made of the settings, the order and what EC2 has told of types, image and
 * networks, by pure functions: what `bigm start --dry-run` prints is what a
 * launch does.
 */
#ifndef EC2_PLAN_H
#define EC2_PLAN_H

#include "base/json.h"
#include "ec2/api_fleet.h"
#include "ec2/api_images.h"
#include "ec2/settings.h"
#include "ec2/types.h"
#include "ec2/volumes.h"

/* How the tags of instances and volumes are called, besides Name and the
 * user's own; the first and that of the user, those of groups too. */
#define EC2_TAG "bigm" /* its value is bigm's version; of groups and rules, 1 */
#define EC2_TAG_CLUSTER "bigm:cluster"
#define EC2_TAG_USER "bigm:user"
#define EC2_TAG_HOST "bigm:host"
#define EC2_TAG_BINARY "bigm:binary"
#define EC2_TAG_DIGEST "bigm:digest"
#define EC2_TAG_ARCHITECTURE "bigm:architecture"
#define EC2_NAME_MOST 255 /* bytes of Name */
#define EC2_TAGS_MOST 50  /* of one resource; EC2 User Guide, "Tag restrictions" */

/*
 * For ec2_images_by_name(): the account that publishes a flavor's images, and
 * their name for "x86_64" or "arm64", in which * is wild.  name malloc'ed.
 *
 * Sources of the accounts, which are those of the partition aws (in others one
 * has to say --ec2-ami, but for amazon, an alias of EC2's that is right in each):
 *
 *	flatcar	075585003325  poseidon/typhoon, aws/flatcar-linux/kubernetes/ami.tf;
 *			      flatcar.org itself lists ids of images, and not
 *			      who owns them
 *	ubuntu	099720109477  documentation.ubuntu.com/aws, "Find Ubuntu images
 *			      on AWS", Ownership verification
 *	debian	136693071363  wiki.debian.org/Cloud/AmazonEC2Image/Bookworm
 *	amazon	amazon	      Amazon Linux 2023 User Guide, "AL2023 on Amazon
 *			      EC2"; EC2 API Reference, DescribeImages, Owner
 */
void ec2_plan_image(int flavor, const char *architecture, const char **owner,
		    char **name);

/* The architecture that all the settings' types have.  BIGM_EINVALID where they
 * differ; or as ec2_type_facts(). */
int ec2_plan_architecture(const struct ec2_settings *s, const char *region,
			  const struct ec2_types *types,
			  const char **architecture, struct bigm_error *err);

/* What a plan is made of; it must outlive the plan.  Lists end in NULL; what
 * may be NULL was not asked, or is not there. */
struct ec2_plan_facts {
	const struct ec2_settings *settings;
	const char *region;
	int n;		      /* instances */
	double spent;	      /* USD an hour that the cluster costs already */
	const char *cluster, *host, *user;
	const char *program;  /* path or name; NULL: none */
	const char *digest;   /* of it, "sha256:…"; NULL: not known */
	char *const *argv;    /* argv[0] first; may be NULL */
	const struct ec2_types *types;
	const struct ec2_spot_prices *spot;
	const struct ec2_image *image;
	const char *const *subnets, *const *groups;
	const void *user_data;
	size_t user_data_len;
};

struct ec2_plan_type {
	struct ec2_type_facts facts;
	double usd; /* an hour of one, in the market that is bought from; 0:
		     * not known */
};

struct ec2_plan {
	const struct ec2_plan_facts *facts;
	/* For RunInstances where there is one pool; else for a template. */
	struct ec2_launch_spec spec;
	struct ec2_pool *pools; /* each type in each subnet */
	size_t npools;
	struct ec2_plan_type *types;
	size_t ntypes;
	struct ec2_data_volumes data;
	double least, most; /* USD an hour of all; 0: not known */

	/* What spec points to. */
	struct ec2_tag *tags;
	char **values;
	struct ec2_volume volumes[1 + EC2_VOLUMES_MOST];
	char devices[EC2_VOLUMES_MOST][EC2_DEVICE_NAME];
	char max_price[32];
};

/*
 * BIGM_EINVALID for what cannot be launched; BIGM_EEXHAUSTED for what would
 * cost too much (setting max-cost), and says how many would not; a price that
 * is not known is refused unless the settings say otherwise, or there is no
 * limit.  To be released after success only.
 */
int ec2_plan_make(struct ec2_plan *plan, const struct ec2_plan_facts *facts,
		  struct bigm_error *err);
void ec2_plan_release(struct ec2_plan *plan);

/* Whether n more at `usd` an hour each are within max-cost when the cluster
 * costs `spent` an hour; the error says how many would be. */
int ec2_plan_check_cost(const struct ec2_settings *s, double spent, double usd,
			int n, const char *what, struct bigm_error *err);

/* As lines for people, without the document. */
int ec2_plan_text(const struct ec2_plan *plan, struct buffer *out,
		  struct bigm_error *err);
/* {"region", "n", "market", "types": […], "image", "volumes", "tags",
 * "usd_per_hour": {"least", "most"}, …}. */
cJSON *ec2_plan_json(const struct ec2_plan *plan);

#endif
