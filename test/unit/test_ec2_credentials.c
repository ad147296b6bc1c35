#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_home.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "ec2/credentials.h"
#include "ec2/metadata.h"
#include "http_server.h"

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* STS, single sign-on, a container's and an instance's services, in one. */
struct world {
	struct http_server *server;
	struct aws_config *config;
	struct metadata *metadata;
	struct cancel *cancel;
	struct aws_provider *provider;
	struct aws_credentials c;
	struct bigm_error err;
	int64_t now;
	char expires[32];   /* of what it gives */
	int status;	    /* of what it answers; 0: 200 */
	const char *answer; /* instead of the right one */
	enum http_fault fault;
	char bodies[8192]; /* of requests to STS, one a line, after who signed */
	char header[256];  /* Authorization of a container, bearer's token */
	char logged[8192];
	char *huge; /* answer, which the server may have until its end */
};

static const char *word_after(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? found + strlen(name) : "";
}

static void serve_sts(struct world *w, const struct http_seen *seen,
		      struct http_reply *reply)
{
	char signature[512], token[128];
	const char *key;
	bool web = strstr(seen->body, "WithWebIdentity") != NULL;
	size_t len = strlen(w->bodies);

	http_seen_header(seen, "Authorization", signature, sizeof(signature));
	http_seen_header(seen, "X-Amz-Security-Token", token, sizeof(token));
	key = word_after(signature, "Credential=");
	snprintf(w->bodies + len, sizeof(w->bodies) - len, "%.*s %s %s\n",
		 (int)strcspn(key, "/"), key, token, seen->body);
	sprintf(reply->text,
		"<%1$sResponse><%1$sResult><Credentials><AccessKeyId>RK%2$d"
		"</AccessKeyId><SecretAccessKey>hiddenR</SecretAccessKey>"
		"<SessionToken>RT%2$d</SessionToken><Expiration>%3$s"
		"</Expiration></Credentials></%1$sResult></%1$sResponse>",
		web ? "AssumeRoleWithWebIdentity" : "AssumeRole", seen->number,
		w->expires);
	reply->body = reply->text;
}

static void serve_keys(struct world *w, const char *key,
		       struct http_reply *reply)
{
	sprintf(reply->text,
		"{\"Code\":\"Success\",\"AccessKeyId\":\"%s\","
		"\"SecretAccessKey\":\"hiddenK\",\"Token\":\"T\","
		"\"Expiration\":\"%s\"}", key, w->expires);
	reply->body = reply->text;
}

static void serve_path(struct world *w, const struct http_seen *seen,
		       struct http_reply *reply)
{
	if (strcmp(seen->path, "/latest/api/token") == 0) {
		reply->body = "t";
	} else if (strcmp(seen->path, "/latest/meta-data/iam/"
				      "security-credentials/") == 0) {
		reply->body = "role\n";
	} else if (strcmp(seen->path, "/latest/meta-data/iam/"
				      "security-credentials/role") == 0) {
		serve_keys(w, "IK", reply);
	} else if (strcmp(seen->path, "/container") == 0) {
		http_seen_header(seen, "Authorization", w->header,
				 sizeof(w->header));
		serve_keys(w, "CK", reply);
	} else if (strcmp(seen->path, "/federation/credentials?role_name=R%20o"
				      "&account_id=012345678901") == 0) {
		http_seen_header(seen, "x-amz-sso_bearer_token", w->header,
				 sizeof(w->header));
		reply->body =
			"{\"roleCredentials\":{\"accessKeyId\":\"SK\","
			"\"secretAccessKey\":\"hiddenS\",\"sessionToken\":\"T\","
			"\"expiration\":1800003600000}}";
	} else if (strcmp(seen->path, "/") == 0) {
		serve_sts(w, seen, reply);
	} else {
		reply->status = 404;
	}
}

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;

	serve_path(w, seen, reply);
	reply->fault = w->fault;
	if (w->status)
		reply->status = w->status;
	if (w->answer && strcmp(seen->path, "/latest/api/token") != 0)
		reply->body = w->answer;
}

static int64_t now_of(void *data)
{
	return ((struct world *)data)->now;
}

static void note(enum log_level level, const char *line, void *data)
{
	struct world *w = data;
	size_t len = strlen(w->logged);

	snprintf(w->logged + len, sizeof(w->logged) - len, "%s\n", line);
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	w->now = NOW;
	strcpy(w->expires, "2027-01-15T09:00:00Z");
	w->server = http_server_new(serve, w);
	w->cancel = cancel_new(&w->err);
	aws_home_write("config", NULL);
	aws_home_write("credentials", NULL);
	log_set_sink(note, w);
	log_set_level(LOG_LEVEL_DEBUG);
	*state = w;
	return 0;
}

