/* The document for coreos-cloudinit: flatcar. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>

#include "cloudconfig/emit.h"

#define COMMANDS_UNIT "cloudconfig-commands.service"
#define UNIT_TEXT_MAX (1u << 20)
#define HOST_KEY "/etc/ssh/ssh_host_ed25519_key"

/* ------------------------------------------------------------------ */
/* Units                                                               */

static void emit_unit(const struct cloudconfig_unit *unit, bool command,
		      struct yaml_out *y)
{
	yaml_map(y);
	yaml_pair(y, "name", unit->name);
	if (command)
		yaml_pair(y, "command", unit->command);
	yaml_flag(y, "enable", unit->enable);
	yaml_flag(y, "mask", unit->mask);
	yaml_pair(y, "content", unit->content);
	yaml_end_map(y);
}

static void emit_no_updates(struct yaml_out *y)
{
	static const struct cloudconfig_unit updater = {
		.name = "update-engine.service", .command = "stop",
		.mask = true,
	};

	emit_unit(&updater, true, y);
}

/* systemd's way of writing a path as a unit's name, as systemd-escape(1)
 * does. */
static void append_escaped(struct buffer *name, const char *path)
{
	for (const char *p = path + 1; *p; p++)
		if (*p == '/')
			buffer_append(name, "-", 1, NULL);
		else if (isalnum((unsigned char)*p) || *p == '_' || *p == ':' ||
			 (*p == '.' && p > path + 1))
			buffer_append(name, p, 1, NULL);
		else
			buffer_appendf(name, NULL, "\\x%02x",
				       (unsigned char)*p);
}

static void emit_mount(const struct cloudconfig_mount *mount,
		       struct yaml_out *y)
{
	struct buffer name = BUFFER_INIT(UNIT_TEXT_MAX);
	AUTO_FREE char *text = xasprintf(
		"[Unit]\n"
		"Description=%s\n"
		"[Mount]\n"
		"What=%s\n"
		"Where=%s\n"
		"Type=%s\n"
		"Options=%s\n",
		mount->dir, mount->device, mount->dir,
		mount->type ? mount->type : "auto",
		mount->options ? mount->options : "defaults,nofail");

	append_escaped(&name, mount->dir);
	buffer_append(&name, ".mount", 6, NULL);
	struct cloudconfig_unit unit = {
		.name = buffer_string(&name), .content = text,
		.command = "start",
	};
	emit_unit(&unit, true, y);
	buffer_release(&name);
}

/* ------------------------------------------------------------------ */
/* What coreos-cloudinit has no words for, as a unit                   */

/* A word of ExecStart=, see systemd.service(5), "COMMAND LINES". */
static void append_word(struct buffer *text, const char *word)
{
	buffer_append(text, " \"", 2, NULL);
	for (; *word; word++)
		if (*word == '"' || *word == '\\')
			buffer_appendf(text, NULL, "\\%c", *word);
		else if (*word == '%' || *word == '$')
			buffer_appendf(text, NULL, "%c%c", *word, *word);
		else if (*word == '\n' || *word == '\t')
			buffer_append(text, *word == '\n' ? "\\n" : "\\t", 2,
				      NULL);
		else
			buffer_append(text, word, 1, NULL);
	buffer_append(text, "\"", 1, NULL);
}

static void append_command(struct buffer *text, const char *const *argv)
{
	/* The program's name takes no escapes but these. */
	buffer_append(text, "ExecStart=-", 11, NULL);
	if (argv[0][0] == '/')
		buffer_appendf(text, NULL, "%s", argv[0]);
	else
		buffer_appendf(text, NULL, "/usr/bin/env %s", argv[0]);
	for (argv++; *argv; argv++)
		append_word(text, *argv);
	buffer_append(text, "\n", 1, NULL);
}

static void append_orders(struct buffer *text, const struct cloudconfig *c)
{
	for (size_t i = 0; i < c->nfiles; i++)
		if (c->files[i].owner)
			append_command(text, (const char *const[]){
				"chown", c->files[i].owner, c->files[i].path,
				NULL });
	for (size_t i = 0; i < c->nunits; i++) {
		const struct cloudconfig_unit *unit = &c->units[i];

		if (unit->command && !unit->sync && !unit->early)
			append_command(text, (const char *const[]){
				"systemctl", "--no-block", unit->command,
				unit->name, NULL });
	}
	for (size_t i = 0; i < c->ncommands; i++)
		append_command(text, (const char *const *)c->commands[i]);
}

