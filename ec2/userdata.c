#include "config.h"

#include "ec2/userdata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/instance_texts.h"
#include "ec2/specs.h"
#include "ec2/userdata_units.h"

#define FILE_MOST (1u << 20) /* bytes; a document takes much less */

static const char sysctl_conf[] =
	"fs.nr_open = 33554432\n"
	"fs.file-max = 9223372036854775807\n"
	"kernel.dmesg_restrict = 0\n"
	"kernel.printk_devkmsg = on\n"
	/* A host that has panicked boots again, and so ends. */
	"kernel.panic = 10\n";

/* ------------------------------------------------------------------ */
/* Files of the user's                                                 */

/* "~/x" is in the home folder; malloc'ed. */
static char *expand(const char *path)
{
	const char *home = getenv("HOME");

	if (strncmp(path, "~/", 2) == 0 && home)
		return xasprintf("%s/%s", home, path + 2);
	return xstrdup(path);
}

/* mode (may be NULL): the file's own. */
static int read_file(const char *name, struct buffer *out, unsigned *mode,
		     struct bigm_error *err)
{
	AUTO_FREE char *path = expand(name);
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char block[8192];
	struct stat st;
	size_t n;

	if (!file || fstat(fileno(file), &st) < 0)
		return error_set_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return bigm_error_set(err, BIGM_EINVALID, "%s is no file", path);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		if (buffer_append(out, block, n, NULL) < 0)
			return bigm_error_set(err, BIGM_EEXHAUSTED,
					      "%s has more than %u bytes, and "
					      "all that an instance is told "
					      "must not exceed %d", path,
					      FILE_MOST, CLOUDCONFIG_MAX);
	if (ferror(file))
		return error_set_errno(err, errno, "%s", path);
	if (mode)
		*mode = st.st_mode & 07777;
	return 0;
}

static int add_user_file(struct cloudconfig *c, const char *text,
			 struct bigm_error *err)
{
	struct buffer bytes = BUFFER_INIT(FILE_MOST);
	struct ec2_file_spec spec;
	unsigned mode = 0;
	int r = ec2_file_spec_parse(&spec, text, err);

	if (r == 0)
		r = read_file(spec.source, &bytes, &mode, err);
	if (r == 0)
		r = cloudconfig_add_file(c, &(struct cloudconfig_file){
			.path = spec.path,
			.content = buffer_data(&bytes), .len = bytes.len,
			.mode = spec.mode ? spec.mode : mode,
			.owner = spec.owner }, err);
	buffer_release(&bytes);
	ec2_file_spec_release(&spec);
	return r < 0 ? error_prefix(err, "ec2-file") : 0;
}

static int add_user_unit(struct cloudconfig *c, const char *text,
			 struct bigm_error *err)
{
	struct buffer bytes = BUFFER_INIT(FILE_MOST);
	struct ec2_unit_spec spec;
	int r = ec2_unit_spec_parse(&spec, text, err);

	if (r == 0)
		r = read_file(spec.source, &bytes, NULL, err);
	if (r == 0 && bytes.len > 0 && memchr(buffer_data(&bytes), 0, bytes.len))
		r = bigm_error_set(err, BIGM_EINVALID, "%s: is no text",
				   spec.source);
	if (r == 0)
		r = cloudconfig_add_unit(c, &(struct cloudconfig_unit){
			.name = spec.name, .content = buffer_string(&bytes),
			.command = spec.command, .enable = spec.enable,
			.sync = spec.sync }, err);
	buffer_release(&bytes);
	ec2_unit_spec_release(&spec);
	return r < 0 ? error_prefix(err, "ec2-unit") : 0;
}

static int add_key_file(struct cloudconfig *c, const char *name,
			struct bigm_error *err)
{
	struct buffer bytes = BUFFER_INIT(FILE_MOST);
	int r = read_file(name, &bytes, NULL, err);
	AUTO_FREE char *text = xstrdup(buffer_string(&bytes));
	char *rest = text;

