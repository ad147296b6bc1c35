/* The document for cloud-init: ubuntu, debian, amazon. */
#include "config.h"

#include "cloudconfig/emit.h"

#define UNIT_FOLDER "/etc/systemd/system/"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* What a flavor would update or reboot by itself. */
static const char *const ubuntu_updates[] = {
	"apt-daily.timer", "apt-daily-upgrade.timer",
	"unattended-upgrades.service", "snapd.refresh.timer",
	"fwupd-refresh.timer", NULL,
};
static const char *const debian_updates[] = {
	"apt-daily.timer", "apt-daily-upgrade.timer",
	"unattended-upgrades.service", NULL,
};
static const char *const amazon_updates[] = {
	"dnf-automatic.timer", "yum-cron.service",
	"update-motd.timer", "update-motd.service", NULL,
};

static const char *const *updates_of(enum cloudconfig_flavor flavor)
{
	if (flavor == CLOUDCONFIG_UBUNTU)
		return ubuntu_updates;
	return flavor == CLOUDCONFIG_DEBIAN ? debian_updates : amazon_updates;
}

/* ------------------------------------------------------------------ */
/* What systemctl is told                                              */

static void give_command(const struct cloudconfig_unit *unit,
			 struct yaml_out *y)
{
	if (!unit->command)
		return;
	if (unit->sync)
		yaml_words(y, WORDS("systemctl", unit->command, unit->name));
	else
		yaml_words(y, WORDS("systemctl", "--no-block", unit->command,
				    unit->name));
}

static void set_up_unit(const struct cloudconfig_unit *unit,
			struct yaml_out *y)
{
	if (unit->mask)
		yaml_words(y, WORDS("systemctl", "mask", unit->name));
	if (unit->enable)
		yaml_words(y, WORDS("systemctl", "enable", unit->name));
	give_command(unit, y);
}

/* What bootcmd tells systemd of. */
static bool comes_first(const struct cloudconfig_unit *unit)
{
	return unit->early || unit->soon;
}

static bool has_first_units(const struct cloudconfig *c)
{
	for (size_t i = 0; i < c->nunits; i++)
		if (comes_first(&c->units[i]))
			return true;
	return false;
}

static bool has_unit_file(const struct cloudconfig_unit *unit)
{
	return unit->content && !comes_first(unit);
}

static bool has_unit_files(const struct cloudconfig *c)
{
	for (size_t i = 0; i < c->nunits; i++)
		if (has_unit_file(&c->units[i]))
			return true;
	return false;
}

/* bootcmd comes before write_files, and so writes the files itself; and before
 * timers, so that what is masked here never begins. */
static void emit_bootcmd(const struct cloudconfig *c,
			 enum cloudconfig_flavor flavor, struct yaml_out *y)
{
	if (!has_first_units(c) && !c->stop_updates)
		return;
	yaml_key(y, "bootcmd");
	yaml_list(y);
	for (size_t i = 0; i < c->nunits; i++)
		if (comes_first(&c->units[i]))
			yaml_words(y, WORDS("sh", "-c",
					    "printf %s \"$1\" "
					    ">" UNIT_FOLDER "\"$0\"",
					    c->units[i].name,
					    c->units[i].content));
	if (c->stop_updates)
		yaml_more_words(y, WORDS("sh", "-c",
					 "for u; do ln -sf /dev/null "
					 UNIT_FOLDER "\"$u\"; done", "sh"),
				updates_of(flavor));
	yaml_words(y, WORDS("systemctl", "daemon-reload"));
	for (size_t i = 0; i < c->nunits; i++)
		if (comes_first(&c->units[i]))
			set_up_unit(&c->units[i], y);
	yaml_end_list(y);
}

static bool has_runcmd(const struct cloudconfig *c)
{
	if (c->ncommands > 0 || c->stop_updates)
		return true;
	for (size_t i = 0; i < c->nunits; i++)
		if (!comes_first(&c->units[i]))
			return true;
	for (size_t i = 0; i < c->nfiles; i++)
		if (c->files[i].owner)
			return true;
	return false;
}

