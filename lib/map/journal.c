#include "map/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "map/ranges.h"

#define VERSION 1
/* Of so many jobs it is known what they were. */
#define COMPARED 65536u
/* The first digits of a job's digest. */
#define DIGITS 16

struct map_journal {
	char *path;
	int fd;
	struct ranges ended;
	uint64_t n, failed;
	uint64_t *digests; /* of jobs 1 to COMPARED; 0: not there */
};

static uint64_t job_digest(const char *argv, size_t len)
{
	struct digest *d = digest_new();
	char text[DIGEST_SIZE];

	digest_update(d, argv, len);
	digest_finish(d, text);
	text[sizeof("sha256:") - 1 + DIGITS] = '\0';
	return strtoull(text + sizeof("sha256:") - 1, NULL, 16);
}

/* ---- reading ---- */

static int bad_line(const struct map_journal *j, uint64_t line,
		    struct bigm_error *err)
{
	return error_prefix(err, "%s: line %" PRIu64 " of the journal", j->path,
			    line);
}

static int check_header(const struct map_journal *j, const cJSON *json,
			char *const *argv, struct bigm_error *err)
{
	AUTO_JSON cJSON *ours = json_strings(argv);
	int64_t version = 0;

	if (json_opt_int64(json, "bigm_map", &version, err) != 0 ||
	    version != VERSION)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is no journal of bigm map", j->path);
	if (!cJSON_Compare(cJSON_GetObjectItemCaseSensitive(json, "argv"), ours,
			   true))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is the journal of another command",
				      j->path);
	return 0;
}

static int read_job(struct map_journal *j, const cJSON *json,
		    bool failed_again, struct bigm_error *err)
{
	const char *digest = "";
	uint64_t number;
	int64_t status;

	if (bigm_json_get_uint64(json, "job", &number, err) != 0 ||
	    bigm_json_get_int64(json, "status", &status, err) != 0 ||
	    json_opt_string(json, "digest", &digest, err) != 0)
		return err->code;
	if (status != 0 && failed_again)
		return 0;
	if (!ranges_add(&j->ended, number))
		return 0;
	j->n++;
	j->failed += status != 0;
	if (number >= 1 && number <= COMPARED)
		j->digests[number - 1] = strtoull(digest, NULL, 16);
	return 0;
}

/* A line without its end was being written when its map ended: it is cut. */
static int read_lines(struct map_journal *j, FILE *file,
		      const struct map_journal_options *options, off_t *whole,
		      struct bigm_error *err)
{
	AUTO_FREE char *text = NULL;
	size_t room = 0;
	uint64_t line = 0;
	ssize_t len;

	while ((len = getline(&text, &room, file)) > 0) {
		AUTO_JSON cJSON *json = NULL;

		if (text[len - 1] != '\n')
			return 0;
		json = json_parse(text, (size_t)len, err);
		if (json == NULL)
			return bad_line(j, line + 1, err);
		if (line++ == 0) {
			if (check_header(j, json, options->argv, err) != 0)
				return err->code;
		} else if (read_job(j, json, options->failed_again, err) != 0) {
			return bad_line(j, line, err);
		}
		*whole += len;
	}
	return ferror(file) ? error_set_errno(err, errno, "%s", j->path) : 0;
}

static int read_file(struct map_journal *j,
		     const struct map_journal_options *options,
		     struct bigm_error *err)
{
	FILE *file = fopen(j->path, "re");
	off_t whole = 0;
	int code;

	if (file == NULL)
		return error_set_errno(err, errno, "%s", j->path);
	code = read_lines(j, file, options, &whole, err);
	fclose(file);
	if (code == 0 && ftruncate(j->fd, whole) != 0)
		code = error_set_errno(err, errno, "%s", j->path);
	return code;
}

/* ---- writing ---- */

static int write_line(struct map_journal *j, const cJSON *json,
		      struct bigm_error *err)
{
	AUTO_FREE char *text = json_print(json);
	AUTO_FREE char *line = xasprintf("%s\n", text);

