/*
 * settings_table: every setting of the EC2 system, once.
 *
 * EC2_SETTINGS(X, with) is X(with, NAME, KIND, FIELD, LEAST, MOST, DEFAULT,
 * VALUE, HELP) for each.  From it come struct ec2_settings' parsing
 * (ec2/settings.c), the options of bigm (cmd/run.h), what `bigm config` shows,
 * and the test that holds bigm-ec2(5) against it.
 *
 * KIND: SWITCH, TEXT, LIST (words between commas), ITEMS (one each time),
 * NUMBER and MONEY (LEAST to MOST; MONEY in USD an hour), DURATION (ms).
 * DEFAULT is text that stands for itself, or, between parentheses, says in words
 * what happens without.
 */
#ifndef EC2_SETTINGS_TABLE_H
#define EC2_SETTINGS_TABLE_H

#define EC2_DISK_MOST 16000	   /* GiB of one gp3 volume, less the system's */
#define EC2_DATASPACE_MOST 409600  /* 25 volumes of 16 TiB */

#define EC2_SETTINGS(X, with)                                                  \
	X(with, "type", LIST, types, 0, 0, "m5.large", "TYPE[,TYPE...]",       \
	  "the instances' type; of several what is to be had")                 \
	X(with, "on-demand", SWITCH, on_demand, 0, 0, "0", NULL,               \
	  "buy instances on demand, not spot")                                 \
	X(with, "on-demand-fallback", SWITCH, on_demand_fallback, 0, 0, "0",   \
	  NULL, "buy on demand what spot does not have")                       \
	X(with, "max-price", MONEY, max_price, 0, 1000,                        \
	  "(the price on demand)", "USD", "pay at most USD an hour for a spot " \
	  "instance")                                                          \
	X(with, "max-cost", MONEY, max_cost, 0, 1000000, "10", "USD",          \
	  "do not let the cluster cost more than USD an hour")                 \
	X(with, "price-unknown-ok", SWITCH, price_unknown_ok, 0, 0, "0", NULL, \
	  "take types whose price is not known")                               \
	X(with, "flavor", TEXT, flavor_name, 0, 0, "flatcar", "FLAVOR",        \
	  "flatcar, ubuntu, debian or amazon")                                 \
	X(with, "ami", TEXT, ami, 0, 0, "(the flavor's newest image)", "AMI",  \
	  "the image to boot, which is of the flavor")                         \
	X(with, "region", TEXT, region, 0, 0, "(as AWS's tools find it)",      \
	  "REGION", "where to launch")                                         \
	X(with, "default-region", TEXT, default_region, 0, 0, "us-west-2",     \
	  "REGION", "where to launch when nothing says where")                 \
	X(with, "subnet", LIST, subnets, 0, 0, "(the default VPC's)",          \
	  "SUBNET[,...]", "the subnets to launch in")                          \
	X(with, "security-group", TEXT, security_group, 0, 0,                  \
	  "(bigm-USER, made where it is missing)", "GROUP",                    \
	  "the security group, which is left as it is")                        \
	X(with, "security-groups", LIST, security_groups, 0, 0, "(none)",      \
	  "GROUP[,...]", "several of them, instead of security-group")         \
	X(with, "allow", LIST, allow, 0, 0, "(this host's address)",           \
	  "CIDR[,...]", "who may connect to the instances")                    \
	X(with, "public-ip-url", TEXT, public_ip_url, 0, 0, "(none)", "URL",   \
	  "an https page that says what this host's address is")               \
	X(with, "private", SWITCH, private_first, 0, 0, "0", NULL,             \
	  "reach the instances by their private addresses")                    \
	X(with, "instance-profile", TEXT, instance_profile, 0, 0, "(none)",    \
	  "NAME|ARN", "the instance profile that the instances have")          \
	X(with, "diskspace", NUMBER, diskspace, 0, EC2_DISK_MOST, "200",       \
	  "GIB", "room on the root volume, besides the system's 50 GiB")       \
	X(with, "dataspace", NUMBER, dataspace, 0, EC2_DATASPACE_MOST, "0",    \
	  "GIB", "room on volumes of its own, striped, at /mnt/data")          \
	X(with, "binary-url", TEXT, binary_url, 0, 0, "(sent over SSH)",       \
	  "URL", "where the instances fetch ec2boot")                          \
	X(with, "binary-sha256", TEXT, binary_sha256, 0, 0, "(none)",          \
	  "DIGEST", "the SHA-256 of what is there")                            \
	X(with, "ssh-key", ITEMS, ssh_keys, 0, 0, "(~/.ssh/*.pub, the agent)", \
	  "KEY|FILE", "a public key that may log in")                          \
	X(with, "key-name", TEXT, key_name, 0, 0, "(none)", "NAME",            \
	  "a key pair of EC2 that may log in")                                 \
	X(with, "user", TEXT, user, 0, 0, "(the login name)", "NAME",          \
	  "who stands in the instances' tags")                                 \
	X(with, "file", ITEMS, files, 0, 0, "(none)",                          \
	  "SRC:PATH[:MODE[:OWNER]]", "a file for the instances")               \
	X(with, "unit", ITEMS, units, 0, 0, "(none)",                          \
	  "FILE[,command=C][,enable][,sync]", "a systemd unit for the instances") \
	X(with, "tag", ITEMS, tags, 0, 0, "(none)", "KEY=VALUE",               \
	  "a tag for instances and volumes")                                   \
	X(with, "dead-man", DURATION, dead_man_ms, 60000, 86400000, "10m",     \
	  "TIME", "power off instances that were not kept alive for TIME")     \
	X(with, "immortal", SWITCH, immortal, 0, 0, "0", NULL,                 \
	  "instances stay when their worker ends (debugging)")

#endif
