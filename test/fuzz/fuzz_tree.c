/* Whatever a peer says in a copy's stream, nothing outside of its destination is
 * made or changed, nothing is there under a temporary name afterwards, and what
 * was refused says why.  The first byte chooses how it is taken. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "supervisor/tree_take.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALM "calm"
#define MOST (1u << 16)

enum { TO_FOLDER = 1, SALVAGE = 2, LINKS = 4, REFUSE = 8, PIECES = 16 };

/* ROOT/in is where it goes; nobody shall touch ROOT/out, to which links lead. */
struct place {
	char *root, *in, *there, *out, *canary;
};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void place_make(struct place *p)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *link = NULL;
	AUTO_CLOSE int fd = -1;

	p->root = xasprintf("%s/fuzz-tree-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	must(mkdtemp(p->root) != NULL);
	p->in = xasprintf("%s/in", p->root);
	p->there = xasprintf("%s/there", p->in);
	p->out = xasprintf("%s/out", p->root);
	p->canary = xasprintf("%s/canary", p->out);
	link = xasprintf("%s/link", p->there);
	must(mkdir(p->in, 0700) == 0 && mkdir(p->there, 0700) == 0 &&
	     mkdir(p->out, 0700) == 0 && symlink("../../out", link) == 0);
	fd = open(p->canary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	must(write(fd, CALM, strlen(CALM)) == (ssize_t)strlen(CALM));
}

/* How many names it has that are no temporary ones, of which it may have none. */
static int names(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int n = 0;

	must(dir != NULL);
	while ((e = readdir(dir))) {
		must(strncmp(e->d_name, TREE_TEMPORARY,
			     strlen(TREE_TEMPORARY)) != 0);
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	}
	closedir(dir);
	return n;
}

static void place_check(const struct place *p)
{
	AUTO_CLOSE int fd = open(p->canary, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[sizeof(CALM) + 1];
	struct stat st;

	must(names(p->root) == 2 && names(p->out) == 1);
	must(lstat(p->out, &st) == 0 && (st.st_mode & 07777) == 0700);
	must(read(fd, text, sizeof(text)) == (ssize_t)strlen(CALM) &&
	     memcmp(text, CALM, strlen(CALM)) == 0);
	must(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
	names(p->in);
	/* Of a folder that comes, the mode may be any, but it is a folder. */
	must(lstat(p->there, &st) == 0 && S_ISDIR(st.st_mode));
	must(chmod(p->there, 0700) == 0);
	names(p->there);
}

static void place_remove(struct place *p)
{
	folder_empty(p->root, NULL, NULL);
	rmdir(p->root);
	free(p->root);
	free(p->in);
	free(p->there);
	free(p->out);
	free(p->canary);
}

static int leave_out(void *data, const struct bigm_error *why)
{
	must(why->text[0] != '\0');
	return *(const uint8_t *)data & REFUSE ? BIGM_EINVALID : 0;
}

static int feed(struct tree_take *take, uint8_t how, const uint8_t *data,
		size_t size, struct bigm_error *err)
{
	int rc = 0;

	for (size_t at = 0, step = 1; rc == 0 && at < size;
	     at += step, step = step % 7 + 1) {
		if (!(how & PIECES) || step > size - at)
			step = size - at;
		rc = tree_take_bytes(take, data + at, step, err);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	uint8_t how = size > 0 ? data[0] : 0;
	struct tree_take_options options = {
		.path = how & TO_FOLDER ? "there" : "new",
		.on_link_out = how & LINKS ? leave_out : NULL,
		.data = &how,
		.salvage = how & SALVAGE,
	};
	struct tree_take *take;
	struct place place;
	int rc;

	if (size == 0 || size > MOST)
		return 0;
	place_make(&place);
	options.dir = place.in;
	take = tree_take_new(&options, &err);
	must(take != NULL);
	rc = feed(take, how, data + 1, size - 1, &err);
	if (rc == 0)
		rc = tree_take_end(take, &err);
	must(rc == 0 || err.text[0] != '\0');
	if (rc < 0)
		tree_take_broken(take, &err);
	tree_take_free(take);
	place_check(&place);
	place_remove(&place);
	return 0;
}