static void emit_runcmd(const struct cloudconfig *c,
			enum cloudconfig_flavor flavor, struct yaml_out *y)
{
	if (!has_runcmd(c))
		return;
	yaml_key(y, "runcmd");
	yaml_list(y);
	for (size_t i = 0; i < c->nfiles; i++)
		if (c->files[i].owner)
			yaml_words(y, WORDS("chown", c->files[i].owner,
					    c->files[i].path));
	/* Each takes systemd a while, in which it does nothing else. */
	if (has_unit_files(c))
		yaml_words(y, WORDS("systemctl", "daemon-reload"));
	/* Where one was faster than bootcmd. */
	if (c->stop_updates)
		yaml_more_words(y, WORDS("systemctl", "--no-block", "stop"),
				updates_of(flavor));
	for (size_t i = 0; i < c->nunits; i++)
		if (!comes_first(&c->units[i]))
			set_up_unit(&c->units[i], y);
	for (size_t i = 0; i < c->ncommands; i++)
		yaml_words(y, (const char *const *)c->commands[i]);
	yaml_end_list(y);
}

/* ------------------------------------------------------------------ */
/* The rest                                                            */

static void emit_unit_file(const struct cloudconfig_unit *unit,
			   struct yaml_out *y)
{
	AUTO_FREE char *path = xasprintf(UNIT_FOLDER "%s", unit->name);
	struct cloudconfig_file file = {
		.path = path, .content = unit->content,
		.len = strlen(unit->content), .mode = 0644,
	};

	emit_file(&file, y);
}

static void emit_files(const struct cloudconfig *c, struct yaml_out *y)
{
	if (c->nfiles == 0 && !has_unit_files(c))
		return;
	yaml_key(y, "write_files");
	yaml_list(y);
	for (size_t i = 0; i < c->nfiles; i++)
		emit_file(&c->files[i], y);
	for (size_t i = 0; i < c->nunits; i++)
		if (has_unit_file(&c->units[i]))
			emit_unit_file(&c->units[i], y);
	yaml_end_list(y);
}

static void emit_users(const struct cloudconfig *c, struct yaml_out *y)
{
	emit_keys(c, NULL, y);
	if (c->nusers == 0)
		return;
	yaml_key(y, "users");
	yaml_list(y);
	yaml_word(y, "default");
	for (size_t i = 0; i < c->nusers; i++) {
		const struct cloudconfig_user *user = &c->users[i];

		yaml_map(y);
		yaml_pair(y, "name", user->name);
		yaml_pair(y, "groups", user->groups);
		yaml_pair(y, "shell", user->shell);
		if (user->sudo)
			yaml_pair(y, "sudo", "ALL=(ALL) NOPASSWD:ALL");
		emit_keys(c, user->name, y);
		yaml_end_map(y);
	}
	yaml_end_list(y);
}

static void emit_host_key(const struct cloudconfig *c, struct yaml_out *y)
{
	if (!c->host_private)
		return;
	yaml_flag(y, "ssh_deletekeys", true);
	yaml_key(y, "ssh_keys");
	yaml_map(y);
	yaml_pair(y, "ed25519_private", c->host_private);
	yaml_pair(y, "ed25519_public", c->host_public);
	yaml_end_map(y);
}

static void emit_mounts(const struct cloudconfig *c, struct yaml_out *y)
{
	if (c->nmounts == 0)
		return;
	yaml_key(y, "mounts");
	yaml_list(y);
	for (size_t i = 0; i < c->nmounts; i++) {
		const struct cloudconfig_mount *m = &c->mounts[i];

		/* A device alone takes away what cloud-init has for it. */
		if (!m->dir)
			yaml_words(y, WORDS(m->device));
		else
			yaml_words(y, WORDS(m->device, m->dir,
					    m->type ? m->type : "auto",
					    m->options ? m->options
						       : "defaults,nofail",
					    "0", "2"));
	}
	yaml_end_list(y);
}

static void emit_no_updates(const struct cloudconfig *c,
			    enum cloudconfig_flavor flavor, struct yaml_out *y)
{
	if (!c->stop_updates)
		return;
	yaml_key(y, "package_update");
	yaml_word(y, "false");
	yaml_key(y, "package_upgrade");
	yaml_word(y, "false");
	/* Amazon's cloud-init installs security updates unless told so. */
	if (flavor == CLOUDCONFIG_AMAZON)
		yaml_pair(y, "repo_upgrade", "none");
}

void emit_cloudinit(const struct cloudconfig *c,
		    enum cloudconfig_flavor flavor, struct yaml_out *y)
{
	emit_bootcmd(c, flavor, y);
	emit_users(c, y);
	emit_host_key(c, y);
	emit_no_updates(c, flavor, y);
	emit_files(c, y);
	emit_mounts(c, y);
	emit_runcmd(c, flavor, y);
}