static void close_provider(struct world *w)
{
	aws_provider_free(w->provider);
	metadata_free(w->metadata);
	aws_config_free(w->config);
	w->provider = NULL;
	w->metadata = NULL;
	w->config = NULL;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	close_provider(w);
	log_set_sink(NULL, NULL);
	/* Of all that a test has done. */
	assert_null(strstr(w->logged, "hidden"));
	assert_null(strstr(w->err.text, "hidden"));
	aws_credentials_release(&w->c);
	http_server_free(w->server);
	free(w->huge);
	cancel_free(w->cancel);
	free(w);
	return 0;
}

/* The provider of an environment; "%s" in it is the server's URL. */
static void open_provider(struct world *w, const char *variables)
{
	const char *url = http_server_url(w->server), *at = strstr(variables, "%s");
	AUTO_FREE char *named =
		at ? xasprintf("%.*s%s%s", (int)(at - variables), variables, url,
			       at + 2)
		   : xstrdup(variables);
	AUTO_FREE char *all = xasprintf(
		"AWS_ENDPOINT_URL=%1$s AWS_METADATA_SERVICE_TIMEOUT=30 "
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=%1$s %2$s", url, named);
	struct aws_provider_options options = { .cancel = w->cancel,
						.now = now_of, .data = w };

	close_provider(w);
	w->config = aws_home_config(all, &w->err);
	if (!w->config)
		fail_msg("%s", w->err.text);
	w->metadata = metadata_new(w->config, NULL, &w->err);
	options.config = w->config;
	options.metadata = w->metadata;
	w->provider = aws_provider_new(&options);
}

static int get(struct world *w)
{
	return aws_provider_get(w->provider, &w->c, &w->err);
}

static void assert_got(struct world *w, const char *key, const char *source)
{
	if (get(w) < 0)
		fail_msg("%s", w->err.text);
	assert_string_equal(w->c.access_key, key);
	assert_string_equal(w->c.source, source);
}

static void assert_fails(struct world *w, int code, const char *says)
{
	int r = get(w);

	if (r != code || !strstr(w->err.text, says))
		fail_msg("%d, \"%s\": is not %d, \"%s\"", r, w->err.text, code,
			 says);
	assert_null(w->c.access_key);
	assert_null(w->c.secret_key);
}

/* ------------------------------------------------------------------ */
/* Sources                                                             */

static void keys_of_the_environment(void **state)
{
	struct world *w = *state;

	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE");
	assert_got(w, "EK", "environment");
	assert_string_equal(w->c.secret_key, "hiddenE");
	assert_null(w->c.session_token);
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE "
			 "AWS_SESSION_TOKEN=ET");
	assert_got(w, "EK", "environment");
	assert_string_equal(w->c.session_token, "ET");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK");
	assert_fails(w, BIGM_EINVALID, "the secret key is missing");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hidden\001");
	assert_fails(w, BIGM_EINVALID, "the secret key has characters");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE "
			 "AWS_CREDENTIAL_EXPIRATION=2027-01-15T07:59:59Z");
	assert_fails(w, BIGM_EPERMISSION, "those of environment have expired");
}

static void keys_of_a_profile(void **state)
{
	struct world *w = *state;

	aws_home_write("credentials",
		       "[default]\naws_access_key_id = PK\n"
		       "aws_secret_access_key = hiddenP\n"
		       "aws_session_token = PT\n[half]\n"
		       "aws_access_key_id = PK\n");
	open_provider(w, "");
	assert_got(w, "PK", "profile default");
	assert_string_equal(w->c.session_token, "PT");
	open_provider(w, "AWS_PROFILE=half");
	assert_fails(w, BIGM_EINVALID,
		     "profile half: aws_secret_access_key is missing");
}

#define KEYS "aws_access_key_id = PK\naws_secret_access_key = hiddenP\n"

