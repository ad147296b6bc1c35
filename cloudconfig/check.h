/*
 * check: what may stand in a document.
 *
 * Each returns 0, or BIGM_EINVALID with an error that names `what` and shows
 * the text.
 */
#ifndef CLOUDCONFIG_CHECK_H
#define CLOUDCONFIG_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "bigm.h"

/* UTF-8 without control characters but for line breaks and tabs: what may
 * stand in YAML as it is. */
bool check_is_text(const void *bytes, size_t len);

/* Text in one line, not empty. */
int check_line(const char *what, const char *text, struct bigm_error *err);
/* The same without blanks. */
int check_word(const char *what, const char *text, struct bigm_error *err);
/* Absolute, without "..", "//" and a '/' at its end. */
int check_path(const char *what, const char *path, struct bigm_error *err);
/* "USER" or "USER:GROUP". */
int check_owner(const char *owner, struct bigm_error *err);
/* A user's or group's name. */
int check_user(const char *what, const char *name, struct bigm_error *err);
/* A systemd unit's, with its type behind a dot. */
int check_unit_name(const char *name, struct bigm_error *err);
/* A command of systemctl for units. */
int check_unit_command(const char *command, struct bigm_error *err);
/* A public SSH key in one line: a type and base64 at least. */
int check_ssh_key(const char *line, struct bigm_error *err);

#endif
