#include "config.h"

#include "ec2/settings_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ec2/specs.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"

/* In the order of enum cloudconfig_flavor. */
static const struct {
	const char *name, *alias, *login;
} flavors[] = {
	{ "flatcar", "coreos", "core" },
	{ "ubuntu", NULL, "ubuntu" },
	{ "debian", NULL, "admin" },
	{ "amazon", NULL, "ec2-user" },
};
#define NFLAVORS ((int)(sizeof(flavors) / sizeof(*flavors)))

int ec2_flavor_find(const char *name)
{
	for (int i = 0; i < NFLAVORS; i++)
		if (strcmp(flavors[i].name, name) == 0 ||
		    (flavors[i].alias && strcmp(flavors[i].alias, name) == 0))
			return i;
	return -1;
}

const char *ec2_flavor_name(int flavor)
{
	return flavors[flavor].name;
}

const char *ec2_flavor_login(int flavor)
{
	return flavors[flavor].login;
}

/* ------------------------------------------------------------------ */

static int must(bool right, struct bigm_error *err, const char *what)
{
	return right ? 0 : bigm_error_set(err, BIGM_EINVALID, "must be %s",
					  what);
}

static bool is_of(const char *text, const char *characters, size_t least,
		  size_t most)
{
	size_t len = strlen(text);

	return len >= least && len <= most && strspn(text, characters) == len;
}

/* AWS's ids: a kind, a hyphen, 8 or 17 hexadecimal digits. */
static bool is_id(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 && is_of(text + len, HEX, 8, 17);
}

static int check_type(const char *value, struct bigm_error *err)
{
	const char *dot = strchr(value, '.');

	return must(dot && dot > value && dot[1] && strchr(dot + 1, '.') == NULL &&
			    is_of(value, LOWER DIGITS ".-", 3, 32),
		    err, "a type of instance, such as m5.large");
}

static int check_flavor(const char *value, struct bigm_error *err)
{
	return must(ec2_flavor_find(value) >= 0, err,
		    "flatcar (or coreos), ubuntu, debian or amazon");
}

static int check_ami(const char *value, struct bigm_error *err)
{
	return must(is_id(value, "ami-"), err,
		    "the id of an image, ami- and 17 hexadecimal digits");
}

static int check_region(const char *value, struct bigm_error *err)
{
	return must(is_of(value, LOWER DIGITS "-", 3, 32) && *value != '-', err,
		    "a region, such as us-west-2");
}

static int check_subnet(const char *value, struct bigm_error *err)
{
	return must(is_id(value, "subnet-"), err,
		    "the id of a subnet, subnet- and 17 hexadecimal digits");
}

static int check_group(const char *value, struct bigm_error *err)
{
	return must(is_id(value, "sg-"), err,
		    "the id of a security group, sg- and 17 hexadecimal "
		    "digits");
}

static int check_cidr(const char *value, struct bigm_error *err)
{
	char address[INET6_ADDRSTRLEN + 1] = "";
	unsigned char bytes[16];
	size_t len = strcspn(value, "/");
	char *end = NULL;
	long bits = -1;
	bool v4, v6;

	if (len < sizeof(address)) {
		memcpy(address, value, len);
		address[len] = '\0';
	}
	if (value[len] == '/' && isdigit((unsigned char)value[len + 1]))
		bits = strtol(value + len + 1, &end, 10);
	v4 = inet_pton(AF_INET, address, bytes) == 1;
	v6 = inet_pton(AF_INET6, address, bytes) == 1;
	return must(bits >= 0 && end && !*end &&
			    ((v4 && bits <= 32) || (v6 && bits <= 128)),
		    err, "addresses as 203.0.113.7/32 or 2001:db8::/32");
}

static int check_url(const char *value, struct bigm_error *err)
{
	bool web = strncmp(value, "https://", 8) == 0 ||
		   strncmp(value, "http://", 7) == 0;

	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p == 0x7f || strchr("\"'\\`", *p))
			web = false;
	return must(web && strlen(value) < 2048, err,
		    "a URL that begins with https:// or http://");
}

static int check_secure_url(const char *value, struct bigm_error *err)
{
	if (strncmp(value, "https://", 8) != 0)
		return must(false, err, "a URL that begins with https://");
	return check_url(value, err);
}

static int check_sha256(const char *value, struct bigm_error *err)
{
	if (strncmp(value, "sha256:", 7) == 0)
		value += 7;
	return must(is_of(value, HEX "ABCDEF", 64, 64), err,
		    "64 hexadecimal digits, as sha256sum(1) prints them");
}

static int check_ssh_key(const char *value, struct bigm_error *err)
{
	return must(!strstr(value, "PRIVATE KEY"), err,
		    "a public key, or a file with such");
}

static int check_key_name(const char *value, struct bigm_error *err)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20)
			return must(false, err, "one line");
	return must(strlen(value) <= 255, err, "255 characters at most");
}

static int check_user(const char *value, struct bigm_error *err)
{
	return must(is_of(value, LOWER UPPER DIGITS "_.@+-", 1, 64), err,
		    "letters, digits and _.@+-, up to 64");
}

static int check_profile(const char *value, struct bigm_error *err)
{
	const char *name = value;

	if (strncmp(value, "arn:", 4) == 0 && strstr(value, ":instance-profile/"))
		name = strrchr(value, '/') + 1;
	return must(is_of(name, LOWER UPPER DIGITS "+=,.@_-", 1, 128), err,
		    "the name or the ARN of an instance profile");
}

static int check_file(const char *value, struct bigm_error *err)
{
	struct ec2_file_spec spec;
	int r = ec2_file_spec_parse(&spec, value, err);

	ec2_file_spec_release(&spec);
	return r;
}

static int check_unit(const char *value, struct bigm_error *err)
{
	struct ec2_unit_spec spec;
	int r = ec2_unit_spec_parse(&spec, value, err);

	ec2_unit_spec_release(&spec);
	return r;
}

static int check_tag(const char *value, struct bigm_error *err)
{
	struct ec2_tag_spec spec;
	int r = ec2_tag_spec_parse(&spec, value, err);

	ec2_tag_spec_release(&spec);
	return r;
}

int ec2_setting_check(const char *name, const char *value,
		      struct bigm_error *err)
{
	static const struct {
		const char *name;
		int (*check)(const char *value, struct bigm_error *err);
	} checks[] = {
		{ "type", check_type },
		{ "flavor", check_flavor },
		{ "ami", check_ami },
		{ "region", check_region },
		{ "default-region", check_region },
		{ "subnet", check_subnet },
		{ "security-group", check_group },
		{ "security-groups", check_group },
		{ "allow", check_cidr },
		{ "public-ip-url", check_secure_url },
		{ "instance-profile", check_profile },
		{ "binary-url", check_url },
		{ "binary-sha256", check_sha256 },
		{ "ssh-key", check_ssh_key },
		{ "key-name", check_key_name },
		{ "user", check_user },
		{ "file", check_file },
		{ "unit", check_unit },
		{ "tag", check_tag },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (strcmp(checks[i].name, name) == 0)
			return checks[i].check(value, err);
	return 0;
}