/* From the first to the last: what is taken away gives way to the next. */
static void sources_come_in_order(void **state)
{
	static const struct {
		const char *variables, *config, *key, *source;
	} steps[] = {
		{ "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE",
		  "role_arn = arn:r\nsource_profile = keys\n", "EK",
		  "environment" },
		{ "", "role_arn = arn:r\nsource_profile = keys\n", "RK1",
		  "profile default (role arn:r, by profile keys)" },
		{ "", "sso_x = 1\n", "RK2", "web identity (arn:web)" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=",
		  "sso_account_id = 012345678901\nsso_role_name = R o\n"
		  "sso_start_url = https://x\nsso_region = us-east-1\n" KEYS,
		  "SK", "profile default (single sign-on)" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=",
		  KEYS "credential_process = /bin/false\n", "PK",
		  "profile default" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=", "", "CK", "container" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE= "
		  "AWS_CONTAINER_CREDENTIALS_FULL_URI=", "", "IK",
		  "instance metadata (role role)" },
	};
	struct world *w = *state;

	aws_home_write("web", "web-token\n");
	/* The SHA-1 of https://x. */
	aws_home_write("sso/cache/98383e6608d65e46b24bbd92582bc8d916605a21.json",
		       "{\"accessToken\":\"b\",\"expiresAt\":"
		       "\"2027-01-15T08:00:01Z\"}");
	for (size_t i = 0; i < COUNT(steps); i++) {
		AUTO_FREE char *config =
			xasprintf("[profile keys]\n" KEYS "[default]\n%s",
				  steps[i].config);
		AUTO_FREE char *web =
			xasprintf("%s AWS_WEB_IDENTITY_TOKEN_FILE=%s/.aws/web "
				  "AWS_ROLE_ARN=arn:web "
				  "AWS_CONTAINER_CREDENTIALS_FULL_URI=%%s/"
				  "container",
				  steps[i].variables, getenv("HOME"));

		aws_home_write("config", config);
		open_provider(w, web);
		assert_got(w, steps[i].key, steps[i].source);
	}
}

static void nothing_anywhere_tells_all_that_was_tried(void **state)
{
	static const char *const tried[] = {
		"no AWS credentials: AWS_ACCESS_KEY_ID is not set",
		"profile default has neither keys nor a role in ~/.aws/config",
		" and ~/.aws/credentials",
		"AWS_WEB_IDENTITY_TOKEN_FILE is not set",
		"AWS_CONTAINER_CREDENTIALS_…_URI is not set",
		"AWS_EC2_METADATA_DISABLED is true", "run `aws configure`",
	};
	struct world *w = *state;

	open_provider(w, "AWS_EC2_METADATA_DISABLED=true");
	for (size_t i = 0; i < COUNT(tried); i++)
		assert_fails(w, BIGM_EPERMISSION, tried[i]);
	w->status = 404;
	open_provider(w, "");
	assert_fails(w, BIGM_EPERMISSION, "gives no token: status 404");
}

/* ------------------------------------------------------------------ */
/* Roles                                                               */

#define ROLE "role_arn = arn:aws:iam::012345678901:role/R\n"

static void a_role_of_a_profile(void **state)
{
	struct world *w = *state;

	aws_home_write("config",
		       "[profile keys]\n" KEYS "aws_session_token = PT\n"
		       "[default]\n" ROLE "source_profile = keys\n"
		       "external_id = x&y=z\nrole_session_name = me@here\n"
		       "duration_seconds = 3600\n");
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role arn:aws:iam::012345678901:"
			     "role/R, by profile keys)");
	assert_string_equal(w->c.secret_key, "hiddenR");
	assert_string_equal(w->c.session_token, "RT1");
	assert_int_equal(w->c.expires, NOW + 3600);
	assert_string_equal(
		w->bodies,
		"PK PT Version=2011-06-15&Action=AssumeRole&RoleArn=arn%3Aaws%3A"
		"iam%3A%3A012345678901%3Arole%2FR&RoleSessionName=me%40here&"
		"ExternalId=x%26y%3Dz&DurationSeconds=3600\n");
}

static void a_chain_of_roles(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = mid\n"
				 "[profile mid]\nrole_arn = b\n"
				 "source_profile = keys\n"
				 "[profile keys]\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK2", "profile default (role a, by profile mid (role b, "
			     "by profile keys))");
	assert_non_null(strstr(w->bodies, "PK  Version"));
	assert_non_null(strstr(w->bodies, "RK1 RT1 Version"));
	assert_non_null(strstr(w->bodies, "RoleSessionName=bigm-1800000000"));
}

static void a_profile_may_be_its_own_source(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
}

