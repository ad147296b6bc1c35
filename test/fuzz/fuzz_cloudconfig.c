/*
 * Two documents of any files, units, mounts, commands, keys and users, merged:
 * a document without commands is the same when it is merged once more; what is
 * emitted is YAML, and within what EC2 takes.
 *
 * The input: the flavor's byte, then of each thing a byte that says what it is
 * and its texts, a NUL behind each.  0xff begins the second document.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "cloudconfig/cloudconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (4u << 20)

struct reader {
	const char *at, *end;
};

/* The next text, or NULL for an empty one. */
static const char *next(struct reader *r)
{
	const char *text = r->at;
	const char *nul = memchr(text, 0, (size_t)(r->end - text));

	r->at = nul ? nul + 1 : r->end;
	/* The copy in LLVMFuzzerTestOneInput() ends in a NUL. */
	return *text ? text : NULL;
}

static const char *some(const char *text)
{
	return text ? text : "";
}

static void add_file(struct cloudconfig *c, struct reader *r, unsigned how)
{
	const char *path = some(next(r)), *content = some(next(r));

	cloudconfig_add_file(c, &(struct cloudconfig_file){
		.path = path, .content = content, .len = strlen(content),
		.mode = how * 8, .owner = next(r) }, NULL);
}

static void add_unit(struct cloudconfig *c, struct reader *r, unsigned how)
{
	const char *name = some(next(r)), *content = next(r);

	cloudconfig_add_unit(c, &(struct cloudconfig_unit){
		.name = name, .content = content, .command = next(r),
		.enable = how & 1, .sync = how & 2, .mask = how & 4,
		.early = how & 8, .soon = how & 16 }, NULL);
}

static void add_mount(struct cloudconfig *c, struct reader *r)
{
	const char *device = some(next(r)), *dir = next(r), *type = next(r);

	cloudconfig_add_mount(c, &(struct cloudconfig_mount){
		.device = device, .dir = dir, .type = type,
		.options = next(r) }, NULL);
}

static bool add_command(struct cloudconfig *c, struct reader *r)
{
	const char *const argv[] = { some(next(r)), next(r), NULL };

	return cloudconfig_add_command(c, argv, NULL) == 0;
}

static void add_key(struct cloudconfig *c, struct reader *r)
{
	const char *user = next(r);

	cloudconfig_add_ssh_key(c, user, some(next(r)), NULL);
}

static void add_user(struct cloudconfig *c, struct reader *r, unsigned how)
{
	const char *name = some(next(r)), *groups = next(r);

	cloudconfig_add_user(c, &(struct cloudconfig_user){
		.name = name, .groups = groups, .shell = next(r),
		.sudo = how & 1 }, NULL);
}

/* Up to 0xff or the end. */
static struct cloudconfig *read_document(struct reader *r, bool *commands)
{
	struct cloudconfig *c = cloudconfig_new();

	while (r->at < r->end && (uint8_t)*r->at != 0xff) {
		unsigned byte = (uint8_t)*r->at++, how = byte >> 3;

		switch (byte & 7) {
		case 0:
			add_file(c, r, how);
			break;
		case 1:
			add_unit(c, r, how);
			break;
		case 2:
			add_mount(c, r);
			break;
		case 3:
			*commands |= add_command(c, r);
			break;
		case 4:
			add_key(c, r);
			break;
		case 5:
			add_user(c, r, how);
			break;
		case 6: {
			const char *key = some(next(r));

			cloudconfig_set_host_key(c, key, some(next(r)), NULL);
			break;
		}
		default:
			cloudconfig_stop_updates(c);
		}
	}
	if (r->at < r->end)
		r->at++;
	return c;
}

static void check_yaml(const struct buffer *out)
{
	static const char head[] = "#cloud-config\n";
	yaml_parser_t parser;
	yaml_document_t document;

	if (out->len < sizeof(head) - 1 ||
	    memcmp(buffer_data(out), head, sizeof(head) - 1) != 0)
		abort();
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, buffer_data(out), out->len);
	if (!yaml_parser_load(&parser, &document))
		abort();
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
}

static void check_pack(const struct cloudconfig *c,
		       enum cloudconfig_flavor flavor)
{
	struct buffer packed = BUFFER_INIT(ROOM);
	struct bigm_error err = BIGM_ERROR_INIT;

	if (cloudconfig_pack(c, flavor, &packed, &err) < 0 ?
		    err.text[0] == '\0' : packed.len > CLOUDCONFIG_MAX)
		abort();
	buffer_release(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer once = BUFFER_INIT(ROOM), twice = BUFFER_INIT(ROOM);
	struct bigm_error err = BIGM_ERROR_INIT;
	enum cloudconfig_flavor flavor;
	struct cloudconfig *a, *b;
	bool commands = false;
	struct reader r;
	int rc;

	if (size == 0)
		return 0;
	AUTO_FREE char *copy = xmalloc(size + 1);
	memcpy(copy, data, size);
	copy[size] = '\0';
	flavor = data[0] % CLOUDCONFIG_FLAVORS;
	r = (struct reader){ copy + 1, copy + size };
	a = read_document(&r, &commands);
	b = read_document(&r, &commands);
	cloudconfig_merge(a, b);
	rc = cloudconfig_emit(a, flavor, &once, &err);
	if (rc < 0 && (err.code == 0 || err.text[0] == '\0'))
		abort();
	if (rc == 0)
		check_yaml(&once);
	cloudconfig_merge(a, b);
	if (cloudconfig_emit(a, flavor, &twice, NULL) != rc)
		abort();
	if (rc == 0 && !commands &&
	    (once.len != twice.len ||
	     memcmp(buffer_data(&once), buffer_data(&twice), once.len) != 0))
		abort();
	check_pack(a, flavor);
	buffer_release(&once);
	buffer_release(&twice);
	cloudconfig_free(a);
	cloudconfig_free(b);
	return 0;
}
