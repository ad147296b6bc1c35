/*
 * specs: what users write for a file, a unit, a tag.
 *
 * Parsing cuts a copy into pieces; nothing is read from disk.
 */
#ifndef EC2_SPECS_H
#define EC2_SPECS_H

#include <stdbool.h>

#include "bigm.h"

/* SRC:PATH[:MODE[:OWNER]]: a file here and where it shall be there.  SRC has
 * no ':'; relative to where bigm was called; OWNER is USER or USER:GROUP. */
struct ec2_file_spec {
	char *source;
	char *path;
	unsigned mode;	/* 0: that of the file */
	char *owner;	/* NULL: root */
	char *copy;
};

int ec2_file_spec_parse(struct ec2_file_spec *spec, const char *text,
			struct bigm_error *err);
void ec2_file_spec_release(struct ec2_file_spec *spec);

/* FILE[,command=COMMAND][,enable][,sync]: a unit of the file's name; FILE has
 * no ','.  command=start,enable,sync is the usual one. */
struct ec2_unit_spec {
	char *source;
	const char *name; /* the last part of source */
	char *command;	  /* NULL: none */
	bool enable, sync;
	char *copy;
};

int ec2_unit_spec_parse(struct ec2_unit_spec *spec, const char *text,
			struct bigm_error *err);
void ec2_unit_spec_release(struct ec2_unit_spec *spec);

/* KEY=VALUE, of at most 128 and 256 characters; "aws:" is Amazon's, "bigm" and
 * "bigm:" are ours, and Name is what bigm makes it. */
struct ec2_tag_spec {
	char *key;
	const char *value;
	char *copy;
};

int ec2_tag_spec_parse(struct ec2_tag_spec *spec, const char *text,
		       struct bigm_error *err);
void ec2_tag_spec_release(struct ec2_tag_spec *spec);

#endif
