/* Whatever json_parse() accepts, json_print() writes as JSON, and as the same
 * text again after another round: nothing is lost on the way. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *json = json_parse(data, size, &err);
	char *text, *text_again;
	uint64_t value;
	cJSON *again;

	if (!json) {
		if (err.code == 0 || err.text[0] == '\0')
			abort();
		return 0;
	}
	bigm_json_get_uint64(json, NULL, &value, NULL);
	text = json_print(json);
	again = json_parse(text, strlen(text), NULL);
	if (!again)
		abort();
	text_again = json_print(again);
	if (strcmp(text, text_again) != 0)
		abort();
	free(text_again);
	cJSON_Delete(again);
	free(text);
	cJSON_Delete(json);
	return 0;
}
