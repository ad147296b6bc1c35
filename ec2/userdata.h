/*
 * userdata: what an instance is told when it boots.
 *
 * A document (cloudconfig/cloudconfig.h) with, in the order in which it happens
 * on the instance:
 *
 *   bigm-deadman.timer	  first of all: powers the instance off when the time
 *			  (setting dead-man, 10m) since its boot is over and
 *			  EC2_ALIVE_PATH is not there.  The worker makes that
 *			  file at its first Keepalive: BIGM_ALIVE of
 *			  bootmachine.service, see supervisor/boot.h.  From then
 *			  on its lease counts
 *   bigm-prepare.service ec2/instance/prepare.sh: data volumes, found by the
 *			  model and serial of their NVMe devices, or by the names
 *			  of volumes.h under Xen, formatted, and striped by mdadm
 *			  when they are several; EC2_DATA_DIR; sysctl; power-off
 *			  as what the next boot does
 *   bigm-notices.service ec2/instance/notices.sh: looks at the metadata service
 *			  every 5 s, and prints a line in the journal,
 *			  "bigm-notice spot-interruption JSON" or "bigm-notice
 *			  rebalance JSON", SYSLOG_IDENTIFIER EC2_NOTICES: the
 *			  keeper follows that by SSH
 *   the user's units
 *   bootmachine.service  as soon as cloud-init has written the files, unless
 *			  the user has units, or files with an owner, which come
 *			  before it and are cloud-init's last work.
 *			  ec2/instance/fetch.sh brings EC2_BOOT_PATH there, or
 *			  waits for the keeper to do so (ec2_push_command()); then
 *			  it runs, with the bootstrap identity.  When it has
 *			  ended, however, the instance powers off 30 s later,
 *			  unless it is immortal: time for reading its journal.
 *			  The worker's output is in the journal under that unit's
 *			  name, without rate limit and level prefixes
 *
 * What an instance that is powered off comes to is EC2's: it is terminated.
 *
 * OOMScoreAdjust of bootmachine.service is positive: when memory is short it is
 * the user's program that takes it, and what has to go; sshd and the journal,
 * by which one learns of it, stay.
 */
#ifndef EC2_USERDATA_H
#define EC2_USERDATA_H

#include "cloudconfig/cloudconfig.h"
#include "ec2/settings.h"
#include "ec2/volumes.h"

#define EC2_BOOT_PATH "/opt/bigm/ec2boot"
#define EC2_IDENTITY_PATH "/etc/bigm/bootstrap"
#define EC2_ALIVE_PATH "/run/bigm-alive"
#define EC2_DATA_DIR "/mnt/data"
#define EC2_MACHINE_DIR EC2_DATA_DIR "/machine" /* ec2boot --dir */
#define EC2_WORKER_UNIT "bootmachine.service"
#define EC2_NOTICES "bigm-notices"
#define EC2_POWEROFF_S 30

struct ec2_userdata {
	const struct ec2_settings *settings;
	struct ec2_data_volumes data;
	const char *bootstrap; /* the text of the bootstrap identity, see
				* supervisor/bootstrap.h */
	const char *host_private, *host_public; /* as of ec2/ssh_key.h */
	const char *const *ssh_keys; /* lines of public keys, besides those of
				      * the settings; NULL-terminated */
	int port; /* of the worker; 0: 443 */
};

/* The document.  Reads the files that settings name; the error says which of
 * them is the matter.  NULL with *err set. */
struct cloudconfig *ec2_userdata_document(const struct ec2_userdata *u,
					  struct bigm_error *err);

/* The document as bytes for EC2 (cloudconfig_pack()), before base64. */
int ec2_userdata(const struct ec2_userdata *u, struct buffer *out,
		 struct bigm_error *err);

/* The shell command that takes ec2boot from its standard input, checks its
 * digest ("sha256:…" or 64 digits), and puts it where it belongs, all at once,
 * and wakes who waits for it; for the login user of any flavor.  malloc'ed. */
char *ec2_push_command(const char *digest);

#endif
