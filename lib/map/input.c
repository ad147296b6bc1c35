#include "map/input.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/files.h"
#include "map/template.h"

#define READ_SIZE 65536u
/* Of a range: no cluster lives to see the end of more. */
#define MOST_NUMBER 1000000000u

struct list {
	char **words;
	size_t n, at;
};

struct numbers {
	uint64_t first, last, step;
};

struct map_input {
	int (*next)(struct map_input *input, struct bigm_error *err);
	const char **inputs; /* of the present job */
	size_t width;
	uint64_t total;

	int fd, stop_fd;
	int spool; /* the same, if it is ours; -1 */
	char delimiter;
	struct buffer held; /* read, and not yet given out */
	size_t given;	    /* of held: the present input and its end */
	uint64_t line;
	bool over;

	struct list *lists;
	bool begun;

	struct numbers *ranges;
	size_t nranges, range;
	uint64_t number;
	char text[32];
};

static struct map_input *new_input(size_t width)
{
	struct map_input *input = xcalloc(1, sizeof(*input));

	input->width = width;
	input->inputs = xcalloc(width + 1, sizeof(*input->inputs));
	input->fd = input->stop_fd = input->spool = -1;
	buffer_init(&input->held, MAP_MOST_ARGV + READ_SIZE);
	return input;
}

void map_input_free(struct map_input *input)
{
	if (input == NULL)
		return;
	for (size_t i = 0; input->lists != NULL && i < input->width; i++) {
		for (size_t word = 0; word < input->lists[i].n; word++)
			free(input->lists[i].words[word]);
		free(input->lists[i].words);
	}
	free(input->lists);
	free(input->ranges);
	free(input->inputs);
	buffer_release(&input->held);
	if (input->spool >= 0)
		close(input->spool);
	if (input->stop_fd >= 0)
		close(input->stop_fd);
	free(input);
}

uint64_t map_input_total(const struct map_input *input)
{
	return input->total;
}

size_t map_input_width(const struct map_input *input)
{
	return input->width;
}

int map_input_next(struct map_input *input, const char *const **inputs,
		   struct bigm_error *err)
{
	*inputs = input->inputs;
	return input->next(input, err);
}

void map_input_stop(struct map_input *input)
{
	uint64_t one = 1;
	ssize_t n = input->stop_fd < 0 ? 0
		  : write(input->stop_fd, &one, sizeof(one));

	(void)n;
}

/* ---- a file ---- */

