/*
 * instance_texts: the scripts in ec2/instance, as an instance gets them.
 *
 * Made of those files when bigm is built.
 */
#ifndef EC2_INSTANCE_TEXTS_H
#define EC2_INSTANCE_TEXTS_H

extern const char ec2_prepare_script[];
extern const char ec2_fetch_script[];
extern const char ec2_notices_script[];

#endif