	for (char *line; r == 0 && (line = strtok_r(rest, "\r\n", &rest));)
		if (*line != '#')
			r = cloudconfig_add_ssh_key(c, NULL, line, err);
	buffer_release(&bytes);
	return r < 0 ? error_prefix(err, "ec2-ssh-key %s", name) : 0;
}

/* A key has a blank behind its type; a path has none, or begins otherwise. */
static bool is_key(const char *text)
{
	return strncmp(text, "ssh-", 4) == 0 || strncmp(text, "ecdsa-", 6) == 0 ||
	       strncmp(text, "sk-", 3) == 0;
}

static int add_keys(struct cloudconfig *c, const struct ec2_userdata *u,
		    struct bigm_error *err)
{
	int r = 0;

	for (const char *const *key = u->ssh_keys; key && *key && r == 0; key++)
		r = cloudconfig_add_ssh_key(c, NULL, *key, err);
	for (char **key = u->settings->ssh_keys; *key && r == 0; key++)
		r = is_key(*key) ? cloudconfig_add_ssh_key(c, NULL, *key, err)
				 : add_key_file(c, *key, err);
	return r;
}

/* ------------------------------------------------------------------ */
/* Our own                                                             */

static int add_text(struct cloudconfig *c, const char *path, unsigned mode,
		    const char *text, struct bigm_error *err)
{
	return cloudconfig_add_file(c, &(struct cloudconfig_file){
		.path = path, .mode = mode, .content = text,
		.len = strlen(text) }, err);
}

static int add_files(struct cloudconfig *c, const struct ec2_userdata *u,
		     struct bigm_error *err)
{
	const struct ec2_settings *s = u->settings;
	/* systemd takes a value between double quotes as it is but for these
	 * characters, which no URL here has. */
	AUTO_FREE char *variables = xasprintf(
		"DATA_COUNT=%d\nDATA_GIB=%d\nDATA_DIR=" EC2_DATA_DIR "\n"
		"BOOT=" EC2_BOOT_PATH "\nBINARY_URL=\"%s\"\n"
		"BINARY_SHA256=%s\n",
		u->data.count, u->data.gib, s->binary_url ? s->binary_url : "",
		s->binary_sha256 ? s->binary_sha256 : "");
	const struct {
		const char *path;
		unsigned mode;
		const char *text;
	} files[] = {
		{ EC2_IDENTITY_PATH, 0600, u->bootstrap },
		{ EC2_INSTANCE_PATH, 0644, variables },
		{ "/etc/sysctl.d/90-bigm.conf", 0644, sysctl_conf },
		{ EC2_PREPARE_PATH, 0755, ec2_prepare_script },
		{ EC2_FETCH_PATH, 0755, ec2_fetch_script },
		{ EC2_NOTICES_PATH, 0755, ec2_notices_script },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files) && r == 0; i++)
		r = add_text(c, files[i].path, files[i].mode, files[i].text,
			     err);
	return r;
}

enum when { EARLY, SOON, IN_TURN }; /* as of cloudconfig.h */

static int add_unit(struct cloudconfig *c, const char *name, char *content,
		    const char *command, enum when when, struct bigm_error *err)
{
	int r = cloudconfig_add_unit(c, &(struct cloudconfig_unit){
		.name = name, .content = content, .command = command,
		.early = when == EARLY, .soon = when == SOON }, err);

	free(content);
	return r;
}

static int add_ends(struct cloudconfig *c, const struct ec2_settings *s,
		    struct bigm_error *err)
{
	static const char unless[] = "ConditionPathExists=!" EC2_ALIVE_PATH "\n";
	int r = add_unit(c, EC2_DEADMAN ".service",
			 ec2_poweroff_unit("No keeper has kept this machine "
					   "alive", unless), NULL, EARLY, err);

