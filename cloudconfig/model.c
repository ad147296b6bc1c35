#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "cloudconfig/check.h"
#include "cloudconfig/private.h"

#define MODE_DEFAULT 0644
#define COMMAND_WORDS 1024

const char *cloudconfig_flavor_name(enum cloudconfig_flavor flavor)
{
	static const char *const names[CLOUDCONFIG_FLAVORS] = {
		"flatcar", "ubuntu", "debian", "amazon",
	};

	return names[flavor];
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* ------------------------------------------------------------------ */
/* Files                                                               */

static void release_file(struct cloudconfig_file *file)
{
	free((void *)file->path);
	free((void *)file->content);
	free((void *)file->owner);
}

void cloudconfig_put_file(struct cloudconfig *c,
			  const struct cloudconfig_file *file)
{
	struct cloudconfig_file own = *file, *at = NULL;
	void *content = xmalloc(file->len + 1);

	if (file->len > 0)
		memcpy(content, file->content, file->len);
	own.path = xstrdup(file->path);
	own.content = content;
	own.owner = copy(file->owner);
	own.mode = file->mode ? file->mode : MODE_DEFAULT;
	for (size_t i = 0; i < c->nfiles && !at; i++)
		if (strcmp(c->files[i].path, file->path) == 0)
			at = &c->files[i];
	if (at)
		release_file(at);
	else
		at = CLOUDCONFIG_GROW(c->files, c->nfiles);
	*at = own;
}

int cloudconfig_add_file(struct cloudconfig *c,
			 const struct cloudconfig_file *file,
			 struct bigm_error *err)
{
	if (check_path("file", file->path, err) < 0)
		return BIGM_EINVALID;
	if (file->owner && check_owner(file->owner, err) < 0)
		return error_prefix(err, "file %s", file->path);
	if (file->mode > 07777)
		return bigm_error_set(err, BIGM_EINVALID,
				      "file %s: mode %o: must be 7777 at most, "
				      "in octal digits", file->path,
				      file->mode);
	cloudconfig_put_file(c, file);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Units                                                               */

static void release_unit(struct cloudconfig_unit *unit)
{
	free((void *)unit->name);
	free((void *)unit->content);
	free((void *)unit->command);
}

void cloudconfig_put_unit(struct cloudconfig *c,
			  const struct cloudconfig_unit *unit)
{
	struct cloudconfig_unit own = *unit, *at = NULL;

	own.name = xstrdup(unit->name);
	own.content = copy(unit->content);
	own.command = copy(unit->command);
	for (size_t i = 0; i < c->nunits && !at; i++)
		if (strcmp(c->units[i].name, unit->name) == 0)
			at = &c->units[i];
	if (at)
		release_unit(at);
	else
		at = CLOUDCONFIG_GROW(c->units, c->nunits);
	*at = own;
}

static int check_unit(const struct cloudconfig_unit *unit,
		      struct bigm_error *err)
{
	if (unit->command && check_unit_command(unit->command, err) < 0)
		return BIGM_EINVALID;
	if (unit->content &&
	    !check_is_text(unit->content, strlen(unit->content)))
		return bigm_error_set(err, BIGM_EINVALID,
				      "its content is no text");
	if (unit->mask && unit->content)
		return bigm_error_set(err, BIGM_EINVALID,
				      "one that is masked has no content");
	if ((unit->early || unit->soon) && !unit->content)
		return bigm_error_set(err, BIGM_EINVALID,
				      "an early one needs its content");
	if (unit->soon && unit->sync)
		return bigm_error_set(err, BIGM_EINVALID,
				      "nobody can wait for one that begins "
				      "soon");
	return 0;
}

int cloudconfig_add_unit(struct cloudconfig *c,
			 const struct cloudconfig_unit *unit,
			 struct bigm_error *err)
{
	if (check_unit_name(unit->name, err) < 0)
		return BIGM_EINVALID;
	if (check_unit(unit, err) < 0)
		return error_prefix(err, "unit %s", unit->name);
	cloudconfig_put_unit(c, unit);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Mounts                                                              */

static void release_mount(struct cloudconfig_mount *mount)
{
	free((void *)mount->device);
	free((void *)mount->dir);
	free((void *)mount->type);
	free((void *)mount->options);
}

static bool same_place(const struct cloudconfig_mount *a,
		       const struct cloudconfig_mount *b)
{
	return same(a->dir, b->dir) && (a->dir || same(a->device, b->device));
}

void cloudconfig_put_mount(struct cloudconfig *c,
			   const struct cloudconfig_mount *mount)
{
	struct cloudconfig_mount *at = NULL, own = {
		.device = xstrdup(mount->device),
		.dir = copy(mount->dir),
		.type = copy(mount->type),
		.options = copy(mount->options),
	};

	for (size_t i = 0; i < c->nmounts && !at; i++)
		if (same_place(&c->mounts[i], mount))
			at = &c->mounts[i];
	if (at)
		release_mount(at);
	else
		at = CLOUDCONFIG_GROW(c->mounts, c->nmounts);
	*at = own;
}

int cloudconfig_add_mount(struct cloudconfig *c,
			  const struct cloudconfig_mount *mount,
			  struct bigm_error *err)
{
	if (check_word("device of a mount", mount->device, err) < 0)
		return BIGM_EINVALID;
	if ((mount->dir && (check_path("mount", mount->dir, err) < 0 ||
			    check_word("mount", mount->dir, err) < 0)) ||
	    (mount->type && check_word("type", mount->type, err) < 0) ||
	    (mount->options && check_word("options", mount->options, err) < 0))
		return error_prefix(err, "mount of %s", mount->device);
	cloudconfig_put_mount(c, mount);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Commands                                                            */

void cloudconfig_put_command(struct cloudconfig *c, const char *const *argv)
{
	*CLOUDCONFIG_GROW(c->commands, c->ncommands) = strings_copy(argv);
}

int cloudconfig_add_command(struct cloudconfig *c, const char *const *argv,
			    struct bigm_error *err)
{
	size_t n = 0;

	for (; n <= COMMAND_WORDS && argv[n]; n++)
		if (!check_is_text(argv[n], strlen(argv[n])))
			return bigm_error_set(err, BIGM_EINVALID,
					      "command %s: word %zu is no text",
					      argv[0], n);
	if (n == 0 || n > COMMAND_WORDS || !*argv[0])
		return bigm_error_set(err, BIGM_EINVALID,
				      "a command must have from 1 to %d words",
				      COMMAND_WORDS);
	cloudconfig_put_command(c, argv);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Keys and users                                                      */

void cloudconfig_put_key(struct cloudconfig *c, const char *user,
			 const char *line)
{
	for (size_t i = 0; i < c->nkeys; i++)
		if (same(c->keys[i].user, user) &&
		    strcmp(c->keys[i].line, line) == 0)
			return;
	struct cloudconfig_key *key = CLOUDCONFIG_GROW(c->keys, c->nkeys);
	key->user = copy(user);
	key->line = xstrdup(line);
}

static bool has_user(const struct cloudconfig *c, const char *name)
{
	for (size_t i = 0; i < c->nusers; i++)
		if (strcmp(c->users[i].name, name) == 0)
			return true;
	return false;
}

int cloudconfig_add_ssh_key(struct cloudconfig *c, const char *user,
			    const char *key, struct bigm_error *err)
{
	if (check_ssh_key(key, err) < 0)
		return BIGM_EINVALID;
	if (user && !has_user(c, user))
		return bigm_error_set(err, BIGM_EINVALID,
				      "SSH key for %s: the document has no such "
				      "user", user);
	cloudconfig_put_key(c, user, key);
	return 0;
}

static void release_user(struct cloudconfig_user *user)
{
	free((void *)user->name);
	free((void *)user->groups);
	free((void *)user->shell);
}

void cloudconfig_put_user(struct cloudconfig *c,
			  const struct cloudconfig_user *user)
{
	struct cloudconfig_user *at = NULL, own = {
		.name = xstrdup(user->name),
		.groups = copy(user->groups),
		.shell = copy(user->shell),
		.sudo = user->sudo,
	};

	for (size_t i = 0; i < c->nusers && !at; i++)
		if (strcmp(c->users[i].name, user->name) == 0)
			at = &c->users[i];
	if (at)
		release_user(at);
	else
		at = CLOUDCONFIG_GROW(c->users, c->nusers);
	*at = own;
}

static int check_groups(const char *groups, struct bigm_error *err)
{
	while (*groups) {
		size_t len = strcspn(groups, ",");
		AUTO_FREE char *name = xstrndup(groups, len);

		if (check_user("group", name, err) < 0)
			return BIGM_EINVALID;
		groups += len + (groups[len] == ',');
	}
	return 0;
}

int cloudconfig_add_user(struct cloudconfig *c,
			 const struct cloudconfig_user *user,
			 struct bigm_error *err)
{
	if (check_user("user", user->name, err) < 0)
		return BIGM_EINVALID;
	if ((user->groups && check_groups(user->groups, err) < 0) ||
	    (user->shell && check_path("shell", user->shell, err) < 0))
		return error_prefix(err, "user %s", user->name);
	cloudconfig_put_user(c, user);
	return 0;
}

void cloudconfig_put_host_key(struct cloudconfig *c, const char *private_pem,
			      const char *public_line)
{
	free(c->host_private);
	free(c->host_public);
	c->host_private = xstrdup(private_pem);
	c->host_public = xstrdup(public_line);
}

int cloudconfig_set_host_key(struct cloudconfig *c, const char *private_pem,
			     const char *public_line, struct bigm_error *err)
{
	if (check_ssh_key(public_line, err) < 0)
		return error_prefix(err, "the host's key");
	if (!check_is_text(private_pem, strlen(private_pem)) ||
	    strncmp(private_pem, "-----BEGIN ", 11) != 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the host's private key: is not in "
				      "OpenSSH's format");
	cloudconfig_put_host_key(c, private_pem, public_line);
	return 0;
}

void cloudconfig_stop_updates(struct cloudconfig *c)
{
	c->stop_updates = true;
}

/* ------------------------------------------------------------------ */
/* All of it                                                           */

struct cloudconfig *cloudconfig_new(void)
{
	return xcalloc(1, sizeof(struct cloudconfig));
}

void cloudconfig_free(struct cloudconfig *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nfiles; i++)
		release_file(&c->files[i]);
	for (size_t i = 0; i < c->nunits; i++)
		release_unit(&c->units[i]);
	for (size_t i = 0; i < c->nmounts; i++)
		release_mount(&c->mounts[i]);
	for (size_t i = 0; i < c->nusers; i++)
		release_user(&c->users[i]);
	for (size_t i = 0; i < c->ncommands; i++)
		strings_free(c->commands[i]);
	for (size_t i = 0; i < c->nkeys; i++) {
		free(c->keys[i].user);
		free(c->keys[i].line);
	}
	free(c->files);
	free(c->units);
	free(c->mounts);
	free(c->users);
	free(c->commands);
	free(c->keys);
	free(c->host_private);
	free(c->host_public);
	free(c);
}
