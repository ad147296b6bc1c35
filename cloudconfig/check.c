#include "config.h"

#include "cloudconfig/check.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"

#define NAME_LONGEST 32	 /* useradd's limit */
#define UNIT_LONGEST 255 /* systemd's */

static size_t utf8_length(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char mask, lead;
		size_t len;
		unsigned least;
	} forms[] = {
		{ 0xe0, 0xc0, 2, 0x80 },
		{ 0xf0, 0xe0, 3, 0x800 },
		{ 0xf8, 0xf0, 4, 0x10000 },
	};
	unsigned code;
	size_t i = 0;

	while (i < 3 && (p[0] & forms[i].mask) != forms[i].lead)
		i++;
	if (i == 3 || forms[i].len > left)
		return 0;
	code = p[0] & (unsigned char)~forms[i].mask;
	for (size_t k = 1; k < forms[i].len; k++) {
		if ((p[k] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[k] & 0x3f);
	}
	/* Nor C1 controls, surrogates, the byte order mark. */
	if (code < forms[i].least || code > 0x10ffff || code < 0xa0 ||
	    (code >= 0xd800 && code < 0xe000) || code == 0xfeff ||
	    (code & 0xfffe) == 0xfffe)
		return 0;
	return forms[i].len;
}

bool check_is_text(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = 1;
		if (p[i] >= 0x80)
			n = utf8_length(p + i, len - i);
		else if (p[i] == 0x7f ||
			 (p[i] < 0x20 && p[i] != '\n' && p[i] != '\t'))
			n = 0;
		if (n == 0)
			return false;
	}
	return true;
}

int check_line(const char *what, const char *text, struct bigm_error *err)
{
	if (text && *text && !strpbrk(text, "\n\t") &&
	    check_is_text(text, strlen(text)))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s \"%s\": must be one line of text", what,
			      text ? text : "");
}

int check_word(const char *what, const char *text, struct bigm_error *err)
{
	if (check_line(what, text, err) < 0)
		return BIGM_EINVALID;
	if (strchr(text, ' '))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s \"%s\": must not have blanks", what,
				      text);
	return 0;
}

static bool is_plain_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len < 2 || len >= PATH_MAX ||
	    path[len - 1] == '/')
		return false;
	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 || (n == 1 && p[1] == '.') ||
		    (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
	}
	return true;
}

int check_path(const char *what, const char *path, struct bigm_error *err)
{
	if (check_line(what, path, err) < 0)
		return BIGM_EINVALID;
	if (is_plain_path(path))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s \"%s\": must be an absolute path without "
			      "\"..\"", what, path);
}

static bool is_user(const char *name, size_t len)
{
	if (len == 0 || len > NAME_LONGEST || name[0] == '-' || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

int check_user(const char *what, const char *name, struct bigm_error *err)
{
	if (name && is_user(name, strlen(name)))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s \"%s\": is no name of a user or group", what,
			      name ? name : "");
}

int check_owner(const char *owner, struct bigm_error *err)
{
	size_t len = strcspn(owner, ":");

	if (is_user(owner, len) &&
	    (!owner[len] || is_user(owner + len + 1, strlen(owner + len + 1))))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "owner \"%s\": must be USER or USER:GROUP", owner);
}

int check_unit_name(const char *name, struct bigm_error *err)
{
	static const char *const types[] = {
		".service", ".socket", ".timer", ".mount", ".automount",
		".swap",    ".path",   ".slice", ".target",
	};
	size_t len = name ? strlen(name) : 0, i = 0;
	const char *dot = len ? strrchr(name, '.') : NULL;
	size_t known = sizeof(types) / sizeof(*types);

	while (dot && i < known && strcmp(dot, types[i]) != 0)
		i++;
	if (!dot || dot == name || i == known || len > UNIT_LONGEST)
		return bigm_error_set(err, BIGM_EINVALID,
				      "unit \"%s\": its name must end in "
				      ".service, .timer, or another type of "
				      "systemd's", name ? name : "");
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    !strchr(":_.\\@-", name[i]))
			return bigm_error_set(err, BIGM_EINVALID,
					      "unit \"%s\": its name has "
					      "characters that systemd does not "
					      "allow", name);
	return 0;
}

int check_unit_command(const char *command, struct bigm_error *err)
{
	static const char *const commands[] = {
		"start", "stop", "restart", "reload", "try-restart",
		"reload-or-restart", "reload-or-try-restart",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(command, commands[i]) == 0)
			return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "command \"%s\": must be start, stop, restart, "
			      "reload, try-restart, reload-or-restart or "
			      "reload-or-try-restart", command);
}

int check_ssh_key(const char *line, struct bigm_error *err)
{
	size_t type, body;

	if (check_line("SSH key", line, err) < 0)
		return BIGM_EINVALID;
	type = strcspn(line, " ");
	body = line[type] ? strspn(line + type + 1,
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789+/=")
			  : 0;
	if (type > 0 && body >= 16 && strchr(" ", line[type + 1 + body]))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "SSH key \"%.40s\": must be a public key, as in "
			      "a file ~/.ssh/id_ed25519.pub", line);
}
