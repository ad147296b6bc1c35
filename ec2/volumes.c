#include "config.h"

#include "ec2/volumes.h"

#include <stdio.h>

struct ec2_data_volumes ec2_data_volumes(int64_t dataspace)
{
	struct ec2_data_volumes v = { 0, 0 };
	int64_t count, gib;

	if (dataspace <= 0)
		return v;
	count = (dataspace + EC2_VOLUME_LEAST_GIB - 1) / EC2_VOLUME_LEAST_GIB;
	if (count > EC2_VOLUMES_MOST)
		count = EC2_VOLUMES_MOST;
	gib = (dataspace + count - 1) / count;
	if (gib < EC2_VOLUME_LEAST_GIB)
		gib = EC2_VOLUME_LEAST_GIB;
	v.count = (int)count;
	v.gib = (int)gib;
	return v;
}

const char *ec2_volume_device(int i, char name[EC2_DEVICE_NAME])
{
	snprintf(name, EC2_DEVICE_NAME, "/dev/xvdb%c", 'a' + i);
	return name;
}

int ec2_root_gib(int64_t diskspace)
{
	return EC2_ROOT_GIB + (int)diskspace;
}