static void roles_by_other_sources(void **state)
{
	static const struct {
		const char *source, *by;
	} cases[] = {
		{ "EcsContainer", "container" },
		{ "Ec2InstanceMetadata", "instance metadata (role role)" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_FREE char *config = xasprintf(
			"[default]\nrole_arn = a\ncredential_source = %s\n",
			cases[i].source);
		AUTO_FREE char *source =
			xasprintf("profile default (role a, by %s)",
				  cases[i].by);

		aws_home_write("config", config);
		open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI="
				 "%s/container");
		if (get(w) < 0)
			fail_msg("%s", w->err.text);
		assert_string_equal(w->c.source, source);
	}
}

static void bad_roles_are_refused(void **state)
{
	static const struct {
		const char *config, *says;
	} cases[] = {
		{ "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\n"
		  "role_arn = c\nsource_profile = default\n",
		  "source_profile=default: the roles go in a circle" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n",
		  "the roles go in a circle" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n",
		  "source_profile=b: there is no such profile" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\n",
		  "source_profile b: it has neither keys nor a role" },
		{ "[default]\nrole_arn = a\n",
		  "needs either source_profile or credential_source" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n"
		  "credential_source = Environment\n",
		  "needs one of source_profile and credential_source" },
		{ "[default]\nrole_arn = a\ncredential_source = Wombat\n",
		  "must be Environment, EcsContainer or" },
		{ "[default]\nrole_arn = a\ncredential_source = Environment\n",
		  "credential_source=Environment: AWS_ACCESS_KEY_ID is not" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n" KEYS
		  "duration_seconds = 899\n", "must be from 900 to 43200" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n" KEYS
		  "mfa_serial = arn:mfa\n", "its role has mfa_serial" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		aws_home_write("config", cases[i].config);
		open_provider(w, "");
		assert_int_not_equal(get(w), 0);
		if (!strstr(w->err.text, cases[i].says) ||
		    !strstr(w->err.text, "AWS credentials: profile default: "))
			fail_msg("\"%s\": not \"%s\"", w->err.text,
				 cases[i].says);
	}
	assert_int_equal(http_server_count(w->server), 0);
}

static void long_chains_are_refused(void **state)
{
	struct world *w = *state;
	char config[2048] = "[default]\nrole_arn = a\nsource_profile = p0\n";

	for (int i = 0; i < 20; i++)
		sprintf(config + strlen(config),
			"[profile p%d]\nrole_arn = a\nsource_profile = p%d\n", i,
			i + 1);
	strcat(config, "[profile p20]\n" KEYS);
	aws_home_write("config", config);
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "more than 8 roles in a chain");
}

static void refusals_of_sts_are_told(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	w->status = 403;
	w->answer = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no "
		    "such luck</Message></Error><RequestId>r-1</RequestId>"
		    "</ErrorResponse>";
	assert_fails(w, BIGM_EPERMISSION,
		     "AccessDenied: no such luck (request r-1)");
	w->answer = "it is broken";
	assert_fails(w, BIGM_EPERMISSION, "status 403");
	w->status = 0;
	assert_fails(w, BIGM_EPROTOCOL, "AssumeRole of a by http");
	w->answer = "<AssumeRoleResponse/>";
	assert_fails(w, BIGM_EINVALID, "the access key is missing");
}

static void web_identities(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *set = xasprintf("AWS_WEB_IDENTITY_TOKEN_FILE=%s/.aws/web "
					"AWS_ROLE_ARN=arn:w "
					"AWS_ROLE_SESSION_NAME=s",
					getenv("HOME"));

	aws_home_write("web", "a/b+c=\n");
	open_provider(w, set);
	assert_got(w, "RK1", "web identity (arn:w)");
	assert_string_equal(w->bodies,
			    "  Version=2011-06-15&Action="
			    "AssumeRoleWithWebIdentity&RoleArn=arn%3Aw&"
			    "RoleSessionName=s&WebIdentityToken=a%2Fb%2Bc%3D\n");
	aws_home_write("config", "[default]\nrole_arn = arn:p\n"
				 "web_identity_token_file = ~/.aws/web\n");
	open_provider(w, "");
	assert_got(w, "RK2", "web identity (arn:p)");
	open_provider(w, "AWS_WEB_IDENTITY_TOKEN_FILE=/no/such");
	assert_fails(w, BIGM_ENOTFOUND, "web identity: /no/such: No such file");
	aws_home_write("config", NULL);
	open_provider(w, "AWS_WEB_IDENTITY_TOKEN_FILE=/dev/null");
	assert_fails(w, BIGM_EINVALID, "AWS_ROLE_ARN is not set");
}