	if (r == 0)
		r = add_unit(c, EC2_DEADMAN ".timer",
			     ec2_timer_unit(EC2_DEADMAN, "Wait for a keeper",
					    "OnBootSec",
					    (double)s->dead_man_ms / 1000),
			     "start", EARLY, err);
	if (r == 0)
		r = add_unit(c, EC2_POWEROFF ".service",
			     ec2_poweroff_unit("The worker has ended", ""), NULL,
			     EARLY, err);
	if (r == 0)
		r = add_unit(c, EC2_POWEROFF ".timer",
			     ec2_timer_unit(EC2_POWEROFF,
					    "Time to read the journal",
					    "OnActiveSec", EC2_POWEROFF_S), NULL,
			     EARLY, err);
	return r;
}

/* A file belongs to its owner, and a unit of the user's begins, in runcmd. */
static bool worker_waits_for_runcmd(const struct ec2_settings *s)
{
	struct ec2_file_spec spec;
	bool waits = s->units[0] != NULL;

	for (char **file = s->files; *file && !waits; file++) {
		waits = ec2_file_spec_parse(&spec, *file, NULL) == 0 &&
			spec.owner;
		ec2_file_spec_release(&spec);
	}
	return waits;
}

static int add_units(struct cloudconfig *c, const struct ec2_userdata *u,
		     struct bigm_error *err)
{
	const struct ec2_settings *s = u->settings;
	enum when worker = worker_waits_for_runcmd(s) ? IN_TURN : SOON;
	int r = add_ends(c, s, err);

	if (r == 0)
		r = add_unit(c, "bigm-prepare.service", ec2_prepare_unit(u),
			     NULL, SOON, err);
	if (r == 0)
		r = add_unit(c, EC2_NOTICES ".service", ec2_notices_unit(),
			     "start", SOON, err);
	for (char **unit = s->units; *unit && r == 0; unit++)
		r = add_user_unit(c, *unit, err);
	/* The last: on flatcar whatever the user waits for comes before. */
	if (r == 0)
		r = add_unit(c, EC2_WORKER_UNIT, ec2_worker_unit(u), "start",
			     worker, err);
	return r;
}

static int fill(struct cloudconfig *c, const struct ec2_userdata *u,
		struct bigm_error *err)
{
	int r = add_units(c, u, err);

	/* cloud-init would mount a disk of the instance at /mnt. */
	if (r == 0)
		r = cloudconfig_add_mount(c, &(struct cloudconfig_mount){
			.device = "ephemeral0" }, err);
	if (r == 0)
		r = cloudconfig_set_host_key(c, u->host_private, u->host_public,
					     err);
	if (r == 0)
		r = add_keys(c, u, err);
	if (r == 0)
		r = add_files(c, u, err);
	for (char **file = u->settings->files; *file && r == 0; file++)
		r = add_user_file(c, *file, err);
	cloudconfig_stop_updates(c);
	return r;
}

struct cloudconfig *ec2_userdata_document(const struct ec2_userdata *u,
					  struct bigm_error *err)
{
	struct cloudconfig *c = cloudconfig_new();

	if (fill(c, u, err) == 0)
		return c;
	cloudconfig_free(c);
	return NULL;
}

int ec2_userdata(const struct ec2_userdata *u, struct buffer *out,
		 struct bigm_error *err)
{
	struct cloudconfig *c = ec2_userdata_document(u, err);
	int r;

	if (!c)
		return err ? err->code : BIGM_EINVALID;
	r = cloudconfig_pack(c, (enum cloudconfig_flavor)u->settings->flavor,
			     out, err);
	cloudconfig_free(c);
	return r;
}

char *ec2_push_command(const char *digest)
{
	if (strncmp(digest, "sha256:", 7) == 0)
		digest += 7;
	return xasprintf("sudo -n sh -c 'set -e; mkdir -p /opt/bigm; "
			 "cat >" EC2_BOOT_PATH ".part; "
			 "echo \"%s  " EC2_BOOT_PATH ".part\" | "
			 "sha256sum -c --quiet -; "
			 "chmod 755 " EC2_BOOT_PATH ".part; "
			 "mv " EC2_BOOT_PATH ".part " EC2_BOOT_PATH "; "
			 "[ ! -p " EC2_BOOT_PATH ".bell ] || "
			 "echo 1<>" EC2_BOOT_PATH ".bell'",
			 digest);
}
