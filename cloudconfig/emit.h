/*
 * emit: what the flavors' emitters share.
 *
 * Each writes the members of the document's topmost map.
 */
#ifndef CLOUDCONFIG_EMIT_H
#define CLOUDCONFIG_EMIT_H

#include "cloudconfig/private.h"
#include "cloudconfig/yaml_out.h"

void emit_flatcar(const struct cloudconfig *c, struct yaml_out *y);
void emit_cloudinit(const struct cloudconfig *c,
		    enum cloudconfig_flavor flavor, struct yaml_out *y);

/* One item of write_files. */
void emit_file(const struct cloudconfig_file *file, struct yaml_out *y);
/* The member ssh_authorized_keys, if `user` (NULL: the default's) has some. */
void emit_keys(const struct cloudconfig *c, const char *user,
	       struct yaml_out *y);

#endif
