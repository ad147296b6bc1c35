/*
 * aws_home: a home folder with what AWS's tools keep there, for tests.
 */
#ifndef TEST_AWS_HOME_H
#define TEST_AWS_HOME_H

#include "ec2/aws_config.h"

/* Writes $HOME/.aws/NAME, and the folders that it is in; text NULL: the file
 * is removed. */
void aws_home_write(const char *name, const char *text);

/* What an environment of HOME and these variables, "K=V K=V", and the files
 * make. */
struct aws_config *aws_home_config(const char *variables,
				   struct bigm_error *err);

#endif