/* ------------------------------------------------------------------ */
/* Single sign-on                                                      */

#define SSO "sso_account_id = 012345678901\nsso_role_name = R o\n"
/* The SHA-1 of "corp". */
#define CORP "sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"

static void sign_on(struct world *w, const char *token)
{
	aws_home_write("config", "[default]\n" SSO "sso_session = corp\n"
				 "[sso-session corp]\nsso_region = us-east-1\n"
				 "sso_start_url = https://x\n");
	aws_home_write(CORP, token);
	open_provider(w, "");
}

static void the_token_of_single_sign_on(void **state)
{
	struct world *w = *state;

	sign_on(w, "{\"accessToken\":\"bearer\",\"expiresAt\":"
		   "\"2027-01-15T08:00:01UTC\"}");
	assert_got(w, "SK", "profile default (single sign-on)");
	assert_string_equal(w->header, "bearer");
	assert_int_equal(w->c.expires, NOW + 3600);
	assert_string_equal(w->c.session_token, "T");
}

static void tokens_that_are_no_good_ask_for_a_login(void **state)
{
	static const struct {
		const char *token, *says;
		int status;
	} cases[] = {
		{ NULL, "no token is kept; run `aws sso login --profile default`",
		  0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T08:00:00Z\"}",
		  "the token has expired; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T08:20:00.5+00:30\"}",
		  "the token has expired; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\"}",
		  "the token kept is none; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T09:00:00.5+00:30\"}",
		  "AWS refuses the token; run `aws sso login", 401 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T09:00:00Z\"}",
		  "for R o of account 012345678901: status 403", 403 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":\"soon\"}",
		  "\"soon\" is no time", 0 },
		{ "{\"accessToken\":\"hidden\"", ".json: line 1", 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		sign_on(w, cases[i].token);
		w->status = cases[i].status;
		assert_int_not_equal(get(w), 0);
		if (!strstr(w->err.text, cases[i].says))
			fail_msg("\"%s\": not \"%s\"", w->err.text,
				 cases[i].says);
	}
}

static void incomplete_sign_on_is_named(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\n" SSO "sso_session = corp\n");
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "there is no [sso-session corp]");
	aws_home_write("config", "[default]\n" SSO "sso_region = us-east-1\n");
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "sso_start_url is not set");
}

/* ------------------------------------------------------------------ */
/* Containers and instances                                            */

static void a_containers_token(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *file = xasprintf(
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=%%s/container "
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=one "
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s/.aws/token",
		getenv("HOME"));

	aws_home_write("token", "Basic two\n");
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container "
			 "AWS_CONTAINER_AUTHORIZATION_TOKEN=one");
	assert_got(w, "CK", "container");
	assert_string_equal(w->header, "one");
	open_provider(w, file);
	assert_got(w, "CK", "container");
	assert_string_equal(w->header, "Basic two");
	aws_home_write("token", "two\r\nX-Other: three\n");
	open_provider(w, file);
	assert_fails(w, BIGM_EINVALID, "container: ");
	aws_home_write("token", NULL);
	open_provider(w, file);
	assert_fails(w, BIGM_ENOTFOUND,
		     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ");
}

static void keys_come_in_the_clear_from_here_only(void **state)
{
	static const char *const bad[] = {
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1@192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost.example/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1.example/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=ftp://127.0.0.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=nonsense",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=.example/",
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		open_provider(w, bad[i]);
		assert_fails(w, BIGM_EINVALID, "container: AWS_CONTAINER_CR");
	}
}

static void bad_answers_of_a_container(void **state)
{
	static const struct {
		const char *answer, *says;
		int status, code;
	} cases[] = {
		{ "", "nothing here", 0, BIGM_EINVALID },
		{ "hidden", "line 1", 0, BIGM_EINVALID },
		{ "[]", "no JSON object", 0, BIGM_EPROTOCOL },
		{ "{}", "there is no AccessKeyId", 0, BIGM_EPROTOCOL },
		{ "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\"}",
		  "there is no Token", 0, BIGM_EPROTOCOL },
		{ "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\\n\","
		  "\"Token\":\"t\"}", "the secret key has", 0, BIGM_EINVALID },
		{ "go away", "status 403: go away", 403, BIGM_EPERMISSION },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		w->answer = cases[i].answer;
		w->status = cases[i].status;
		open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI="
				 "%s/container");
		assert_fails(w, cases[i].code, cases[i].says);
	}
}

