/*
 * volumes: how room for data is divided among EBS volumes.
 *
 * A gp3 volume has 125 MiB/s and 3,000 operations a second whatever its size,
 * so that many small ones, striped, are faster than a large one.  They have 16
 * GiB at least, and are at most 25: an instance of the Nitro system takes 28
 * attachments, of which the root volume and network cards are some (EC2 User
 * Guide, "Instance volume limits").
 */
#ifndef EC2_VOLUMES_H
#define EC2_VOLUMES_H

#include <stdint.h>

#define EC2_VOLUMES_MOST 25
#define EC2_VOLUME_LEAST_GIB 16
#define EC2_ROOT_GIB 50 /* of the system itself */

struct ec2_data_volumes {
	int count; /* 0: none */
	int gib;   /* of each */
};

/* For dataspace GiB at least (0 to EC2_DATASPACE_MOST). */
struct ec2_data_volumes ec2_data_volumes(int64_t dataspace);

/* The name under which the i-th (from 0 on) is attached: "/dev/xvdba", ….  The
 * names are Linux's under Xen; of NVMe devices they say nothing. */
#define EC2_DEVICE_NAME 16
const char *ec2_volume_device(int i, char name[EC2_DEVICE_NAME]);

/* GiB of the root volume. */
int ec2_root_gib(int64_t diskspace);

#endif
