#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bigm.h"

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "version") != 0) {
		fputs("usage: bigm version [-v]\n", stderr);
		return 2;
	}
	printf("bigm %s\n", bigm_version());
	if (argc > 2 && strcmp(argv[2], "-v") == 0)
		fputs(BIGM_FEATURES, stdout);
	return 0;
}
