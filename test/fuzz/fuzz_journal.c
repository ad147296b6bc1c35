/* The journal of a map, as somebody may have left it: what is opened takes
 * another job, and is opened again with one more; what is refused says why. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/files.h"
#include "map/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_job(struct map_journal *j, uint64_t number)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct capture out, errors;
	struct map_result result = {
		.number = number, .input = "an input", .argv = "wc\0an input",
		.argv_len = sizeof("wc\0an input"), .machine = "m0",
		.attempts = 1, .seconds = 0.5, .out = &out, .err = &errors,
	};

	capture_init(&out);
	capture_init(&errors);
	if (map_journal_add(j, &result, &err) < 0)
		abort();
	capture_release(&out);
	capture_release(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const argv[] = { (char *)"wc", NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_CLOSE int fd = memfd_create("journal", MFD_CLOEXEC);
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	const struct map_journal_options options = {
		.path = path, .argv = argv, .resume = true,
		.failed_again = size > 0 && data[size - 1] & 1,
	};
	struct map_journal *j;
	uint64_t ended, number = 1;

	if (fd < 0 || files_write(fd, data, size) < 0)
		abort();
	j = map_journal_open(&options, &err);
	if (!j) {
		if (err.code == 0 || err.text[0] == '\0')
			abort();
		return 0;
	}
	ended = map_journal_ended(j);
	if (map_journal_failed(j) > ended)
		abort();
	while (number < 100 &&
	       map_journal_has(j, number, "wc\0an input", 12, NULL) != 0)
		number++;
	if (number < 100)
		add_job(j, number);
	map_journal_free(j);
	j = map_journal_open(&options, &err);
	if (!j || map_journal_ended(j) != ended + (number < 100) ||
	    (number < 100 &&
	     map_journal_has(j, number, "wc\0an input", 12, NULL) != 1))
		abort();
	map_journal_free(j);
	return 0;
}
