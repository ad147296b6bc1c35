#include "config.h"

#include "supervisor/signing.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/wire.h"

#define MARKER_MAX 63 /* of keeper/output.h's splitter */
#define LEASE_MAX_MS (30ull * 24 * 3600 * 1000)

/* ------------------------------------------------------------------ */
/* The request                                                         */

cJSON *signing_request(const struct identity *id, struct bigm_error *err)
{
	AUTO_FREE char *request = identity_request(id, err);
	cJSON *json;

	if (!request)
		return NULL;
	json = cJSON_CreateObject();
	json_add_string(json, "request", request);
	json_add_string(json, "version", bigm_version());
	json_add_uint64(json, "wire", WIRE_VERSION);
	return json;
}

/* Another version of libbigm in the program than in the keeper: said before
 * anything odd comes of it. */
static int check_version(const cJSON *json, struct bigm_error *err)
{
	const char *version = "?";
	int64_t wire = 0;

	json_opt_string(json, "version", &version, NULL);
	if (bigm_json_get_int64(json, "wire", &wire, err) < 0)
		return BIGM_EPROTOCOL;
	if (wire != WIRE_VERSION)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the program's libbigm %s speaks version "
				      "%lld of the protocol, bigm %s speaks "
				      "%d: build both from the same release",
				      version, (long long)wire, bigm_version(),
				      WIRE_VERSION);
	return 0;
}

int signing_check_request(const cJSON *json, const char **request,
			  struct bigm_error *err)
{
	if (check_version(json, err) < 0 ||
	    bigm_json_get_string(json, "request", request, err) < 0)
		return BIGM_EPROTOCOL;
	return 0;
}

/* ------------------------------------------------------------------ */
/* The answer                                                          */

cJSON *signing_answer(const struct signing_facts *facts,
		      const char *certificate, const char *authority)
{
	cJSON *json = cJSON_CreateObject();

	json_add_string(json, "certificate", certificate);
	json_add_string(json, "authority", authority);
	json_add_string(json, "name", facts->name);
	json_add_string(json, "cluster", facts->cluster);
	json_add_string(json, "address", facts->address);
	json_add_string(json, "dir", facts->dir);
	json_add_string(json, "marker", facts->marker);
	json_add_uint64(json, "procs", (uint64_t)facts->procs);
	json_add_uint64(json, "lease_ms", facts->lease_ms);
	if (facts->no_http)
		cJSON_AddTrueToObject(json, "no_http");
	return json;
}

static int get_copy(const cJSON *json, const char *name, bool needed,
		    char **value, struct bigm_error *err)
{
	const char *s = "";
	int rc = needed ? bigm_json_get_string(json, name, &s, err) :
			  json_opt_string(json, name, &s, err);

	if (rc == 0)
		*value = xstrdup(s);
	return rc;
}

static int get_range(const cJSON *json, const char *name, uint64_t most,
		     uint64_t *value, struct bigm_error *err)
{
	int64_t n = (int64_t)*value;
	int rc = json_opt_int64(json, name, &n, err);

	if (rc < 0)
		return rc;
	if (n < 1 || (uint64_t)n > most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is %lld; it has to be from 1 to %llu",
				      name, (long long)n,
				      (unsigned long long)most);
	*value = (uint64_t)n;
	return 0;
}

int signing_take_plain(struct boot *boot, const cJSON *json,
		       struct bigm_error *err)
{
	uint64_t procs = 1;
	int rc = 0;
	const struct {
		const char *name;
		bool needed;
		char **value;
	} strings[] = {
		{ "name", true, &boot->name },
		{ "cluster", true, &boot->cluster },
		{ "address", false, &boot->address },
		{ "dir", false, &boot->dir },
		{ "marker", false, &boot->marker },
	};

	for (size_t i = 0; rc == 0 && i < sizeof(strings) / sizeof(strings[0]);
	     i++)
		rc = get_copy(json, strings[i].name, strings[i].needed,
			      strings[i].value, err);
	if (rc == 0)
		rc = get_range(json, "procs", 1 << 20, &procs, err);
	if (rc == 0)
		rc = get_range(json, "lease_ms", LEASE_MAX_MS, &boot->lease_ms,
			       err);
	if (rc == 0)
		rc = json_opt_bool(json, "no_http", &boot->no_http, err);
	boot->procs = (int)procs;
	if (rc == 0 && strlen(boot->marker) > MARKER_MAX)
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "marker is longer than %d bytes",
				    MARKER_MAX);
	return rc;
}

int signing_take_identity(struct boot *boot, const cJSON *json,
			  struct bigm_error *err)
{
	const char *certificate = NULL, *authority = NULL, *key = NULL;

	if (bigm_json_get_string(json, "certificate", &certificate, err) < 0 ||
	    bigm_json_get_string(json, "authority", &authority, err) < 0)
		return BIGM_EINVALID;
	if (boot->identity) {
		int rc = identity_set_certificate(boot->identity, certificate,
						  authority, err);

		return rc < 0 ? rc : identity_check_clock(boot->identity, err);
	}
	if (bigm_json_get_string(json, "key", &key, err) < 0)
		return BIGM_EINVALID;
	boot->identity = identity_from_pem(key, certificate, authority, err);
	return boot->identity ? 0 : BIGM_EINVALID;
}

/* The names in it are checked by whoever dials; a machine that has got
 * another's says so itself, and at once. */
static int check_names(const struct boot *boot, struct bigm_error *err)
{
	char who[IDENTITY_URI_MAX];
	struct peer self;
	int rc = identity_peer(boot->identity->certificate, &self, err);

	if (rc < 0 || (self.role == ROLE_MACHINE &&
		       strcmp(self.name, boot->name) == 0 &&
		       strcmp(self.cluster, boot->cluster) == 0))
		return rc;
	identity_describe(&self, who);
	return bigm_error_set(err, BIGM_EPERMISSION,
			      "the certificate is for %s, and this is machine "
			      "%.80s of cluster %.80s",
			      who, boot->name, boot->cluster);
}

int signing_take_answer(struct boot *boot, const cJSON *json,
			struct bigm_error *err)
{
	int rc = signing_take_plain(boot, json, err);

	if (rc == 0)
		rc = signing_take_identity(boot, json, err);
	if (rc == 0)
		rc = check_names(boot, err);
	if (rc < 0)
		error_prefix(err, "the keeper's answer");
	return rc;
}

/* ------------------------------------------------------------------ */
/* Identities with their keys                                          */

static int add_pem(cJSON *json, const char *name, char *pem)
{
	if (!pem)
		return BIGM_EFAILED;
	json_add_string(json, name, pem);
	OPENSSL_cleanse(pem, strlen(pem));
	free(pem);
	return 0;
}

int signing_add_identity(cJSON *json, const struct identity *id,
			 struct bigm_error *err)
{
	int rc = add_pem(json, "key", identity_key_pem(id, err));

	if (rc == 0)
		rc = add_pem(json, "certificate",
			     identity_certificate_pem(id, err));
	if (rc == 0)
		rc = add_pem(json, "authority",
			     identity_authority_pem(id, err));
	return rc;
}

void signing_free(cJSON *json)
{
	cJSON *key = cJSON_GetObjectItemCaseSensitive(json, "key");

	if (cJSON_IsString(key))
		OPENSSL_cleanse(key->valuestring, strlen(key->valuestring));
	cJSON_Delete(json);
}
