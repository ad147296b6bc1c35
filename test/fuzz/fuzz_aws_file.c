/* Whatever aws_sections_parse() refuses has a reason with a line; what it takes
 * can be asked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ec2/aws_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aws_sections *s = aws_sections_new();
	struct bigm_error err = BIGM_ERROR_INIT;
	/* The first byte chooses which of the two files it is. */
	int r = size == 0 ? 0
			  : aws_sections_parse(s, (const char *)data + 1,
					       size - 1, "file", data[0] & 1,
					       &err);

	if (r < 0 && (err.code == 0 || strncmp(err.text, "file:", 5) != 0))
		abort();
	const char *value = aws_sections_get(s, AWS_PROFILE, "default",
					     "region");
	if (value && (*value == '\0' ||
		      !aws_sections_have(s, AWS_PROFILE, "default")))
		abort();
	aws_sections_get(s, AWS_SERVICES, "x", "ec2.endpoint_url");
	aws_sections_free(s);
	return 0;
}
