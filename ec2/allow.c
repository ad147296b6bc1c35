#include "ec2/allow.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/http.h"
#include "ec2/metadata.h"

#define PAGE_MAX 1024

int allow_parse(const char *text, struct allow *a, struct bigm_error *err)
{
	char address[INET6_ADDRSTRLEN] = "";
	unsigned char bytes[16] = { 0 };
	size_t len = strcspn(text, "/");
	long most, bits;
	char *end = NULL;

	if (len < sizeof(address))
		memcpy(address, text, len);
	a->v6 = inet_pton(AF_INET6, address, bytes) == 1;
	if (!a->v6 && inet_pton(AF_INET, address, bytes) != 1)
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%.80s\" is no address; one looks like "
				      "203.0.113.7 or 2001:db8::/32", text);
	most = bits = a->v6 ? 128 : 32;
	if (text[len] == '/') {
		bits = strtol(text + len + 1, &end, 10);
		if (!isdigit((unsigned char)text[len + 1]) || *end ||
		    bits > most)
			return bigm_error_set(err, BIGM_EINVALID,
					      "\"%.80s\": the prefix must be "
					      "from 0 to %ld", text, most);
	}
	for (long i = bits; i < most; i++)
		bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	inet_ntop(a->v6 ? AF_INET6 : AF_INET, bytes, address, sizeof(address));
	snprintf(a->cidr, sizeof(a->cidr), "%s/%ld", address, bits);
	return 0;
}

static int ask_page(const struct allow_sources *from, struct allow *a,
		    struct bigm_error *err)
{
	struct http_options options = { .ca_file = from->ca_file,
					.cancel = from->cancel };
	struct http *http = http_new(&options, err);
	struct http_request request = { .method = "GET", .url = from->url,
					.timeout_ms = 20000,
					.limit = PAGE_MAX };
	struct http_answer answer = HTTP_ANSWER_INIT;
	int r = http ? http_request(http, &request, &answer, err)
		     : BIGM_EFAILED;

	if (r == 0 && answer.status != 200)
		r = bigm_error_set(err, BIGM_EUNAVAILABLE, "%s: status %d",
				   from->url, answer.status);
	if (r == 0) {
		AUTO_FREE char *text = xstrdup(buffer_string(&answer.body));
		char *at = text + strspn(text, " \t\r\n");

		at[strcspn(at, " \t\r\n/")] = '\0';
		r = allow_parse(at, a, err);
		if (r < 0)
			error_prefix(err, "%s", from->url);
	}
	http_answer_release(&answer);
	http_free(http);
	return r;
}

int allow_here(const struct allow_sources *from, struct allow *a,
	       struct bigm_error *err)
{
	struct bigm_error instance = BIGM_ERROR_INIT, page = BIGM_ERROR_INIT;
	AUTO_FREE char *address =
		from->metadata ? metadata_public_ip(from->metadata, &instance)
			       : NULL;

	if (address)
		return allow_parse(address, a, err);
	if (from->url && ask_page(from, a, &page) == 0)
		return 0;
	if (instance.code == BIGM_ECANCELED || page.code == BIGM_ECANCELED)
		return cancel_error(err);
	return bigm_error_set(err, BIGM_EUNAVAILABLE,
			      "nobody knows this host's address, to which alone "
			      "instances shall answer: instance metadata: %s; "
			      "public-ip-url: %s; say who may connect: "
			      "--ec2-allow 203.0.113.7/32",
			      *instance.text ? instance.text : "not asked",
			      from->url ? page.text : "is not set");
}
