#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ec2_world.h"

void ec2_world_init(struct ec2_world *w, const char *url, char *const *env)
{
	static char *const keys[] = {
		(char *)"AWS_ACCESS_KEY_ID=" EC2_SERVICE_ACCESS_KEY,
		(char *)"AWS_SECRET_ACCESS_KEY=" EC2_SERVICE_SECRET_KEY,
		(char *)"AWS_CONFIG_FILE=/dev/null",
		(char *)"AWS_SHARED_CREDENTIALS_FILE=/dev/null", NULL
	};
	const struct retry quick = { 1, 4 };
	struct bigm_error err = BIGM_ERROR_INIT;

	w->failure = (struct ec2_failure)EC2_FAILURE_INIT;
	w->config = aws_config_load(env ? env : keys, &err);
	if (!w->config)
		fail_msg("%s", err.text);
	w->cancel = cancel_new(&err);
	assert_non_null(w->cancel);
	w->provider = aws_provider_new(&(struct aws_provider_options){
		.config = w->config, .cancel = w->cancel });
	assert_non_null(w->provider);
	w->client = ec2_client_new(
		&(struct ec2_client_options){ .provider = w->provider,
					      .region = "us-west-2",
					      .endpoint = url,
					      .cancel = w->cancel,
					      .retry = w->retry.max_ms ?
							       w->retry :
							       quick },
		&err);
	if (!w->client)
		fail_msg("%s", err.text);
}

void ec2_world_release(struct ec2_world *w)
{
	ec2_client_free(w->client);
	aws_provider_free(w->provider);
	cancel_free(w->cancel);
	aws_config_free(w->config);
}
