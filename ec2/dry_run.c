/* What `bigm start --dry-run` shows of EC2: everything of a launch but that. */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "bundle/cargo.h"
#include "ec2/asker.h"
#include "ec2/launcher.h"
#include "ec2/ssh_key.h"
#include "ec2/system.h"
#include "ec2/user_keys.h"
#include "keeper/authority.h"
#include "keeper/ec2boot.h"
#include "supervisor/bootstrap.h"

#define CLUSTER "dry-run"

/* Made as those of a cluster are, for the document to be of its length; nobody
 * ever waits for them. */
struct secrets {
	struct ssh_key host, login;
	char *bootstrap;
};

static int secrets_init(struct secrets *s, struct bigm_error *err)
{
	struct authority *authority = authority_new(NULL, err);
	struct identity *identity =
		authority ? authority_bootstrap(authority, 1, err) : NULL;

	*s = (struct secrets){ .bootstrap = NULL };
	if (identity)
		s->bootstrap = bootstrap_text(identity, err);
	identity_free(identity);
	authority_free(authority);
	if (!s->bootstrap ||
	    ssh_key_new(&s->host, "bigm instance", err) < 0 ||
	    ssh_key_new(&s->login, "bigm keeper", err) < 0)
		return BIGM_EFAILED;
	return 0;
}

static void secrets_release(struct secrets *s)
{
	if (s->bootstrap)
		OPENSSL_cleanse(s->bootstrap, strlen(s->bootstrap));
	free(s->bootstrap);
	ssh_key_release(&s->host);
	ssh_key_release(&s->login);
}

static int try_launch(const struct ec2_asker *asker,
		      const struct secrets *secrets,
		      const struct system_wish *wish, cJSON *trial,
		      struct bigm_error *err)
{
	struct ec2_client *client = ec2_asker_client(asker, err);
	char *note = NULL, **keys;
	struct launcher_options options = {
		.client = client,
		.settings = &asker->settings,
		.metadata = asker->metadata,
		.ca_file = aws_config_env(asker->config, "AWS_CA_BUNDLE"),
		.user = asker->user,
		.cluster = CLUSTER,
		.host_private = secrets->host.private_text,
		.host_public = secrets->host.public_text,
		.login_public = secrets->login.public_text,
	};
	const struct launcher_order order = {
		.n = (size_t)wish->n, .bootstrap = secrets->bootstrap,
		.program = wish->program, .argv = wish->argv,
	};
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct launcher *launcher;
	int r;

	if (!client)
		return BIGM_EFAILED;
	keys = user_keys_of(&asker->settings, &note);
	options.user_keys = (const char *const *)keys;
	launcher = launcher_new(&options);
	r = launcher_try(launcher, &order, trial, &f);
	if (r < 0)
		error_copy(err, &f.error);
	if (note)
		cJSON_AddStringToObject(trial, "note", note);
	launcher_free(launcher);
	ec2_client_free(client);
	strings_free(keys);
	free(note);
	return r;
}

/* What would be sent to the instances is there. */
static int check_sent(const struct ec2_settings *settings,
		      const struct system_wish *wish, struct bigm_error *err)
{
	AUTO_FREE char *self = realpath("/proc/self/exe", NULL), *worker = NULL;
	const char *arch;

	if (system_ec2_arch(settings, &arch, err) < 0)
		return BIGM_EINVALID;
	worker = ec2boot_find(self, arch, err);
	return worker ? bundle_check_cargo(wish->program, wish->bundle, arch,
					   err)
		      : BIGM_ENOTFOUND;
}

cJSON *system_ec2_plan(const struct system_wish *wish, struct bigm_error *err)
{
	cJSON *trial = cJSON_CreateObject();
	struct secrets secrets;
	struct ec2_asker asker;
	int r = ec2_asker_init(&asker, wish->set, NULL, err);

	if (r == 0)
		r = check_sent(&asker.settings, wish, err);
	if (r == 0) {
		r = secrets_init(&secrets, err);
		if (r == 0)
			r = try_launch(&asker, &secrets, wish, trial, err);
		secrets_release(&secrets);
	}
	ec2_asker_release(&asker);
	if (r == 0)
		return trial;
	cJSON_Delete(trial);
	return NULL;
}
