/* What a metadata service, STS, single sign-on or a program says of
 * credentials: what is taken has keys that a header can carry, what is refused
 * says why and quotes none.  The first byte chooses whose names it has. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/credentials_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct credentials_names all[] = {
	{ "AccessKeyId", "SecretAccessKey", "Token", "Expiration", true,
	  false },
	{ "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
	  false, false },
	{ "accessKeyId", "secretAccessKey", "sessionToken", "expiration", true,
	  true },
};

static void check_time(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xstrndup((const char *)data, size);
	struct bigm_error err = BIGM_ERROR_INIT;
	int64_t seconds = 0;

	if (credentials_time(text, &seconds, &err) < 0 && err.code == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	const struct credentials_names *names;

	if (size == 0)
		return 0;
	names = &all[data[0] % (sizeof(all) / sizeof(*all))];
	check_time(data + 1, size - 1);
	AUTO_SECRET_JSON cJSON *json =
		secret_json_parse(data + 1, size - 1, &err);
	if (!json)
		return err.code < 0 ? 0 : (abort(), 0);
	if (credentials_from_json(json, names, &c, &err) < 0) {
		if (err.code == 0 || err.text[0] == '\0')
			abort();
		return 0;
	}
	if (!c.access_key || !*c.access_key || !c.secret_key ||
	    !*c.secret_key || (names->token_needed && !c.session_token) ||
	    credentials_check(&c, &err) < 0)
		abort();
	for (const char *p = c.access_key; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
	return 0;
}