	if (files_write(j->fd, line, strlen(line)) == 0)
		return 0;
	return error_set_errno(err, errno, "cannot write the journal %s", j->path);
}

static int write_header(struct map_journal *j, char *const *argv,
			struct bigm_error *err)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();

	cJSON_AddNumberToObject(json, "bigm_map", VERSION);
	cJSON_AddItemToObject(json, "argv",
			      json_strings(argv));
	return write_line(j, json, err);
}

int map_journal_add(struct map_journal *j, const struct map_result *result,
		    struct bigm_error *err)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	char digest[DIGITS + 1], now[24];

	snprintf(digest, sizeof(digest), "%016" PRIx64,
		 job_digest(result->argv, result->argv_len));
	snprintf(now, sizeof(now), "%" PRIu64, clock_wall_ns());
	json_add_uint64(json, "job", result->number);
	cJSON_AddStringToObject(json, "input", result->input);
	if (result->machine != NULL)
		cJSON_AddStringToObject(json, "machine", result->machine);
	cJSON_AddNumberToObject(json, "status", result->status);
	if (result->signal != 0)
		cJSON_AddNumberToObject(json, "signal", result->signal);
	if (result->late)
		cJSON_AddBoolToObject(json, "late", true);
	if (result->failed != NULL)
		cJSON_AddStringToObject(json, "failed", result->failed);
	cJSON_AddNumberToObject(json, "seconds", result->seconds);
	cJSON_AddStringToObject(json, "ended_ns", now);
	cJSON_AddNumberToObject(json, "attempts", result->attempts);
	cJSON_AddStringToObject(json, "digest", digest);
	return write_line(j, json, err);
}

/* ---- open to free ---- */

static int open_file(struct map_journal *j,
		     const struct map_journal_options *options,
		     struct bigm_error *err)
{
	struct stat st;

	j->fd = open(j->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (j->fd < 0 || fstat(j->fd, &st) != 0)
		return error_set_errno(err, errno, "cannot open the journal %s",
				       j->path);
	if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ?
			       bigm_error_set(err, BIGM_EEXIST,
					      "the journal %s is that of a map "
					      "that still runs", j->path) :
			       error_set_errno(err, errno, "cannot lock the "
					       "journal %s", j->path);
	if (st.st_size > 0 && !options->resume)
		return bigm_error_set(err, BIGM_EEXIST,
				      "%s is there already: --resume %s goes on "
				      "with it", j->path, j->path);
	if (st.st_size > 0 && read_file(j, options, err) != 0)
		return err->code;
	if (fstat(j->fd, &st) == 0 && st.st_size > 0)
		return 0;
	return write_header(j, options->argv, err);
}

struct map_journal *map_journal_open(const struct map_journal_options *options,
				     struct bigm_error *err)
{
	struct map_journal *j = xcalloc(1, sizeof(*j));

	j->path = xstrdup(options->path);
	j->digests = xcalloc(COMPARED, sizeof(*j->digests));
	if (open_file(j, options, err) == 0)
		return j;
	map_journal_free(j);
	return NULL;
}

void map_journal_free(struct map_journal *j)
{
	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd);
	ranges_release(&j->ended);
	free(j->digests);
	free(j->path);
	free(j);
}

uint64_t map_journal_ended(const struct map_journal *j)
{
	return j->n;
}

uint64_t map_journal_failed(const struct map_journal *j)
{
	return j->failed;
}

int map_journal_has(const struct map_journal *j, uint64_t number,
		    const char *argv, size_t len, struct bigm_error *err)
{
	uint64_t known;

	if (!ranges_has(&j->ended, number))
		return 0;
	known = number <= COMPARED ? j->digests[number - 1] : 0;
	if (known != 0 && known != job_digest(argv, len))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: job %" PRIu64 " was another one: the "
				      "journal is of other inputs", j->path,
				      number);
	return 1;
}
