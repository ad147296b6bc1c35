#include "config.h"

#include "cloudconfig/private.h"

void cloudconfig_merge(struct cloudconfig *c, const struct cloudconfig *from)
{
	for (size_t i = 0; i < from->nfiles; i++)
		cloudconfig_put_file(c, &from->files[i]);
	for (size_t i = 0; i < from->nunits; i++)
		cloudconfig_put_unit(c, &from->units[i]);
	for (size_t i = 0; i < from->nmounts; i++)
		cloudconfig_put_mount(c, &from->mounts[i]);
	for (size_t i = 0; i < from->ncommands; i++)
		cloudconfig_put_command(c,
					(const char *const *)from->commands[i]);
	for (size_t i = 0; i < from->nusers; i++)
		cloudconfig_put_user(c, &from->users[i]);
	for (size_t i = 0; i < from->nkeys; i++)
		cloudconfig_put_key(c, from->keys[i].user, from->keys[i].line);
	if (from->host_private)
		cloudconfig_put_host_key(c, from->host_private,
					 from->host_public);
	if (from->stop_updates)
		c->stop_updates = true;
}
