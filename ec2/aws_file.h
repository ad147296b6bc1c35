/*
 * aws_file: the sections of AWS's shared config and credentials files.
 *
 *	~/.aws/config			~/.aws/credentials
 *	[default]			[default]
 *	[profile NAME]			[NAME]
 *	[sso-session NAME]
 *	[services NAME]
 *	ec2 =
 *	  endpoint_url = http://…	 a nested value, its key is
 *					 "ec2.endpoint_url"
 *
 * The rules are those of today's AWS tools: the credentials file's value beats
 * the config file's, the last of several in one file counts, names of keys do
 * not know case, a line that is indented goes on with the value before it,
 * '#' and ';' begin a comment at a line's begin or after white space, sections
 * of other names are nobody's.  inih does the reading; a line that is longer
 * than it allows for, as session tokens are, is handed to it in pieces.
 *
 * Values may be secrets: they are wiped when freed, and no error quotes one.
 * Not thread-safe while it is filled; any thread afterwards.
 */
#ifndef EC2_AWS_FILE_H
#define EC2_AWS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "bigm.h"

#define AWS_FILE_MAX ((size_t)1 << 20) /* bytes of one file */

enum aws_section { AWS_PROFILE, AWS_SSO_SESSION, AWS_SERVICES };

struct aws_sections;

struct aws_sections *aws_sections_new(void);
/* NULL is fine. */
void aws_sections_free(struct aws_sections *s);

/* Adds what a file says.  One that is not there says nothing, and is no error;
 * one that is too large, cannot be read, or has a line that is neither NAME =
 * VALUE nor [SECTION] is: BIGM_EINVALID and "PATH:LINE: …". */
int aws_sections_read(struct aws_sections *s, const char *path,
		      bool credentials, struct bigm_error *err);
/* The same for text that is in memory. */
int aws_sections_parse(struct aws_sections *s, const char *text, size_t len,
		       const char *path, bool credentials,
		       struct bigm_error *err);

/* Whether there is such a section, be it empty. */
bool aws_sections_have(const struct aws_sections *s, enum aws_section kind,
		       const char *name);
/* A value; NULL when it is not set, or empty.  It is the sections'. */
const char *aws_sections_get(const struct aws_sections *s,
			     enum aws_section kind, const char *name,
			     const char *key);

#endif