static void emit_orders(const struct cloudconfig *c, struct yaml_out *y)
{
	struct buffer text = BUFFER_INIT(UNIT_TEXT_MAX);
	size_t head;

	buffer_appendf(&text, NULL,
		       "[Unit]\n"
		       "Description=Commands of the cloud-config\n"
		       "[Service]\n"
		       "Type=oneshot\n"
		       "RemainAfterExit=yes\n"
		       "TimeoutStartSec=infinity\n");
	head = text.len;
	append_orders(&text, c);
	if (text.len > head) {
		struct cloudconfig_unit unit = {
			.name = COMMANDS_UNIT,
			.content = buffer_string(&text), .command = "start",
		};
		emit_unit(&unit, true, y);
	}
	buffer_release(&text);
}

static void emit_coreos(const struct cloudconfig *c, struct yaml_out *y)
{
	yaml_key(y, "coreos");
	yaml_map(y);
	if (c->stop_updates) {
		yaml_key(y, "update");
		yaml_map(y);
		yaml_pair(y, "reboot-strategy", "off");
		yaml_end_map(y);
	}
	yaml_key(y, "units");
	yaml_list(y);
	for (size_t i = 0; i < c->nunits; i++)
		if (c->units[i].early)
			emit_unit(&c->units[i], true, y);
	if (c->stop_updates)
		emit_no_updates(y);
	for (size_t i = 0; i < c->nmounts; i++)
		if (c->mounts[i].dir)
			emit_mount(&c->mounts[i], y);
	for (size_t i = 0; i < c->nunits; i++)
		if (!c->units[i].early)
			emit_unit(&c->units[i], c->units[i].sync, y);
	emit_orders(c, y);
	yaml_end_list(y);
	yaml_end_map(y);
}

/* ------------------------------------------------------------------ */
/* The rest                                                            */

static void emit_users(const struct cloudconfig *c, struct yaml_out *y)
{
	emit_keys(c, NULL, y);
	if (c->nusers == 0)
		return;
	yaml_key(y, "users");
	yaml_list(y);
	for (size_t i = 0; i < c->nusers; i++) {
		const struct cloudconfig_user *user = &c->users[i];
		AUTO_FREE char *groups = xasprintf(
			"%s%s%s", user->groups ? user->groups : "",
			user->groups && user->sudo ? "," : "",
			user->sudo ? "sudo" : "");

		yaml_map(y);
		yaml_pair(y, "name", user->name);
		yaml_pair(y, "shell", user->shell);
		if (*groups) {
			yaml_key(y, "groups");
			yaml_list(y);
			for (char *rest = groups, *g;
			     (g = strtok_r(rest, ",", &rest));)
				yaml_text(y, g);
			yaml_end_list(y);
		}
		emit_keys(c, user->name, y);
		yaml_end_map(y);
	}
	yaml_end_list(y);
}

static void emit_host_key(const struct cloudconfig *c, struct yaml_out *y)
{
	AUTO_FREE char *line = NULL;

	if (!c->host_private)
		return;
	line = xasprintf("%s\n", c->host_public);
	emit_file(&(struct cloudconfig_file){
			.path = HOST_KEY, .mode = 0600,
			.content = c->host_private,
			.len = strlen(c->host_private) }, y);
	emit_file(&(struct cloudconfig_file){
			.path = HOST_KEY ".pub", .mode = 0644,
			.content = line, .len = strlen(line) }, y);
}

void emit_flatcar(const struct cloudconfig *c, struct yaml_out *y)
{
	emit_users(c, y);
	if (c->nfiles > 0 || c->host_private) {
		yaml_key(y, "write_files");
		yaml_list(y);
		emit_host_key(c, y);
		for (size_t i = 0; i < c->nfiles; i++)
			emit_file(&c->files[i], y);
		yaml_end_list(y);
	}
	emit_coreos(c, y);
}
