/* The main() of a fuzz target that is built without libFuzzer: feeds it each file named on the command line. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long size = -1;
	int ok;

	if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		/* Exactly the input's size, so that AddressSanitizer sees a read beyond its end. */
		data = malloc((size_t)size);
	}
	ok = size >= 0 && (size == 0 || data) && fread(data, 1, (size_t)size, file) == (size_t)size;
	if (ok)
		LLVMFuzzerTestOneInput(data, (size_t)size);
	else
		fprintf(stderr, "cannot read %s\n", path);
	free(data);
	if (file)
		fclose(file);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	return failed;
}