/* Waits for bytes, and reads them.  1, 0 at the end, or a code. */
static int read_more(struct map_input *input, struct bigm_error *err)
{
	struct pollfd fds[] = { { .fd = input->fd, .events = POLLIN },
				{ .fd = input->stop_fd, .events = POLLIN } };
	uint8_t *room = buffer_reserve(&input->held, READ_SIZE, NULL);
	ssize_t n;

	if (room == NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "input %" PRIu64 " is longer than %u bytes",
				      input->line + 1, MAP_MOST_ARGV);
	do {
		while (poll(fds, 2, -1) < 0 && errno == EINTR)
			;
		if (fds[1].revents != 0)
			return 0;
		n = read(input->fd, room, READ_SIZE);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return error_set_errno(err, errno, "cannot read the inputs");
	buffer_commit(&input->held, (size_t)n);
	return n > 0;
}

/* Gives out the first `len` bytes; what ends them is stepped over later. */
static int give(struct map_input *input, size_t len, struct bigm_error *err)
{
	char *text = (char *)buffer_data(&input->held);

	text[len] = '\0';
	input->line++;
	input->given = len + 1;
	input->inputs[0] = text;
	if (memchr(text, '\0', len) != NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "input %" PRIu64 " has a NUL byte in it: "
				      "no argument can have (are the inputs "
				      "separated by NUL? then say -0)",
				      input->line);
	return 1;
}

static int next_of_file(struct map_input *input, struct bigm_error *err)
{
	size_t looked = 0;

	buffer_consume(&input->held, input->given);
	input->given = 0;
	for (;;) {
		const uint8_t *data = buffer_data(&input->held);
		size_t len = input->held.len;
		const uint8_t *end = len == looked ? NULL
			: memchr(data + looked, input->delimiter, len - looked);
		int more;

		if (end != NULL)
			return give(input, (size_t)(end - data), err);
		if (input->over && len == 0)
			return 0;
		if (input->over) {
			buffer_append(&input->held, "", 1, NULL);
			return give(input, len, err);
		}
		looked = len;
		more = read_more(input, err);
		if (more < 0)
			return more;
		input->over = more == 0;
	}
}

/* Copies all of it to the file; how many inputs it has, or a code. */
static int64_t copy_counting(struct map_input *input, int fd,
			     struct bigm_error *err)
{
	char chunk[READ_SIZE];
	bool begun = false;
	int64_t count = 0;
	ssize_t n;

	while ((n = read(input->fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "cannot read the inputs");
		for (ssize_t i = 0; i < n; i++)
			count += chunk[i] == input->delimiter;
		begun = chunk[n - 1] != input->delimiter;
		if (files_write(fd, chunk, (size_t)n) != 0)
			return error_set_errno(err, errno, "%s",
					       files_temporary_folder());
	}
	return count + begun;
}

int map_input_spool(struct map_input *input, struct bigm_error *err)
{
	int fd = input->fd >= 0 ? files_temporary() : -1;
	int64_t count;

	if (input->fd < 0)
		return 0;
	if (fd < 0)
		return error_set_errno(err, errno, "%s", files_temporary_folder());
	count = copy_counting(input, fd, err);
	if (count < 0 || lseek(fd, 0, SEEK_SET) != 0) {
		close(fd);
		return count < 0 ? (int)count
				 : error_set_errno(err, errno, "cannot go back");
	}
	input->fd = input->spool = fd;
	input->total = (uint64_t)count;
	return 0;
}

struct map_input *map_input_from_file(int fd, char delimiter)
{
	struct map_input *input = new_input(1);

	input->next = next_of_file;
	input->fd = fd;
	input->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	input->delimiter = delimiter;
	return input;
}

/* ---- lists ---- */

static int next_of_lists(struct map_input *input, struct bigm_error *err)
{
	size_t i = input->width;

	(void)err;
	if (input->over || input->total == 0)
		return 0;
	while (input->begun && i > 0 &&
	       ++input->lists[i - 1].at == input->lists[i - 1].n)
		input->lists[--i].at = 0;
	input->over = input->begun && i == 0;
	if (input->over)
		return 0;
	input->begun = true;
	for (i = 0; i < input->width; i++)
		input->inputs[i] = input->lists[i].words[input->lists[i].at];
	return 1;
}

static void add_word(struct list *list, const char *word)
{
	list->words = xrealloc(list->words, (list->n + 1) * sizeof(*list->words));
	list->words[list->n++] = xstrdup(word);
}

struct map_input *map_input_from_lists(char **const *lists)
{
	struct map_input *input;
	size_t width = 0;

	while (lists[width] != NULL)
		width++;
	input = new_input(width);
	input->next = next_of_lists;
	input->lists = xcalloc(width, sizeof(*input->lists));
	for (size_t at = 0; at < width; at++)
		for (char *const *word = lists[at]; *word != NULL; word++)
			add_word(&input->lists[at], *word);
	input->total = 1;
	for (size_t at = 0; at < width; at++)
		if (__builtin_mul_overflow(input->total, input->lists[at].n,
					   &input->total))
			input->total = UINT64_MAX;
	return input;
}

/* ---- ranges ---- */

static int next_of_ranges(struct map_input *input, struct bigm_error *err)
{
	const struct numbers *range;

	(void)err;
	if (input->range == input->nranges)
		return 0;
	range = &input->ranges[input->range];
	input->number = input->begun ? input->number + range->step : range->first;
	input->begun = true;
	snprintf(input->text, sizeof(input->text), "%" PRIu64, input->number);
	input->inputs[0] = input->text;
	if (range->last - input->number < range->step) {
		input->range++;
		input->begun = false;
	}
	return 1;
}

/* A number at *text, which it steps over. */
static bool take_number(const char **text, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0 && *number <= MOST_NUMBER;
}

static bool take_range(const char **text, struct numbers *range)
{
	if (!take_number(text, &range->first))
		return false;
	range->last = range->first;
	range->step = 1;
	if (**text == '-') {
		++*text;
		if (!take_number(text, &range->last))
			return false;
	}
	if (**text == ':') {
		++*text;
		if (!take_number(text, &range->step))
			return false;
	}
	return range->last >= range->first && range->step > 0;
}

struct map_input *map_input_from_ranges(const char *text,
					struct bigm_error *err)
{
	struct map_input *input = new_input(1);
	const char *at = text;

	input->next = next_of_ranges;
	for (;;) {
		struct numbers range;

		if (!take_range(&at, &range) || (*at != ',' && *at != '\0'))
			break;
		input->ranges = xrealloc(input->ranges, (input->nranges + 1) *
							sizeof(range));
		input->ranges[input->nranges++] = range;
		input->total += (range.last - range.first) / range.step + 1;
		if (*at++ == '\0')
			return input;
	}
	map_input_free(input);
	bigm_error_set(err, BIGM_EINVALID,
		       "\"%s\" is no range of numbers, as 1-1000, 0-90:10 or "
		       "1,5,7-9, of at most %u", text, MOST_NUMBER);
	return NULL;
}
