#include "config.h"

#include <string.h>

#include "ec2/launch_spec.h"

static void add_profile(struct params *p, const char *profile)
{
	if (!profile)
		return;
	params_begin(p, "IamInstanceProfile");
	params_string(p, strncmp(profile, "arn:", 4) ? "Name" : "Arn", profile);
	params_end(p);
}

static void add_volumes(struct params *p, const struct ec2_launch_spec *spec)
{
	for (size_t i = 0; i < spec->nvolumes; i++) {
		params_item(p, "BlockDeviceMapping");
		params_string(p, "DeviceName", spec->volumes[i].device);
		params_begin(p, "Ebs");
		params_int(p, "VolumeSize", spec->volumes[i].size_gib);
		params_string(p, "VolumeType", "gp3");
		params_bool(p, "DeleteOnTermination", true);
		params_end(p);
		params_end(p);
	}
}

void params_launch_spec(struct params *p, const struct ec2_launch_spec *spec)
{
	params_string(p, "ImageId", spec->image);
	params_strings(p, "SecurityGroupId", spec->groups, spec->ngroups);
	params_string(p, "KeyName", spec->key_name);
	add_profile(p, spec->profile);
	params_base64(p, "UserData", spec->user_data, spec->user_data_len);
	add_volumes(p, spec);
	params_begin(p, "MetadataOptions");
	params_string(p, "HttpEndpoint", "enabled");
	params_string(p, "HttpTokens", "required");
	/* Containers with a network of their own are a hop further. */
	params_int(p, "HttpPutResponseHopLimit", 1);
	params_end(p);
	/* EC2 refuses to be told so of spot instances. */
	if (!spec->spot)
		params_string(p, "InstanceInitiatedShutdownBehavior",
			      "terminate");
	params_tags(p, "instance", spec->tags, spec->ntags);
	params_tags(p, "volume", spec->tags, spec->ntags);
}

void params_market(struct params *p, const struct ec2_launch_spec *spec)
{
	if (!spec->spot)
		return;
	params_begin(p, "InstanceMarketOptions");
	params_string(p, "MarketType", "spot");
	params_begin(p, "SpotOptions");
	params_string(p, "SpotInstanceType", "one-time");
	params_string(p, "InstanceInterruptionBehavior", "terminate");
	params_string(p, "MaxPrice", spec->max_price);
	params_end(p);
	params_end(p);
}
