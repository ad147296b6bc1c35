/*
 * varied: a program with variables of every kind, for the tests of debug pages.
 * As a driver it calls each of its machines, says "ready", and waits for a line
 * on its standard input; "page PATH" prints that page.
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cJSON *answer(void *data)
{
	return cJSON_CreateNumber(data ? 42 : 0);
}

/* Of the service's state: what its machine publishes. */
struct varied {
	struct bigm_var *counter, *gauge, *histogram, *string;
};

static int publish(struct bigm *b, struct varied *v, struct bigm_error *err)
{
	static const double bounds[] = { 1, 10, 100 };

	v->counter = bigm_var_counter(b, "hits", "How often it was hit.", err);
	v->gauge = bigm_var_gauge(b, "level", "How \"high\" it\nis.", err);
	v->histogram = bigm_var_histogram(b, "sizes", "How large they were.",
					  bounds, 3, err);
	v->string = bigm_var_string(b, "mood", "How it feels.", err);
	if (!v->counter || !v->gauge || !v->histogram || !v->string ||
	    !bigm_var_histogram(b, "waits_seconds", "", NULL, 0, err) ||
	    !bigm_var_function(b, "answer", "To everything.", answer, v, err))
		return err->code;
	bigm_var_set_string(v->string, "good \"\\ \n\xc3\xa4");
	bigm_var_set(v->gauge, 2);
	bigm_var_add(v->gauge, -0.5);
	return 0;
}

static int init(struct bigm *b, const struct cJSON *params, void **state,
		struct bigm_error *err)
{
	struct varied *v = calloc(1, sizeof(*v));

	*state = v;
	return publish(b, v, err);
}

static int hit(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	       struct bigm_error *err)
{
	struct varied *v = bigm_request_state(req);

	bigm_var_count(v->counter, 1);
	bigm_var_observe(v->histogram, cJSON_GetNumberValue(arg));
	return cJSON_IsNumber(arg) ? 0 :
				     bigm_error_set(err, BIGM_EINVALID, "ouch");
}

/* This machine's own page, as a program's own server would show it. */
static int page(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	char *type;
	void *body;
	size_t len;
	int rc = bigm_debug_page(bigm_request_bigm(req),
				 cJSON_GetStringValue(arg), &type, &body, &len,
				 err);

	if (rc < 0)
		return rc;
	*reply = cJSON_CreateString(body);
	free(type);
	free(body);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Hit", hit, 0 }, { "Page", page, 0 }, { 0 }
};
static const struct bigm_service_type type = { sizeof(type), "Varied", methods,
					       init, free };
static const struct bigm_service_type *const types[] = { &type, NULL };
static const struct bigm_service services[] = { { "Varied", NULL, NULL },
						{ 0 } };

static void print_page(struct bigm *b, const char *path)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char *content;
	void *body;
	size_t len;

	if (bigm_debug_page(b, path, &content, &body, &len, &err) < 0) {
		printf("%s: %s\n", bigm_code_name(err.code), err.text);
		return;
	}
	printf("%s, %zu bytes\n", content, len);
	fwrite(body, 1, len, stdout);
	free(content);
	free(body);
}

static int drive(struct bigm *b, struct bigm_error *err)
{
	struct bigm_machine **machines;
	struct varied v;
	char line[256];
	int n = publish(b, &v, err);

	if (n == 0)
		n = bigm_start(b, 0, services, NULL, &machines, err);
	for (int i = 0; i < n; i++) {
		struct cJSON *arg = bigm_json("%d", 50 + i);
		int rc = bigm_call(machines[i], "Varied.Hit", arg, NULL, err);

		cJSON_Delete(arg);
		if (rc < 0)
			return rc;
		bigm_var_count(v.counter, 10);
	}
	printf("ready\n");
	fflush(stdout);
	while (n > 0 && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "page ", 5) != 0)
			break;
		print_page(b, line + 5);
		fflush(stdout);
	}
	return n < 0 ? n : bigm_shutdown(b, err);
}

int main(int argc, char **argv)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);

	if (!b || drive(b, &err) < 0) {
		fprintf(stderr, "varied: %s\n", err.text);
		return 1;
	}
	bigm_free(b);
	return 0;
}
