#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "userdata_sample.h"

static const char *const keys[] = {
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNF session", NULL
};

void userdata_sample(struct ec2_userdata *u, struct ec2_settings *s,
		     const char *const *set)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	ec2_settings_init(s);
	if (ec2_settings_take(s, set, &err) < 0)
		fail_msg("%s", err.text);
	*u = (struct ec2_userdata){
		.settings = s,
		.data = ec2_data_volumes(s->dataspace),
		.bootstrap = "{\"key\": \"PEM\\n\"}",
		.host_private = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
				"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\n"
				"-----END OPENSSH PRIVATE KEY-----\n",
		.host_public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhP",
		.ssh_keys = keys,
	};
}

struct cloudconfig *userdata_sample_document(const char *const *set)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ec2_settings s;
	struct ec2_userdata u;
	struct cloudconfig *c;

	userdata_sample(&u, &s, set);
	c = ec2_userdata_document(&u, &err);
	if (!c)
		fail_msg("%s", err.text);
	ec2_settings_release(&s);
	return c;
}
