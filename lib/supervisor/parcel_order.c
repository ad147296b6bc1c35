#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "supervisor/parcel.h"

#define EVERY_MS 200

size_t parcel_chunks(const struct parcel_order *order)
{
	return order->chunk == 0 ? 0 :
				   (order->size + order->chunk - 1) /
					   order->chunk;
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int read_sums(struct parcel_order *order, const char *hex,
		     struct bigm_error *err)
{
	size_t n = parcel_chunks(order) * PARCEL_SUM;

	if (strlen(hex) != 2 * n)
		return bigm_error_set(err, BIGM_EINVALID,
				      "chunks has %zu digits; it has to have "
				      "%zu", strlen(hex), 2 * n);
	order->sums = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return bigm_error_set(err, BIGM_EINVALID,
					      "chunks is not hexadecimal");
		order->sums[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int read_from(const cJSON *json, struct parcel_order *order,
		     struct bigm_error *err)
{
	const cJSON *from = cJSON_GetObjectItemCaseSensitive(json, "from");
	const char *name, *address;

	if (!from)
		return 0;
	if (bigm_json_get_string(from, "name", &name, err) < 0 ||
	    bigm_json_get_string(from, "address", &address, err) < 0)
		return error_prefix(err, "from");
	order->name = xstrdup(name);
	order->address = xstrdup(address);
	return 0;
}

static int check(const struct parcel_order *order, struct bigm_error *err)
{
	if (order->size == 0 || order->size > PARCEL_MAX ||
	    order->offset > order->size)
		return bigm_error_set(err, BIGM_EINVALID,
				      "size is %llu; it has to be from 1 to "
				      "%llu, and offset within it",
				      (unsigned long long)order->size,
				      PARCEL_MAX);
	if (order->chunk != 0 && (order->chunk < PARCEL_CHUNK_MIN ||
				  order->chunk > PARCEL_CHUNK_MAX ||
				  parcel_chunks(order) > PARCEL_CHUNKS))
		return bigm_error_set(err, BIGM_EINVALID,
				      "chunk is %llu; it has to be from %u to "
				      "%u, and for no more than %u chunks",
				      (unsigned long long)order->chunk,
				      PARCEL_CHUNK_MIN, PARCEL_CHUNK_MAX,
				      PARCEL_CHUNKS);
	return 0;
}

int parcel_order_read(const cJSON *json, struct parcel_order *order,
		      struct bigm_error *err)
{
	const char *digest, *hex = NULL;

	*order = (struct parcel_order){ .every_ms = EVERY_MS };
	if (bigm_json_get_string(json, "digest", &digest, err) < 0 ||
	    bigm_json_get_uint64(json, "size", &order->size, err) < 0 ||
	    json_opt_uint64(json, "offset", &order->offset, err) < 0 ||
	    json_opt_uint64(json, "chunk", &order->chunk, err) < 0 ||
	    json_opt_uint64(json, "every_ms", &order->every_ms, err) < 0 ||
	    json_opt_string(json, "chunks", &hex, err) < 0)
		return BIGM_EINVALID;
	if (!digest_is_text(digest))
		return bigm_error_set(err, BIGM_EINVALID,
				      "digest is \"%.80s\", which is none",
				      digest);
	memcpy(order->digest, digest, DIGEST_SIZE);
	if (!hex != (order->chunk == 0))
		return bigm_error_set(err, BIGM_EINVALID,
				      "chunk and chunks belong together");
	if (check(order, err) < 0 || (hex && read_sums(order, hex, err) < 0))
		return BIGM_EINVALID;
	return read_from(json, order, err) < 0 ? BIGM_EINVALID : 0;
}

void parcel_order_release(struct parcel_order *order)
{
	free(order->sums);
	free(order->name);
	free(order->address);
	order->sums = NULL;
	order->name = order->address = NULL;
}

static void add_sums(cJSON *json, const struct parcel_order *order)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = parcel_chunks(order) * PARCEL_SUM;
	AUTO_FREE char *hex = xmalloc(2 * n + 1);

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[order->sums[i] >> 4];
		hex[2 * i + 1] = digits[order->sums[i] & 15];
	}
	hex[2 * n] = '\0';
	cJSON_AddStringToObject(json, "chunks", hex);
	json_add_uint64(json, "chunk", order->chunk);
}

cJSON *parcel_order_json(const struct parcel_order *order)
{
	cJSON *json = cJSON_CreateObject(), *from;

	cJSON_AddStringToObject(json, "digest", order->digest);
	json_add_uint64(json, "size", order->size);
	json_add_uint64(json, "offset", order->offset);
	json_add_uint64(json, "every_ms", order->every_ms);
	if (order->sums)
		add_sums(json, order);
	if (order->address) {
		from = cJSON_AddObjectToObject(json, "from");
		cJSON_AddStringToObject(from, "name", order->name);
		cJSON_AddStringToObject(from, "address", order->address);
	}
	return json;
}

int parcel_order_check(const struct parcel_order *order,
		       const char digest[DIGEST_SIZE], struct bigm_error *err)
{
	if (strcmp(digest, order->digest) == 0)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "what came has the digest %s, and not %s: was it "
			      "damaged, or changed while it was sent?", digest,
			      order->digest);
}
