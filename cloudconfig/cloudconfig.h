/*
 * cloudconfig: the document that an instance is given when it boots.
 *
 * A model of what a host shall be: files, systemd units, mounts, commands, SSH
 * keys, users.  It is the same for every flavor of Linux; only
 * cloudconfig_emit() knows how each wants to be told:
 *
 *   flatcar	coreos-cloudinit: `coreos:` with update policy and units,
 *		write_files, users, ssh_authorized_keys.  It knows no mounts,
 *		commands and host keys: those become units and files.
 *   ubuntu, debian, amazon
 *		cloud-init: units are files in /etc/systemd/system, and
 *		`systemctl` in runcmd; bootcmd for what must come first.
 *
 * The order in which a host does things, with every flavor:
 *
 *   1. units marked `early`, in the order of the document (with cloud-init
 *	before anything else, while files and users are still missing; with
 *	flatcar after the files, which it writes first); what the flavor would
 *	update by itself is switched off, before any of it has begun
 *   2. files, in the order of the document; users; keys.  A file belongs to
 *	root until its owner is sure to be there, which is before the units
 *   3. mounts; the units are masked and enabled, and their commands given, in the
 *	order of the document; without `sync` nobody waits for a command
 *	(systemctl --no-block), and on flatcar those come behind the others
 *   4. commands, in the order of the document, each after the one before has
 *	ended, whatever its status
 *
 * cloud-init comes to 3. when nearly all of the boot is over.  A unit marked
 * `soon` does not wait for that: it is told to systemd with the early ones, and
 * waits by its own text, After=CLOUDCONFIG_AFTER_FILES, until 2. is done.  With
 * flatcar it is as any other.
 *
 * Not thread-safe.  All texts are copied.  Functions that add return 0 or, with
 * *err set and the document as it was, BIGM_EINVALID: for a path that is not
 * absolute or has "..", a name that is no unit's or user's, a text with a line
 * break where one would change the document's meaning.
 *
 * Formats: cloud-init's module reference; flatcar's
 * coreos-cloudinit/Documentation/cloud-config.md.
 */
#ifndef CLOUDCONFIG_CLOUDCONFIG_H
#define CLOUDCONFIG_CLOUDCONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "bigm.h"

enum cloudconfig_flavor {
	CLOUDCONFIG_FLATCAR,
	CLOUDCONFIG_UBUNTU,
	CLOUDCONFIG_DEBIAN,
	CLOUDCONFIG_AMAZON,
};
#define CLOUDCONFIG_FLAVORS 4

/* "flatcar", "ubuntu", "debian", "amazon". */
const char *cloudconfig_flavor_name(enum cloudconfig_flavor flavor);

struct cloudconfig;

struct cloudconfig *cloudconfig_new(void);
void cloudconfig_free(struct cloudconfig *c);

struct cloudconfig_file {
	const char *path;    /* absolute */
	const void *content; /* any bytes */
	size_t len;
	unsigned mode;	     /* 0: 0644 */
	const char *owner;   /* "USER" or "USER:GROUP"; NULL: root */
};

/* A file of the same path is replaced, in its place. */
int cloudconfig_add_file(struct cloudconfig *c,
			 const struct cloudconfig_file *file,
			 struct bigm_error *err);

struct cloudconfig_unit {
	const char *name;    /* "bootmachine.service" */
	const char *content; /* NULL: the host has it */
	const char *command; /* of systemctl: start, stop, restart, reload,
			      * try-restart, reload-or-restart,
			      * reload-or-try-restart; NULL: none */
	bool enable;
	bool sync;  /* what follows waits until the command has been carried out */
	bool mask;  /* cannot be started by anybody; not with content */
	bool early; /* before all else; needs content */
	bool soon;  /* as soon as files and users are there; needs content, and
		     * cannot have sync */
};

/* The units of cloud-init that write files and make users, by their old and new
 * name. */
#define CLOUDCONFIG_AFTER_FILES "cloud-init.service cloud-init-network.service"

/* A unit of the same name is replaced, in its place. */
int cloudconfig_add_unit(struct cloudconfig *c,
			 const struct cloudconfig_unit *unit,
			 struct bigm_error *err);

struct cloudconfig_mount {
	const char *device;  /* "/dev/md0", "LABEL=x"; or cloud-init's own word
			      * for one, such as "ephemeral0" */
	const char *dir;     /* absolute; NULL: what cloud-init would mount by
			      * itself from there is not mounted */
	const char *type;    /* "ext4"; NULL: auto */
	const char *options; /* NULL: "defaults,nofail" */
};

/* A mount of the same folder (or, without one, device) is replaced. */
int cloudconfig_add_mount(struct cloudconfig *c,
			  const struct cloudconfig_mount *mount,
			  struct bigm_error *err);

/* argv, NULL-terminated; no shell is between. */
int cloudconfig_add_command(struct cloudconfig *c, const char *const *argv,
			    struct bigm_error *err);

/* A public key, "ssh-ed25519 AAAA… comment", for the flavor's own login user,
 * or for one that was added.  One that is there is not added again. */
int cloudconfig_add_ssh_key(struct cloudconfig *c, const char *user,
			    const char *key, struct bigm_error *err);

struct cloudconfig_user {
	const char *name;
	const char *groups; /* "a,b"; NULL: none */
	const char *shell;  /* absolute; NULL: the host's default */
	bool sudo;	    /* may do everything, without a password */
};

/* A user of the same name is replaced, and keeps his keys. */
int cloudconfig_add_user(struct cloudconfig *c,
			 const struct cloudconfig_user *user,
			 struct bigm_error *err);

/* The host's SSH key of type ed25519, as the one that it has: private in
 * OpenSSH's format with line breaks, public as one line. */
int cloudconfig_set_host_key(struct cloudconfig *c, const char *private_pem,
			     const char *public_line, struct bigm_error *err);

/* No updates, and no reboots for them, that nobody has asked for: the flavor's
 * own machinery for that is switched off. */
void cloudconfig_stop_updates(struct cloudconfig *c);

/*
 * Adds all of `from` to c, by these rules: files, units, mounts and users are
 * told apart by path, name, folder and name; one of `from` replaces that of c
 * and stands where that stood, others are appended in their order.  Commands
 * are appended.  Keys are united.  A host key of `from` replaces that of c;
 * updates are stopped when either says so.  Merging twice is merging once, but
 * for the commands.  Cannot fail: what `from`, another document, took is right.
 */
void cloudconfig_merge(struct cloudconfig *c, const struct cloudconfig *from);

/*
 * The document as YAML, beginning with "#cloud-config"; the same model gives
 * the same bytes.  Text stands there as text; other bytes in base64, with gzip
 * before that where this is shorter.  BIGM_EEXHAUSTED when out has no room;
 * BIGM_EINVALID for text that YAML cannot carry.
 */
int cloudconfig_emit(const struct cloudconfig *c,
		     enum cloudconfig_flavor flavor, struct buffer *out,
		     struct bigm_error *err);

/* What EC2 takes as user data, before base64: 16 KiB. */
#define CLOUDCONFIG_MAX 16384

/*
 * The document as EC2 gets it: as emitted, or, when that exceeds
 * CLOUDCONFIG_MAX, compressed by gzip, without a time.  BIGM_EEXHAUSTED when
 * that is too much, too: the text names the largest parts with their sizes.
 */
int cloudconfig_pack(const struct cloudconfig *c,
		     enum cloudconfig_flavor flavor, struct buffer *out,
		     struct bigm_error *err);

#endif