static void huge_answers_are_refused(void **state)
{
	struct world *w = *state;

	w->huge = xcalloc(1, 300001);
	memset(w->huge, 'x', 300000);
	w->answer = w->huge;
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_fails(w, BIGM_EEXHAUSTED, "container");
}

static void *cancel_it(void *data)
{
	struct world *w = data;

	http_server_await(w->server, 1);
	cancel_set(w->cancel);
	return NULL;
}

static void a_service_that_hangs_can_be_left(void **state)
{
	struct world *w = *state;
	pthread_t thread;

	w->fault = HTTP_FAULT_HANG;
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_int_equal(pthread_create(&thread, NULL, cancel_it, w), 0);
	assert_fails(w, BIGM_ECANCELED, "container");
	pthread_join(thread, NULL);
}

static void an_instance_without_a_role(void **state)
{
	struct world *w = *state;

	w->answer = "";
	open_provider(w, "");
	assert_fails(w, BIGM_EPERMISSION, "this instance has no profile");
	w->answer = "../../user-data";
	open_provider(w, "");
	assert_fails(w, BIGM_EPROTOCOL, "is no role");
}

/* ------------------------------------------------------------------ */
/* Refreshing                                                          */

static void they_are_refreshed_before_they_expire(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	w->now = NOW + 3600 - 301;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_int_equal(http_server_count(w->server), 1);
	w->now++;
	strcpy(w->expires, "2027-01-15T10:00:00Z");
	assert_got(w, "RK2", "profile default (role a, by profile default)");
	assert_int_equal(w->c.expires, NOW + 7200);
	assert_int_equal(http_server_count(w->server), 2);
	aws_provider_forget(w->provider);
	assert_got(w, "RK3", "profile default (role a, by profile default)");
}

static void what_is_still_good_is_used_when_that_fails(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	w->status = 403;
	w->now = NOW + 3400;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_non_null(strstr(w->logged, "are good for 200 s more"));
	/* Not with each request. */
	int count = http_server_count(w->server);
	w->now += 29;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_int_equal(http_server_count(w->server), count);
	w->now = NOW + 3600;
	assert_fails(w, BIGM_EPERMISSION, "status 403");
	w->status = 0;
	strcpy(w->expires, "2027-01-15T10:00:00Z");
	assert_int_equal(get(w), 0);
}

static void short_lives_are_not_asked_for_with_each_request(void **state)
{
	struct world *w = *state;

	strcpy(w->expires, "2027-01-15T08:04:00Z");
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_got(w, "CK", "container");
	w->now += 29;
	assert_got(w, "CK", "container");
	assert_int_equal(http_server_count(w->server), 1);
	w->now++;
	assert_got(w, "CK", "container");
	assert_int_equal(http_server_count(w->server), 2);
}

static void *get_one(void *data)
{
	struct world *w = data;
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	struct bigm_error err = BIGM_ERROR_INIT;

	for (int i = 0; i < 50; i++)
		if (aws_provider_get(w->provider, &c, &err) < 0 ||
		    strcmp(c.access_key, "CK") != 0)
			return (void *)"failed";
	return NULL;
}

static void threads_share_one_search(void **state)
{
	struct world *w = *state;
	pthread_t threads[8];
	void *failed;

	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_one, w),
				 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(http_server_count(w->server), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_of_the_environment),
		TEST(keys_of_a_profile),
		TEST(sources_come_in_order),
		TEST(nothing_anywhere_tells_all_that_was_tried),
		TEST(a_role_of_a_profile),
		TEST(a_chain_of_roles),
		TEST(a_profile_may_be_its_own_source),
		TEST(roles_by_other_sources),
		TEST(bad_roles_are_refused),
		TEST(long_chains_are_refused),
		TEST(refusals_of_sts_are_told),
		TEST(web_identities),
		TEST(the_token_of_single_sign_on),
		TEST(tokens_that_are_no_good_ask_for_a_login),
		TEST(incomplete_sign_on_is_named),
		TEST(a_containers_token),
		TEST(keys_come_in_the_clear_from_here_only),
		TEST(bad_answers_of_a_container),
		TEST(huge_answers_are_refused),
		TEST(a_service_that_hangs_can_be_left),
		TEST(an_instance_without_a_role),
		TEST(they_are_refreshed_before_they_expire),
		TEST(what_is_still_good_is_used_when_that_fails),
		TEST(short_lives_are_not_asked_for_with_each_request),
		TEST(threads_share_one_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
